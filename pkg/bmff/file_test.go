package bmff

import (
	"bytes"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// memory is a file that remembers every write, and can refuse room.
type memory struct {
	b       []byte
	ends    []int64 // of the appends so far
	reserve func(end int64) error
	fail    error
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if m.fail != nil {
		return 0, m.fail
	}
	if need := off + int64(len(p)); need > int64(len(m.b)) {
		m.b = append(m.b, make([]byte, need-int64(len(m.b)))...)
		m.ends = append(m.ends, need)
	}
	copy(m.b[off:], p)
	return len(p), nil
}

func (m *memory) Truncate(size int64) error {
	if size < int64(len(m.b)) {
		m.b = m.b[:size]
	} else {
		m.b = append(m.b, make([]byte, size-int64(len(m.b)))...)
	}
	return nil
}

func (m *memory) Sync() error { return nil }

func (m *memory) Reserve(end, more int64) error {
	if m.reserve == nil {
		return nil
	}
	return m.reserve(end + more)
}

// testHVCC is an hvcC without parameter sets.
var testHVCC = append([]byte{1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F}, 0)

var (
	testVideo  = media.Track{Kind: media.Video, Codec: media.H265, Config: testHVCC}
	testAAC    = media.Track{Kind: media.Audio, Codec: media.AAC, Config: []byte{0x11, 0x90}}
	testAAC441 = media.Track{Kind: media.Audio, Codec: media.AAC, Config: []byte{0x12, 0x10}}
	testOpus   = media.Track{Kind: media.Audio, Codec: media.Opus, ID: 1}
	testTracks = []media.Track{testVideo, testAAC}
)

var created = time.UnixMilli(1700000000123)

// recording is what a Writer made of a stream.
type recording struct {
	open, closed []byte
	ends         []int64 // of the fragments
	synced       []int64 // as the fragment tells
	index        *Index  // before it was closed
}

// end is where the last whole fragment before a size ends.
func (r *recording) end(size int64) int64 {
	end := int64(0)
	for _, e := range r.ends {
		if e <= size {
			end = e
		}
	}
	return end
}

// hevc is an access unit of one slice with a length in front.
func hevc(random *rand.Rand, key bool, n int) []byte {
	b := make([]byte, 6+random.Intn(n))
	random.Read(b[6:])
	b[3], b[4], b[5] = byte(len(b)-4), 1<<1, 1
	b[2] = byte((len(b) - 4) >> 8)
	if key {
		b[4] = 19 << 1 // IDR
	}
	return b
}

// frameTime is the time of a frame in whole milliseconds, as RTMP has it.
func frameTime(i int) time.Duration { return time.Duration(i*1000/30) * time.Millisecond }

// bframe is DTS and CTS of a frame of a stream with two B-frames.
func bframe(i int) (dts, cts time.Duration) {
	shown := i
	switch {
	case i == 0:
		shown = 1
	case i%3 == 1:
		shown = i + 3
	}
	return frameTime(i), frameTime(shown) - frameTime(i)
}

// dropAfter is a drop behind a frame.
func dropAfter(i int) container.Drop {
	return container.Drop{At: frameTime(i), Length: time.Duration(i) * time.Second, Video: uint32(i), Audio: uint32(i * i)}
}

const smallFrame = 300 // bytes, at most

// record writes a stream of frames at 30 a second, or 48 audio frames a second
// where there is no video.
func record(t testing.TB, tracks []media.Track, frames int, seed int64, drops ...int) *recording {
	t.Helper()
	return recordSized(t, tracks, frames, smallFrame, seed, drops...)
}

// recordSized is record with video of so many bytes a frame at most. Behind some frames
// a drop is noted.
func recordSized(t testing.TB, tracks []media.Track, frames, size int, seed int64, drops ...int) *recording {
	t.Helper()
	random := rand.New(rand.NewSource(seed))
	m := &memory{}
	w, err := NewWriter(m, Options{Tracks: tracks, Created: created, FileID: [16]byte{1, 2, byte(seed)}})
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{}
	flush := func(flush func() error) {
		synced := w.synced.Load()
		if err := flush(); err != nil {
			t.Fatal(err)
		}
		if n := w.Written(); n > 0 && (len(r.ends) == 0 || n != r.ends[len(r.ends)-1]) {
			r.ends, r.synced = append(r.ends, n), append(r.synced, synced)
		}
	}
	feed(t, w, tracks, frames, size, random, func(i int) {
		if random.Intn(3) > 0 {
			flush(w.Flush)
		}
		if slices.Contains(drops, i) {
			flush(func() error { return w.Drop(dropAfter(i)) })
		}
		if random.Intn(6) == 0 && i < frames*2/3 { // what follows waits for its sync
			w.Synced(w.Written())
		}
	})
	flush(w.Flush)
	if w.drop != nil { // what Close does first
		flush(w.flush)
	}
	r.open = slices.Clone(m.b)
	index := *w.Index()
	r.index = &index
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r.closed = m.b
	return r
}

// feed writes a stream, with video of so many bytes a frame at most, and calls a
// function after each frame with the audio until then.
func feed(t testing.TB, w *Writer, tracks []media.Track, frames, size int, random *rand.Rand, after func(i int)) {
	t.Helper()
	audio := make([]time.Duration, len(tracks))
	for i := range frames {
		for n, track := range tracks {
			if track.Kind == media.Video {
				dts, cts := bframe(i)
				write(t, w, media.Sample{Kind: media.Video, Codec: track.Codec, DTS: dts, CTS: cts, Key: i%12 == 0, Data: hevc(random, i%12 == 0, size)})
				continue
			}
			for ; audio[n] <= frameTime(i); audio[n] += time.Second / 47 {
				write(t, w, media.Sample{Kind: media.Audio, Codec: track.Codec, Track: track.ID, DTS: audio[n].Truncate(time.Millisecond) + 5*time.Millisecond, Data: payload(random, 50)})
			}
		}
		after(i)
	}
}

func write(t testing.TB, w *Writer, s media.Sample) {
	t.Helper()
	if err := w.Write(s); err != nil {
		t.Fatal(err)
	}
}

func payload(r *rand.Rand, n int) []byte {
	b := make([]byte, 4+r.Intn(n))
	r.Read(b)
	return b
}

func rows(t *container.Track) []container.Row { return slices.Collect(t.Rows()) }

// scan fails on an error of reading.
func scan(t testing.TB, b []byte) (*Index, []container.Finding) {
	t.Helper()
	x, findings, err := Scan(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return x, findings
}

func codes(findings []container.Finding) (all []string) {
	for _, f := range findings {
		all = append(all, f.Code)
	}
	return all
}

// prefix fails unless an index has the samples of another up to an end.
func prefix(t *testing.T, got, want *Index, end int64) {
	t.Helper()
	if got.End != end {
		t.Fatalf("End is %d, want %d", got.End, end)
	}
	for i, w := range want.Tracks {
		var all []container.Row
		for _, r := range rows(w) {
			if r.End() <= end {
				all = append(all, r)
			}
		}
		if g := rows(got.Tracks[i]); !slices.Equal(g, all) {
			t.Fatalf("track %d: %d rows, want %d, or they differ", i, len(g), len(all))
		}
	}
	n := 0
	for n < len(want.Drops) && want.Drops[n].Offset < end {
		n++
	}
	if !slices.Equal(got.Drops, want.Drops[:n]) {
		t.Fatalf("drops %+v, want %+v", got.Drops, want.Drops[:n])
	}
}
