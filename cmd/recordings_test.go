package cmd

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// created is the wall clock of every file here.
var created = time.Date(2026, 1, 15, 14, 30, 22, 0, time.UTC)

const (
	avcC  = "0164001fffe1001a6764001facd9405005bb0110000003001000000303c0f183196001000668ebe3cb22c0fdf8f800"
	key   = "0000000f6588840bfffef6aefccb2b747e952e"
	inter = "00000009419a3b10bffe8cd360"
	aac   = "211004608c1c"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

type madePacket struct {
	kind uint8
	ms   int64
	body string
}

// stream is a second of H.264 at 10 frames and AAC, a keyframe each 5 frames.
func stream(frames int) (all []madePacket) {
	all = []madePacket{{flv.TagVideo, 0, "1700000000" + avcC}, {flv.TagAudio, 0, "AF001190"}}
	for i := range frames {
		ms := int64(100 * i)
		body := "2701000000" + inter
		if i%5 == 0 {
			body = "1701000000" + key
		}
		all = append(all, madePacket{flv.TagVideo, ms, body}, madePacket{flv.TagAudio, ms + 5, "AF01" + aac})
	}
	return all
}

// flvFile returns a recording before and after it was closed.
func flvFile(t testing.TB, packets []madePacket) (open, closed []byte) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "made"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := flv.NewWriter(f, flv.Index{Created: created, FrameRate: 10})
	for _, p := range packets {
		parsed, err := flv.Parse(p.kind, unhex(p.body))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(parsed, time.Duration(p.ms)*time.Millisecond); err != nil {
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

// foreignFLV is what others write: no onMetaData, no index.
func foreignFLV(packets []madePacket) []byte {
	b := []byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
	for _, p := range packets {
		body := unhex(p.body)
		n := len(body)
		b = append(b, p.kind, byte(n>>16), byte(n>>8), byte(n), byte(p.ms>>16), byte(p.ms>>8), byte(p.ms), 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint32(append(b, body...), uint32(11+n))
	}
	return b
}

// mp4File returns a recording before and after it was closed, and where its
// fragments end: a fragment a frame. Frames from gap on come two seconds later.
func mp4File(t testing.TB, frames, gap int) (open, closed []byte, ends []int64) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "made"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := bmff.NewWriter(f, bmff.Options{Created: created, FileID: [16]byte{1}, Tracks: []media.Track{
		{Kind: media.Video, Codec: media.H264, Config: unhex(avcC)}, {Kind: media.Audio, Codec: media.AAC, Config: unhex("1190")}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		at := time.Duration(100*i) * time.Millisecond
		if gap > 0 && i >= gap {
			at += 2 * time.Second
		}
		data := unhex(inter)
		if i%5 == 0 {
			data = unhex(key)
		}
		for _, s := range []media.Sample{{Kind: media.Video, Codec: media.H264, DTS: at, Key: i%5 == 0, Data: data},
			{Kind: media.Audio, Codec: media.AAC, DTS: at, Data: unhex(aac)}} {
			if err := w.Write(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, w.Written())
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

// recordings makes one file of each kind, by its name.
func recordings(t testing.TB) map[string][]byte {
	openFLV, closedFLV := flvFile(t, stream(12))
	openMP4, closedMP4, ends := mp4File(t, 12, 6)
	damagedFLV := bytes.Clone(openFLV)
	damagedFLV[bytes.Index(openFLV, unhex("2701000000"))-11] = 77 // the type of a tag
	damagedMP4 := bytes.Clone(openMP4)
	clear(damagedMP4[ends[3]:ends[4]])
	return map[string][]byte{
		"whole.flv": closedFLV, "unfinished.flv": openFLV[:len(openFLV)-5], "damaged.flv": damagedFLV, "nothing.flv": openFLV[:5000],
		"whole.mp4": closedMP4, "unfinished.mp4": openMP4[:len(openMP4)-5], "damaged.mp4": damagedMP4, "nothing.mp4": openMP4[:48],
		"rebuild.mp4": closedMP4[:len(closedMP4)-9], "foreign.flv": foreignFLV(stream(12)), "text.flv": []byte("this is a text, no recording"),
		"fragmented.mp4": readAll(t, filepath.Join("..", "pkg", "bmff", "testdata", "foreign", "frag.mp4")),
	}
}

// makeRecordings NAME...: makes those of recordings.
func makeRecordings(all map[string][]byte) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		for _, name := range args {
			b, ok := all[filepath.Base(name)]
			if !ok {
				ts.Fatalf("no recording %s", name)
			}
			ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o755))
			ts.Check(os.WriteFile(ts.MkAbs(name), b, 0o644))
		}
	}
}

// hold FILE: locks a recording until the end of the script, as a recorder does.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	ts.Defer(func() { _ = f.Close() })
	ts.Check(container.TryLock(f))
}

// untouched FILE...: they are still as "make" made them.
func untouched(all map[string][]byte) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		for _, name := range args {
			b, err := os.ReadFile(ts.MkAbs(name))
			ts.Check(err)
			if bytes.Equal(b, all[filepath.Base(name)]) == neg {
				ts.Fatalf("%s: untouched is %v", name, neg)
			}
		}
	}
}
