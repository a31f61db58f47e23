package bmff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

func sample(i int) media.Sample {
	return media.Sample{Kind: media.Video, Codec: media.H265, Key: i%10 == 0, DTS: frameTime(i), Data: []byte{0, 0, 0, 2, 2, 1}}
}

func newWriter(t testing.TB, m *memory) *Writer {
	t.Helper()
	w, err := NewWriter(m, Options{Tracks: []media.Track{testVideo}, Created: created})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A flush is one write, the first one with the head of the file.
func TestOneWriteAFlush(t *testing.T) {
	m := &memory{}
	w := newWriter(t, m)
	for i := range 5 {
		if err := w.Flush(); err != nil || len(m.ends) != i {
			t.Fatalf("%d writes, want %d, %v", len(m.ends), i, err)
		}
		write(t, w, sample(i))
		if w.Buffered() != 6 {
			t.Fatalf("%d bytes wait", w.Buffered())
		}
		if err := w.Flush(); err != nil || len(m.ends) != i+1 || w.Written() != m.ends[i] {
			t.Fatalf("%d writes, want %d, %v", len(m.ends), i+1, err)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	w := newWriter(t, &memory{})
	if err := w.Write(media.Sample{Kind: media.Audio, Codec: media.AAC, Data: []byte{1}}); err == nil {
		t.Error("a sample of a track that the file does not have")
	}
	write(t, w, media.Sample{Kind: media.Video, Codec: media.H265})
	if err := w.Close(); err != nil || w.Written() != 0 {
		t.Errorf("a file without samples: %d bytes, %v", w.Written(), err)
	}
}

// The duration of a sample is that of the one before it, across fragments.
func TestDefaultDuration(t *testing.T) {
	m := &memory{}
	w := newWriter(t, m)
	want := []uint32{3000, 1440, 1530, 1530, 1440}
	for i, at := range []int{0, 16, 33, 5000, 5016} {
		start := len(m.b)
		s := sample(i)
		s.DTS = time.Duration(at) * time.Millisecond
		write(t, w, s)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		b := m.b[start:]
		if i == 0 {
			b = b[headSize:]
			b = b[len(find(b, "moov"))+boxHeader:]
		}
		tfhd := find(b, "moof", "traf", "tfhd")
		if got := uint32(tfhd[10])<<8 | uint32(tfhd[11]); got != want[i] {
			t.Errorf("sample %d lasts %d, want %d", i, got, want[i])
		}
	}
}

// Wherever the disk refuses room, the file can be closed within what it gave.
func TestReserve(t *testing.T) {
	full := errors.New("disk full")
	for limit := int64(0); limit < 600_000; limit += 9973 {
		given := int64(0)
		m := &memory{}
		m.reserve = func(end int64) error {
			if end > limit {
				return full
			}
			given = max(given, end)
			return nil
		}
		w := newWriter(t, m)
		var err error
		for i := 0; err == nil; i++ {
			s := sample(i)
			s.DTS += time.Duration(i*i%13) * time.Millisecond // no run of equal steps
			s.CTS = time.Duration(i%3*33) * time.Millisecond
			s.Data = make([]byte, 900)
			write(t, w, s)
			if i%3 == 2 {
				if err = w.Drop(dropAfter(i)); err != nil { // it flushes
					break
				}
			}
			if err = w.Flush(); err == nil && w.Written()+reserveExtra > given {
				t.Fatalf("wrote up to %d with %d reserved", w.Written(), given)
			}
		}
		if !errors.Is(err, ErrNoRoom) || !errors.Is(err, full) {
			t.Fatal(err)
		}
		if !errors.Is(w.Flush(), ErrNoRoom) {
			t.Fatal("a flush after an error has none")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := int64(len(m.b)); got+reserveExtra > given && got > 0 {
			t.Fatalf("closed with %d bytes, but %d were reserved", got, given)
		}
		x, findings := scan(t, m.b)
		if w.Index().Fragments > 0 && (x.State != Closed || len(findings) > 0) {
			t.Fatalf("limit %d: %v, %v", limit, x.State, findings)
		}
	}
}

// The reserve grows in steps of 16 MiB, halved while the disk refuses them.
func TestReserveSteps(t *testing.T) {
	var asked []int64
	m := &memory{reserve: func(end int64) error {
		asked = append(asked, end)
		if end > 3<<20 {
			return errors.New("disk full")
		}
		return nil
	}}
	w := newWriter(t, m)
	write(t, w, sample(0))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	need := asked[0] - reserveStep
	if need < w.Written()+reserveExtra || need > w.Written()+reserveExtra+4096 {
		t.Errorf("needs %d for a file of %d", need, w.Written())
	}
	for i, step := range []int64{16 << 20, 8 << 20, 4 << 20, 2 << 20} {
		if asked[i] != need+step {
			t.Errorf("asked for %d, want %d", asked[i], need+step)
		}
	}
	if len(asked) != 4 {
		t.Errorf("asked %d times", len(asked))
	}
	write(t, w, sample(1))
	if err := w.Flush(); err != nil || len(asked) != 4 {
		t.Errorf("asked again: %v, %v", asked[4:], err)
	}
}

// Where nothing can be reserved nothing is promised.
func TestReserveUnsupported(t *testing.T) {
	asked := 0
	m := &memory{reserve: func(int64) error { asked++; return fmt.Errorf("fallocate: %w", errors.ErrUnsupported) }}
	w := newWriter(t, m)
	for i := range 3 {
		write(t, w, sample(i))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

// After a write error what was written before it is closed.
func TestWriteError(t *testing.T) {
	m := &memory{}
	w := newWriter(t, m)
	write(t, w, sample(0))
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	write(t, w, sample(1))
	m.fail = errors.New("input/output error")
	if err := w.Flush(); !errors.Is(err, m.fail) {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, m.fail) || w.Index().State != Open {
		t.Fatal(err)
	}
	m.fail = nil
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if x, findings := scan(t, m.b); x.State != Closed || len(findings) > 0 || x.Tracks[0].Samples != 1 {
		t.Errorf("%v, %v", x.State, findings)
	}
}

// The hot path of a recording: no memory, one call of the file a flush, and room taken in
// large steps.
func TestWriteDoesNotAllocate(t *testing.T) {
	f := &void{}
	w, err := NewWriter(f, Options{Tracks: testTracks, Now: func() time.Time { return created }})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 9000)
	i := 0
	step := func() {
		write(t, w, media.Sample{Kind: media.Audio, Codec: media.AAC, DTS: frameTime(i), Data: data[:300]})
		write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, DTS: frameTime(i), Data: data})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		i++
	}
	for range 2000 {
		step()
	}
	if n := testing.AllocsPerRun(2000, step); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
	if f.writes != i {
		t.Errorf("%d writes for %d flushes", f.writes, i)
	}
	if most := int(w.Written()/reserveStep) + 1; f.reserves > most {
		t.Errorf("room was reserved %d times, want at most %d", f.reserves, most)
	}
}

// void is a file that keeps nothing and counts its calls.
type void struct {
	container.File
	writes, reserves int
}

func (f *void) WriteAt(p []byte, _ int64) (int, error) { f.writes++; return len(p), nil }

func (f *void) Reserve(int64, int64) error { f.reserves++; return nil }

// synthetic is a track of rows in chunks of up to four samples.
func synthetic(samples int, offset, step int64) *container.Track {
	track := &container.Track{Track: media.Track{Kind: media.Video}, Timescale: videoTimescale}
	dts := int64(0)
	for i := range samples {
		row := container.Row{Offset: offset, Size: uint32(100 + i%7), DTS: dts, CTS: int32(i % 3 * 3000), Key: i%50 == 0}
		track.Add(row)
		offset = row.End()
		if i%4 == 3 || i%13 == 0 {
			offset += 300
		}
		dts += step + int64(i%2)
	}
	return track
}

// tables writes the sample tables of a track and reads them back.
func tables(t testing.TB, track *container.Track) (stbl []byte, rows []container.Row) {
	t.Helper()
	c := count(track, 3000)
	var out bytes.Buffer
	if err := c.write(&out, track); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != c.size() {
		t.Fatalf("tables of %d bytes, %d were counted", out.Len(), c.size())
	}
	s := &scanner{window: window{size: math.MaxInt64}}
	back := &headerTrack{Track: container.Track{Timescale: videoTimescale}, stbl: out.Bytes()}
	if reason := s.fromTables(header{tracks: []*headerTrack{back}}, 0); reason != "" {
		t.Fatal(reason)
	}
	if d := s.index.details[0].said.disagreement; d != "" {
		t.Fatal(d)
	}
	for r := range s.index.Tracks[0].Rows() {
		rows = append(rows, r)
	}
	return out.Bytes(), rows
}

func TestTables(t *testing.T) {
	for _, c := range []struct {
		name         string
		samples      int
		offset, step int64
		box          string
	}{
		{"nothing", 0, 48, 3000, "stco"},
		{"one", 1, 48, 3000, "stco"},
		{"many", 5000, 48, 3000, "stco"},
		{"at the last 32-bit offset", 1, math.MaxUint32, 3000, "stco"},
		{"across 4 GiB", 1000, math.MaxUint32 - 20000, 3000, "co64"},
		{"more than 2^32 ticks", 3000, 48, 2_000_000, "stco"},
	} {
		t.Run(c.name, func(t *testing.T) {
			track := synthetic(c.samples, c.offset, c.step)
			stbl, got := tables(t, track)
			i := 0
			for want := range track.Rows() {
				if got[i] != want {
					t.Fatalf("row %d is %+v, want %+v", i, got[i], want)
				}
				i++
			}
			if i != len(got) || find(stbl, c.box) == nil {
				t.Errorf("%d rows of %d, %s %v", len(got), i, c.box, find(stbl, c.box) != nil)
			}
		})
	}
}

func TestTablesDoNotAllocate(t *testing.T) {
	track := synthetic(20000, 48, 3000)
	if n := testing.AllocsPerRun(5, func() {
		c := count(track, 3000)
		if err := c.write(io.Discard, track); err != nil {
			t.Fatal(err)
		}
	}); n > 100 {
		t.Errorf("%v allocations for 20000 rows", n)
	}
}

func BenchmarkFlush(b *testing.B) {
	w, err := NewWriter(&void{}, Options{Tracks: testTracks, Now: func() time.Time { return created }})
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 9000)
	b.ReportAllocs()
	b.SetBytes(9300)
	for i := 0; b.Loop(); i++ {
		write(b, w, media.Sample{Kind: media.Audio, Codec: media.AAC, DTS: frameTime(i), Data: data[:300]})
		write(b, w, media.Sample{Kind: media.Video, Codec: media.H265, DTS: frameTime(i), Data: data})
		if err := w.Flush(); err != nil {
			b.Fatal(err)
		}
	}
}

// A file takes samples up to what Scan would read of it, and says before that it is
// full.
func TestFull(t *testing.T) {
	w, err := NewWriter(&memory{}, Options{Tracks: testTracks, Created: created})
	if err != nil {
		t.Fatal(err)
	}
	sample := media.Sample{Kind: media.Video, Codec: media.H265, Key: true, Data: []byte{1}}
	const each = 8 + 8 + 4 + 4 // bytes of a sample in the tables; the fragments are few
	for _, tt := range []struct {
		moov     int
		full, ok bool
	}{
		{maxMoov / 2, false, true},
		{maxMoov - maxMoov/16 - 1<<14, false, true},
		{maxMoov - maxMoov/16 + each, true, true},
		{maxMoov - 1<<14, true, true},
		{maxMoov + each, true, false},
	} {
		w.index.Tracks[0].Samples, w.index.Tracks[0].Keys = tt.moov/each, tt.moov/each
		if full := w.Full(); full != tt.full {
			t.Errorf("a moov of %d bytes: full is %v", tt.moov, full)
		}
		if err := w.Write(sample); (err == nil) != tt.ok {
			t.Errorf("a moov of %d bytes: %v", tt.moov, err)
		}
		w.runs[0].done()
		w.buffered, w.waiting = 0, 0
	}
}
