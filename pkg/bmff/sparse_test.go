package bmff

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand"
	"reflect"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// sparse is a file that keeps only what is not media, which is all zeros. It notes
// what is read.
type sparse struct {
	pieces []piece // by offset
	size   int64
	reads  []reading
}

type reading struct {
	offset int64
	n      int
}

type piece struct {
	offset int64
	b      []byte
}

// WriteAt keeps everything of an append up to the header of its last mdat.
func (s *sparse) WriteAt(p []byte, off int64) (int, error) {
	keep := len(p)
	for at := 0; at+boxHeader <= len(p); at += int(binary.BigEndian.Uint32(p[at:])) {
		if string(p[at+4:at+boxHeader]) == "mdat" {
			keep = at + boxHeader
			break
		}
	}
	s.pieces = append(s.pieces, piece{off, append([]byte(nil), p[:keep]...)})
	s.size = max(s.size, off+int64(len(p)))
	return len(p), nil
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	s.reads = append(s.reads, reading{off, len(p)})
	clear(p)
	i := sort.Search(len(s.pieces), func(i int) bool { return s.pieces[i].offset+int64(len(s.pieces[i].b)) > off })
	for ; i < len(s.pieces) && s.pieces[i].offset < off+int64(len(p)); i++ {
		if at := s.pieces[i].offset - off; at >= 0 {
			copy(p[at:], s.pieces[i].b)
		} else {
			copy(p, s.pieces[i].b[-at:])
		}
	}
	return len(p), nil
}

func (s *sparse) Truncate(int64) error { return nil }
func (s *sparse) Sync() error          { return nil }

// long records video of 30 frames a second and AAC audio, with a sync a second.
func long(t testing.TB, f container.File, duration time.Duration) *Writer {
	w, err := NewWriter(f, Options{Tracks: testTracks, Created: created, FileID: [16]byte{9}, Now: func() time.Time { return created }})
	if err != nil {
		t.Fatal(err)
	}
	frame, sound := make([]byte, 8200), make([]byte, 340)
	audio := time.Duration(0)
	for i := 0; frameTime(i) < duration; i++ {
		for ; audio <= frameTime(i); audio += 1024 * time.Second / 48000 {
			write(t, w, media.Sample{Kind: media.Audio, Codec: media.AAC, DTS: audio.Truncate(time.Millisecond), Data: sound})
		}
		dts, cts := bframe(i)
		size := 7900 + i*7919%300 // no run of equal sizes
		write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, DTS: dts, CTS: cts, Key: i%60 == 0, Data: frame[:size]})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if i%30 == 29 {
			w.Synced(w.Written())
		}
	}
	return w
}

// sum is how many bytes were read.
func (s *sparse) sum() (sum int64) {
	for _, r := range s.reads {
		sum += int64(r.n)
	}
	return sum
}

// headers is how many bytes are no media.
func (s *sparse) headers() (sum int64) {
	for _, p := range s.pieces {
		sum += int64(len(p.b))
	}
	return sum
}

// around is how many bytes of media may be read with each header.
const around = 40

// Finishing a file reads no media but that behind the highest synced offset, and a
// few bytes around each header.
func TestScanReadsNoMedia(t *testing.T) {
	f := &sparse{}
	w := long(t, f, 2*time.Minute)
	x, findings, err := Scan(f, f.size)
	if err != nil || x.Fragments != w.index.Fragments || len(findings) != 1 {
		t.Fatalf("%d fragments of %d, %v, %v", x.Fragments, w.index.Fragments, findings, err)
	}
	if x.Synced == 0 || f.size-x.Synced > 600_000 {
		t.Fatalf("synced up to %d of %d", x.Synced, f.size)
	}
	if limit := f.headers() + around*int64(x.Fragments) + (f.size - x.Synced) + 3*maxWindow; f.sum() > limit {
		t.Errorf("read %d bytes, want at most %d: headers of %d, %d behind the last sync", f.sum(), limit, f.headers(), f.size-x.Synced)
	}
}

// peeked is a file whose headers were read before.
type peeked struct {
	io.ReaderAt
	pieces map[int64][]byte
}

func (p peeked) Peek(offset int64) []byte { return p.pieces[offset] }

// peek reads the headers of a file, from mark to mark.
func peek(r io.ReaderAt, size int64) peeked {
	p := peeked{r, map[int64][]byte{}}
	from := int64(0)
	for _, to := range append(Marks(r, size), size) {
		for offset, b := range Headers(r, from, to) {
			p.pieces[offset] = slices.Clone(b)
		}
		from = to
	}
	return p
}

// The marks lead through the whole file. To read the headers between them reads no
// media either, and leaves nothing for Scan to read but the init moov and what is
// behind the last mark.
func TestReadAheadReadsNoMedia(t *testing.T) {
	f := &sparse{}
	long(t, f, time.Minute+500*time.Millisecond)
	want, _, err := Scan(f, f.size)
	if err != nil {
		t.Fatal(err)
	}
	marks := Marks(f, f.size)
	if len(marks) != 60 || marks[59] != want.Synced || !slices.IsSorted(marks) {
		t.Fatalf("%d marks, %v, synced up to %d", len(marks), marks, want.Synced)
	}
	f.reads = nil
	ahead := peek(f, f.size)
	twice := f.headers() / int64(want.Fragments) * int64(len(marks)) // the header at a mark
	if limit := f.headers() + twice + around*int64(want.Fragments+2*len(marks)) + 3*maxWindow; f.sum() > limit {
		t.Errorf("read %d bytes ahead, want at most %d: headers of %d", f.sum(), limit, f.headers())
	}
	f.reads = nil
	got, _, err := Scan(ahead, f.size)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Error("Scan sees another file", err)
	}
	if limit := f.size - want.Synced + 3*maxWindow; f.sum() > limit {
		t.Errorf("Scan reads %d bytes, want at most %d", f.sum(), limit)
	}
}

// Files without marks have none.
func TestNoMarks(t *testing.T) {
	r := record(t, testTracks, 40, 3)
	for name, b := range map[string][]byte{
		"nothing": nil, "head": r.open[:headSize], "one fragment": r.open[:r.ends[0]], "media": append(openHead(), bytes.Repeat([]byte("moof"), 9000)...),
		"closed": r.closed, "broken": r.closed[:len(r.closed)-9],
	} {
		if marks := Marks(bytes.NewReader(b), int64(len(b))); len(marks) > 0 {
			t.Errorf("%s: %v", name, marks)
		}
	}
}

// BenchmarkFinishInMemory scans, checks and finalises a killed recording of 2 h and
// 1.9 GB, without the system's part.
func BenchmarkFinishInMemory(b *testing.B) {
	f := &sparse{}
	long(b, f, 2*time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		f.reads = f.reads[:0]
		x, _, err := Scan(f, f.size)
		if err != nil || x.Fragments != 216000 {
			b.Fatal(x.Fragments, err)
		}
		if _, err := Check(x, f); err != nil {
			b.Fatal(err)
		}
		if err := Finalize(x, f.size).Apply(discard{f}); err != nil {
			b.Fatal(err)
		}
	}
}

// discard is a file that forgets what is written to it.
type discard struct{ container.File }

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (discard) Truncate(int64) error                   { return nil }
func (discard) Sync() error                            { return nil }

// Marks lead back over the copy of the init moov, also where a sync ended in front of
// it, and through a file that was synced after each flush.
func TestMarksOverTheCopy(t *testing.T) {
	met := false
	for _, synced := range []func(i int) bool{
		func(i int) bool { return i%2 == 0 },
		func(i int) bool { return i%2 == 1 },
		func(i int) bool { return true },
	} {
		m := &memory{}
		w, err := NewWriter(m, Options{Tracks: []media.Track{testVideo}, Created: created})
		if err != nil {
			t.Fatal(err)
		}
		var want []int64
		for i := range 100 {
			write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, Key: i == 0, DTS: frameTime(i), Data: hevc(rand.New(rand.NewSource(int64(i))), i == 0, 100)})
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if !synced(i) {
				continue
			}
			if w.Synced(w.Written()); i < 98 { // the fragment behind the next one tells it
				want = append(want, w.Written())
			}
		}
		marks := Marks(bytes.NewReader(m.b), int64(len(m.b)))
		if !slices.Equal(marks, want) {
			t.Errorf("%d marks, want %d", len(marks), len(want))
		}
		met = met || slices.Contains(marks, int64(bytes.Index(m.b, uuidInit[:]))-boxHeader)
	}
	if !met {
		t.Error("no sync ended in front of the copy")
	}
}
