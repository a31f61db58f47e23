package bmff

import (
	"encoding/binary"
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

// Finishing a file reads no media but that behind the highest synced offset, and a
// few bytes around each header.
func TestScanReadsNoMedia(t *testing.T) {
	f := &sparse{}
	w := long(t, f, 2*time.Minute)
	headers := int64(0)
	for _, p := range f.pieces {
		headers += int64(len(p.b))
	}
	x, findings, err := Scan(f, f.size)
	if err != nil || x.Fragments != w.index.Fragments || len(findings) != 1 {
		t.Fatalf("%d fragments of %d, %v, %v", x.Fragments, w.index.Fragments, findings, err)
	}
	if x.Synced == 0 || x.Synced != f.pieces[len(f.pieces)-30].offset && f.size-x.Synced > 600_000 {
		t.Fatalf("synced up to %d of %d", x.Synced, f.size)
	}
	read := int64(0)
	for _, r := range f.reads {
		read += int64(r.n)
	}
	const around = 40 // bytes a fragment
	if limit := headers + around*int64(x.Fragments) + (f.size - x.Synced) + 3*maxWindow; read > limit {
		t.Errorf("read %d bytes, want at most %d: headers of %d, %d behind the last sync", read, limit, headers, f.size-x.Synced)
	}
}

// Headers reads what Scan reads of a file without damage, but for what only Scan knows:
// the init moov, and what is behind the last sync.
func TestHeadersReadWhatScanReads(t *testing.T) {
	f := &sparse{}
	long(t, f, time.Minute)
	x, _, err := Scan(f, f.size)
	if err != nil {
		t.Fatal(err)
	}
	scanned := f.reads
	f.reads = nil
	var got []reading
	for offset, b := range Headers(f, f.size) {
		got = append(got, reading{offset, len(b)})
	}
	if !slices.Equal(got, f.reads) {
		t.Errorf("%d pieces of %d reads", len(got), len(f.reads))
	}
	missing := slices.DeleteFunc(slices.Clone(scanned), func(r reading) bool { return slices.Contains(got, r) })
	for _, r := range missing {
		if r.offset != headSize && r.offset < x.Synced {
			t.Errorf("%d bytes at %d", r.n, r.offset)
		}
	}
	if len(got) < x.Fragments || len(missing) > len(scanned)/10 {
		t.Errorf("%d pieces for %d reads of %d fragments", len(got), len(scanned), x.Fragments)
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
