package flv

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// V22 and its neighbours: the time's upper byte stands behind the other three.
func TestTagGolden(t *testing.T) {
	for _, tc := range []struct {
		name string
		kind byte
		at   time.Duration
		body string
		want string
	}{
		{"V22 time", TagVideo, 0x01234567 * time.Millisecond, "17", "09 000001 234567 01 000000 17 0000000C"},
		{"V22 back pointer", TagAudio, 0, "AF01020304050607", "08 000008 000000 00 000000 AF01020304050607 00000013"},
		{"empty", TagAudio, 1, "", "08 000000 000000 00 000000 0000000B"},
		{"below 2^24", TagAudio, (1<<24 - 1) * time.Millisecond, "2F", "08 000001 FFFFFF 00 000000 2F 0000000C"},
		{"2^24", TagAudio, 1 << 24 * time.Millisecond, "2F", "08 000001 000000 01 000000 2F 0000000C"},
		{"below 2^31", TagAudio, (1<<31 - 1) * time.Millisecond, "2F", "08 000001 FFFFFF 7F 000000 2F 0000000C"},
		{"2^31 begins again", TagAudio, 1 << 31 * time.Millisecond, "2F", "08 000001 000000 00 000000 2F 0000000C"},
		{"below 0", TagAudio, -time.Millisecond, "2F", "08 000001 FFFFFF 7F 000000 2F 0000000C"},
	} {
		if got := appendTag(nil, tc.kind, tc.at, unhex(tc.body)); !bytes.Equal(got, unhex(tc.want)) {
			t.Errorf("%s:\n got % X\nwant %s", tc.name, got, tc.want)
		}
	}
}

// The file header, the header of the script tag and its back pointer.
func TestHeadGolden(t *testing.T) {
	for _, tc := range []struct {
		name  string
		index Index
		want  string
	}{
		{"nothing", Index{}, "464C5601 00 00000009 00000000"},
		{"video", Index{video: someVideo}, "464C5601 01 00000009 00000000"},
		{"audio", Index{audio: someAudio}, "464C5601 04 00000009 00000000"},
		{"both", Index{video: someVideo, audio: someAudio}, "464C5601 05 00000009 00000000"},
	} {
		got := tc.index.appendHead(nil)
		want := unhex(tc.want + "12 009000 000000 00 000000")
		if !bytes.HasPrefix(got, want) || !bytes.HasSuffix(got, unhex("000009 0000900B")) || len(got) != headSize {
			t.Errorf("%s: % X ... % X, %d bytes", tc.name, got[:len(want)], got[len(got)-7:], len(got))
		}
	}
}

func TestWriterGolden(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{})
	add := func(kind media.Kind, at time.Duration, body string) {
		t.Helper()
		if err := w.Write(parse(t, kind, body), at); err != nil {
			t.Fatal(err)
		}
	}
	add(media.Video, 0, "17 00 000000 AA")
	add(media.Audio, 1999*time.Microsecond, "AF 00 1190") // 1 ms
	if len(f.writes) != 0 || w.Written() != 0 || w.Buffered() != headSize+21+19 {
		t.Errorf("before the first flush: writes %d, written %d, buffered %d", f.writes, w.Written(), w.Buffered())
	}
	flush := func() {
		t.Helper()
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	flush()
	flush() // nothing to do
	add(media.Video, 33999*time.Microsecond, "27 01 000000")
	flush()
	if len(f.writes) != 2 || w.Written() != f.size() || w.Buffered() != 0 {
		t.Errorf("writes %d, written %d, buffered %d", f.writes, w.Written(), w.Buffered())
	}
	want := `09 000006 000000 00 000000 1700000000AA 00000011
		08 000004 000001 00 000000 AF001190 0000000F
		09 000005 000021 00 000000 2701000000 00000010`
	if got := f.data[headSize:]; !bytes.Equal(got, unhex(want)) {
		t.Errorf("got\n%s", hex.Dump(got))
	}
	if got := f.data[flagsOffset]; got != flagAudio|flagVideo {
		t.Errorf("flags %d", got)
	}
	x, _ := scan(t, f)
	sameIndex(t, "golden", x, w.Index()) // whole milliseconds there too
}

// A file that got nothing is a whole one all the same.
func TestWriterEmpty(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{Created: someTime.In(time.FixedZone("", 3600)).Add(time.Nanosecond)})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	x, findings := scan(t, f)
	if len(findings) != 0 || x.End != headSize || x.Tags != 0 || x.Created != someTime || f.syncs != 2 {
		t.Errorf("%+v, %+v, %d syncs", x, findings, f.syncs)
	}
	if w.Index().End != headSize {
		t.Errorf("the writer says %d", w.Index().End)
	}
}

func TestWriterRefuses(t *testing.T) {
	w := NewWriter(&memFile{}, Options{})
	empty := w.Buffered()
	for _, tc := range []struct {
		name   string
		packet media.Packet
		want   string
	}{
		{"a tag too large", media.Packet{Kind: media.Video, Body: make([]byte, maxBody+1)},
			"flv: video of 16777216 bytes does not fit into a tag of at most 16777215"},
		{"data", media.Packet{Kind: media.Data, Body: []byte{2}},
			"flv: cannot write a data packet, only audio and video"},
	} {
		err := w.Write(&tc.packet, 0)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
		if w.Buffered() != empty || w.Index().Tags != 0 {
			t.Errorf("%s: taken in part", tc.name)
		}
	}
}

func TestWriterLargestTag(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{})
	body := make([]byte, maxBody)
	copy(body, unhex("27 01 000000"))
	if err := errors.Join(w.Write(&media.Packet{Kind: media.Video, Codec: media.H264, Body: body}, 0), w.Close()); err != nil {
		t.Fatal(err)
	}
	if x, findings := scan(t, f); len(findings) != 0 || x.Tags != 1 {
		t.Errorf("%d tags, %v", x.Tags, findings)
	}
}

// A write that fails at any place can be repeated, and what arrived of it can be
// finished.
func TestWriterFailedWrite(t *testing.T) {
	t.Parallel()
	for _, r := range runs {
		if r.long {
			continue
		}
		whole := record(t, r, nil).file
		for _, arrive := range []int{0, 1, 12, headSize - 1, headSize, headSize + 40, headSize + 1000} {
			for flush := range 3 {
				testFailedWrite(t, r, flush, arrive, whole.data)
			}
		}
	}
}

func testFailedWrite(t *testing.T, r run, flush, arrive int, want []byte) {
	t.Helper()
	f := &memFile{}
	f.fail = func(p []byte) (int, error) {
		if len(f.writes) == flush && arrive < len(p) {
			return arrive, errDisk
		}
		return len(p), nil
	}
	w := NewWriter(f, r.options)
	failed := false
	try := func() {
		err := w.Flush()
		if err == nil {
			return
		}
		failed = true
		if !errors.Is(err, errDisk) || w.Written() > f.size() {
			t.Fatalf("%s: %v, %d bytes of %d", r.name, err, w.Written(), f.size())
		}
		checkRecoverable(t, r.name, f.data, w.Index())
	}
	for i, p := range r.packets(t) {
		if err := p.writeTo(w); err != nil {
			t.Fatal(err)
		}
		if r.flushAt(i) {
			try()
		}
	}
	if err := w.Close(); err != nil {
		t.Fatalf("%s: %v", r.name, err)
	}
	if failed && !bytes.Equal(f.data, want) {
		t.Errorf("%s: after a failure of flush %d at %d the file is another one", r.name, flush, arrive)
	}
}

// checkRecoverable finishes a copy of what a writer left and compares it to what
// the writer knows.
func checkRecoverable(t *testing.T, name string, data []byte, writer *Index) {
	t.Helper()
	f := bytesFile(data)
	x := finish(t, f)
	if x.Tags > writer.Tags || x.End > writer.End {
		t.Errorf("%s: %d tags up to %d, the writer had %d up to %d", name, x.Tags, x.End, writer.Tags, writer.End)
	}
	checkFinished(t, name, f.data)
}

// Close tells of the step that failed.
func TestWriterCloseFails(t *testing.T) {
	for flush, want := range []string{"disk is full", "write 36892 bytes at 0: disk is full"} {
		f := &memFile{}
		f.fail = func(p []byte) (int, error) {
			if len(f.writes) == flush {
				return 0, errDisk
			}
			return len(p), nil
		}
		if err := NewWriter(f, Options{}).Close(); err == nil || err.Error() != want {
			t.Errorf("flush %d: %v, want %s", flush, err, want)
		}
	}
}

// The hot path of a recording: no memory but what its buffer has taken before, and one
// call of the file a flush.
func TestWriterAllocates(t *testing.T) {
	packets := []*media.Packet{parse(t, media.Video, "17 01 000000"+avcKey), parse(t, media.Video, "27 01 000000"+avcInter),
		parse(t, media.Audio, "AF 01"+aacFrame), parse(t, media.Audio, "B2 01"), parse(t, media.Video, "22 01")}
	f := &discard{}
	w := NewWriter(f, Options{})
	if err := w.Write(parse(t, media.Video, "17 00 000000"+avcC720), 0); err != nil {
		t.Fatal(err)
	}
	at, flushes := time.Duration(0), 0
	write := func() {
		for _, p := range packets {
			at += 10 * time.Millisecond
			if err := w.Write(p, at); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		flushes++
	}
	for range maxKeyframes { // until the list of keyframes has its full size
		write()
	}
	if n := testing.AllocsPerRun(1000, write); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if f.calls != flushes {
		t.Errorf("%d calls of the file for %d flushes", f.calls, flushes)
	}
}

// discard is a file that keeps nothing and counts its calls.
type discard struct {
	container.File
	calls int
}

func (f *discard) WriteAt(p []byte, _ int64) (int, error) { f.calls++; return len(p), nil }

func (f *discard) ReadAt([]byte, int64) (int, error) { f.calls++; return 0, io.EOF }

func BenchmarkWriter(b *testing.B) {
	w := NewWriter(&discard{}, Options{})
	p := &media.Packet{Kind: media.Video, Codec: media.H264, Body: make([]byte, 20_000)}
	b.ReportAllocs()
	b.SetBytes(int64(len(p.Body)))
	at := time.Duration(0)
	for b.Loop() {
		at += 33 * time.Millisecond
		if err := errors.Join(w.Write(p, at), w.Flush()); err != nil {
			b.Fatal(err)
		}
	}
}
