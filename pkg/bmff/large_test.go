package bmff

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Beyond 4 GiB chunk offsets have 64 bits and so has the mdat; no sample moves.
func TestBeyond4GiB(t *testing.T) {
	f := &sparse{}
	w, err := NewWriter(f, Options{Tracks: testTracks, Created: created, FileID: [16]byte{4}})
	if err != nil {
		t.Fatal(err)
	}
	frame, sound := make([]byte, 48<<20), make([]byte, 340)
	for i := range 90 {
		write(t, w, media.Sample{Kind: media.Audio, Codec: media.AAC, DTS: frameTime(i), Data: sound})
		write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, DTS: frameTime(i), Key: true, Data: frame})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		w.Synced(w.Written())
	}
	if f.size < 1<<32 {
		t.Fatalf("only %d bytes", f.size)
	}
	open := *w.Index()
	plan := Finalize(&open, f.size)
	m := &patched{sparse: f}
	if err := plan.Apply(m); err != nil {
		t.Fatal(err)
	}
	closed, findings, err := Scan(m, m.size)
	if err != nil || closed.State != Closed {
		t.Fatalf("%v, %v, %v", closed.State, findings, err)
	}
	for i := range open.Tracks {
		if last := closed.Tracks[i].Last; last.Offset < 1<<32 || !slices.Equal(rows(open.Tracks[i]), rows(closed.Tracks[i])) {
			t.Errorf("track %d: the last sample is at %d, or samples moved", i, last.Offset)
		}
	}
	if string(m.head) != string(closedHead(closed.End)) || closed.End < 1<<32 {
		t.Errorf("head % x for a moov at %d", m.head, closed.End)
	}
}

// A day of video and audio: durations beyond 32 bits are whole, the index takes at
// most 2.8 MB an hour, and the moov goes out in pieces of at most 1 MiB.
func TestADay(t *testing.T) {
	const day = 24 * time.Hour
	if os.Getenv("RTMPTOOL_RACE") != "" {
		t.Skip("millions of samples in one goroutine: nothing for the race detector")
	}
	x := &Index{Ours: true, State: Open, FileID: [16]byte{24}}
	x.Created = created
	for i, track := range testTracks {
		e, err := entryFor(track)
		if err != nil {
			t.Fatal(err)
		}
		x.Tracks = append(x.Tracks, &container.Track{Track: track, Timescale: e.timescale})
		x.details = append(x.details, e.detail(uint32(i+1)))
	}
	x.End = aDay(x.Tracks[0], x.Tracks[1], day)
	if hourly := (x.Tracks[0].Bytes() + x.Tracks[1].Bytes()) / 24; hourly > 2_800_000 {
		t.Errorf("an hour takes %d bytes of index", hourly)
	}
	m := &patched{sparse: &sparse{size: x.End}}
	if err := Finalize(x, x.End).Apply(m); err != nil {
		t.Fatal(err)
	}
	if m.most > 1<<20 {
		t.Errorf("a write of %d bytes", m.most)
	}
	y, findings, err := Scan(m, m.size)
	if err != nil || y.State != Closed {
		t.Fatalf("%v, %v, %v", y.State, findings, err)
	}
	for i := range x.Tracks {
		was, is := x.Tracks[i], y.Tracks[i]
		if is.Samples != was.Samples || is.Last != was.Last || (is.Duration()-day).Abs() > time.Second/20 {
			t.Errorf("track %d: %d samples, %v, last %+v; want %d, last %+v", i, is.Samples, is.Duration(), is.Last, was.Samples, was.Last)
		}
	}
	if said := y.details[0].said.mediaDuration; said < 1<<32 {
		t.Errorf("mdhd tells %d ticks", said)
	}
}

// An hour that a Writer has written takes no more of index than that, and its moov goes out in
// the same pieces.
func TestAnHour(t *testing.T) {
	if os.Getenv("RTMPTOOL_RACE") != "" {
		t.Skip("one goroutine: nothing for the race detector")
	}
	f := &sparse{}
	w := long(t, f, time.Hour)
	index := *w.Index()
	if bytes := index.Tracks[0].Bytes() + index.Tracks[1].Bytes(); bytes > 2_800_000 {
		t.Errorf("an hour takes %d bytes of index", bytes)
	}
	m := &patched{sparse: f}
	if err := Finalize(&index, f.size).Apply(m); err != nil {
		t.Fatal(err)
	}
	if m.most > 1<<20 {
		t.Errorf("a write of %d bytes", m.most)
	}
	x, findings, err := Scan(m, m.size)
	if err != nil || x.State != Closed || x.Tracks[0].Samples != 108000 || (x.Tracks[1].Duration()-time.Hour).Abs() > 50*time.Millisecond {
		t.Errorf("%+v, %v, %v", x, findings, err)
	}
}

// aDay fills the tables as a recorder does, and returns where the media ends.
func aDay(video, audio *container.Track, long time.Duration) int64 {
	offset := int64(1000)
	for i := 0; frameTime(i) < long; i++ {
		dts, cts := bframe(i)
		for ; audio.Time(int64(audio.Samples)*1024) <= dts; offset += 340 {
			audio.Add(container.Row{Offset: offset, Size: 340, DTS: int64(audio.Samples) * 1024, Key: true})
		}
		offset += 300 // the next moof
		size := uint32(7900 + i*7919%300)
		video.Add(container.Row{Offset: offset, Size: size, DTS: toTicks(dts, videoTimescale), CTS: int32(toTicks(cts, videoTimescale)), Key: i%60 == 0})
		offset += int64(size)
	}
	return offset
}

// patched is a sparse file to which a closing moov is appended and whose head is
// written: what is behind and in front of the media.
type patched struct {
	*sparse
	head, tail []byte
	from       int64 // where the tail begins
	most       int   // bytes of the longest write
}

func (f *patched) WriteAt(p []byte, at int64) (int, error) {
	f.most = max(f.most, len(p))
	if at == 0 {
		f.head = slices.Clone(p)
		return len(p), nil
	}
	if f.tail == nil {
		f.from = at
	}
	f.tail = append(f.tail, p...) // as it comes: in order
	f.size = max(f.size, at+int64(len(p)))
	return len(p), nil
}

func (f *patched) ReadAt(p []byte, at int64) (int, error) {
	if f.tail != nil && at >= f.from {
		return copy(p, f.tail[at-f.from:]), nil
	}
	n, err := f.sparse.ReadAt(p, at)
	if at < int64(len(f.head)) {
		copy(p, f.head[at:])
	}
	return n, err
}

func (f *patched) Truncate(size int64) error {
	f.size = size
	return nil
}
