package recfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// created is the wall clock of every file here.
var created = time.Date(2026, 1, 15, 14, 30, 22, 0, time.UTC)

// ourFile is a name that a recorder gives, but for its ending.
const ourFile = "live_main_20260115_143022"

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

func path(t testing.TB, name string, b []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	put(t, p, b)
	return p
}

func put(t testing.TB, p string, b []byte) {
	t.Helper()
	if err := os.WriteFile(p, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, p string) []byte {
	t.Helper()
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// state is everything that a directory holds.
func state(t testing.TB, dir string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			all[e.Name()] = sha256.Sum256(get(t, filepath.Join(dir, e.Name())))
		}
	}
	return all
}

type packet struct {
	kind uint8
	ms   int64
	body string
}

// stream is a second of H.264 at 10 frames and AAC, a keyframe each 5 frames.
func stream(frames int) (all []packet) {
	all = []packet{{flv.TagVideo, 0, "1700000000" + avcC}, {flv.TagAudio, 0, "AF001190"}}
	for i := range frames {
		ms := int64(100 * i)
		body := "2701000000" + inter
		if i%5 == 0 {
			body = "1701000000" + key
		}
		all = append(all, packet{flv.TagVideo, ms, body}, packet{flv.TagAudio, ms + 5, "AF01" + aac})
	}
	return all
}

// flvFile returns a recording before and after it was closed.
func flvFile(t testing.TB, packets []packet) (open, closed []byte) {
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
	open = get(t, f.Name())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return open, get(t, f.Name())
}

// foreignFLV is what others write: no onMetaData, no index.
func foreignFLV(packets []packet) []byte {
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
	open = bytes.Clone(get(t, f.Name()))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return open, get(t, f.Name()), ends
}

func foreignMP4(t testing.TB, name string) []byte {
	return get(t, filepath.Join("../../pkg/bmff/testdata/foreign", name))
}

func inspect(t testing.TB, p string) *Recording {
	t.Helper()
	r, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fix(t testing.TB, p string) Fixed {
	t.Helper()
	f, err := Fix(p, false)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func codes(r *Recording) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Code)
	}
	return strings.Join(all, " ")
}

// hold locks a file until the test ends.
func hold(t testing.TB, p string) *os.File {
	t.Helper()
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := container.TryLock(f); err != nil {
		t.Fatal(err)
	}
	return f
}
