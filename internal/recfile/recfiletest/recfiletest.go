// Package recfiletest makes small recordings for tests: ours, open and closed, and
// what other programs write.
package recfiletest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Created is the wall clock of every file here.
var Created = time.Date(2026, 1, 15, 14, 30, 22, 0, time.UTC)

// An H.264 configuration, a keyframe and another frame of it, and a frame of AAC.
const (
	AVCC  = "0164001fffe1001a6764001facd9405005bb0110000003001000000303c0f183196001000668ebe3cb22c0fdf8f800"
	Key   = "0000000f6588840bfffef6aefccb2b747e952e"
	inter = "00000009419a3b10bffe8cd360"
	aac   = "211004608c1c"
)

// Unhex turns hexadecimal text into bytes.
func Unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// Packet is a message body in hexadecimal, with its tag type and its time.
type Packet struct {
	Kind uint8
	MS   int64
	Body string
}

// Stream is a second of H.264 at 10 frames and AAC, a keyframe each 5 frames.
func Stream(frames int) (all []Packet) {
	all = []Packet{{flv.TagVideo, 0, "1700000000" + AVCC}, {flv.TagAudio, 0, "AF001190"}}
	for i := range frames {
		ms := int64(100 * i)
		body := "2701000000" + inter
		if i%5 == 0 {
			body = "1701000000" + Key
		}
		all = append(all, Packet{flv.TagVideo, ms, body}, Packet{flv.TagAudio, ms + 5, "AF01" + aac})
	}
	return all
}

// FLV returns a recording before and after it was closed.
func FLV(t testing.TB, packets []Packet) (open, closed []byte) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "made"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := flv.NewWriter(f, flv.Options{Created: Created, FrameRate: 10})
	for _, p := range packets {
		parsed, err := flv.Parse(p.Kind, Unhex(p.Body))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(parsed, time.Duration(p.MS)*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	open = readAll(t, f.Name())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return open, readAll(t, f.Name())
}

// ForeignFLV is what others write: no onMetaData, no index.
func ForeignFLV(packets []Packet) []byte {
	b := []byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
	for _, p := range packets {
		body := Unhex(p.Body)
		n := len(body)
		b = append(b, p.Kind, byte(n>>16), byte(n>>8), byte(n), byte(p.MS>>16), byte(p.MS>>8), byte(p.MS), 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint32(append(b, body...), uint32(11+n))
	}
	return b
}

// FinishedFLV is a ForeignFLV whose onMetaData tells how long it is, in seconds and maybe
// in bytes, as other programs write it: without an index.
func FinishedFLV(packets []Packet, seconds float64, withSize bool) []byte {
	made := func(size int) []byte {
		properties := amf.ECMAArray{{Key: "duration", Value: seconds}}
		if withSize {
			properties = append(properties, amf.Property{Key: "filesize", Value: float64(size)})
		}
		head := Packet{flv.TagScript, 0, hex.EncodeToString(amf.Append(nil, "onMetaData", properties))}
		return ForeignFLV(append([]Packet{head}, packets...))
	}
	return made(len(made(0)))
}

// MP4 returns a recording before and after it was closed, and where its
// fragments end: a fragment a frame, a sync after each 20 of them. Frames from gap on
// come two seconds later.
func MP4(t testing.TB, frames, gap int) (open, closed []byte, ends []int64) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "made"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := bmff.NewWriter(f, bmff.Options{Created: Created, FileID: [16]byte{1}, Tracks: []media.Track{
		{Kind: media.Video, Codec: media.H264, Config: Unhex(AVCC)}, {Kind: media.Audio, Codec: media.AAC, Config: Unhex("1190")}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		at := time.Duration(100*i) * time.Millisecond
		if gap > 0 && i >= gap {
			at += 2 * time.Second
		}
		data := Unhex(inter)
		if i%5 == 0 {
			data = Unhex(Key)
		}
		for _, s := range []media.Sample{{Kind: media.Video, Codec: media.H264, DTS: at, Key: i%5 == 0, Data: data},
			{Kind: media.Audio, Codec: media.AAC, DTS: at, Data: Unhex(aac)}} {
			if err := w.Write(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if ends = append(ends, w.Written()); i%20 == 19 {
			w.Synced(w.Written())
		}
	}
	open = bytes.Clone(readAll(t, f.Name()))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return open, readAll(t, f.Name()), ends
}

func readAll(t testing.TB, p string) []byte {
	t.Helper()
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
