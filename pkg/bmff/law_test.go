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

// memory is a file that remembers the state after every write.
type memory struct {
	b      []byte
	states []int // sizes after appends; media is never overwritten
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }
func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if need := off + int64(len(p)); need > int64(len(m.b)) {
		m.b = append(m.b, make([]byte, need-int64(len(m.b)))...)
	}
	copy(m.b[off:], p)
	m.states = append(m.states, len(m.b))
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

var testTracks = []media.Track{
	{Kind: media.Video, Codec: media.H265, Config: testHVCC},
	{Kind: media.Audio, Codec: media.AAC, Config: []byte{0x11, 0x90}},
}

// testHVCC is an hvcC without parameter sets.
var testHVCC = append([]byte{1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F}, 0)

// record writes a stream and returns the file before and after it is closed, and
// the index after each fragment.
func record(t *testing.T, tracks []media.Track, frames int, seed int64) (open, closed []byte, ends []int64, w *Writer) {
	t.Helper()
	random := rand.New(rand.NewSource(seed))
	m := &memory{}
	w, err := NewWriter(m, Options{Tracks: tracks, Created: time.UnixMilli(1700000000123), FileID: [16]byte{1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	audio := time.Duration(0)
	for i := range frames {
		at := time.Duration(i*1000/30) * time.Millisecond
		for len(tracks) > 1 && audio <= at {
			write(t, w, media.Sample{Kind: media.Audio, Codec: media.AAC, DTS: audio.Truncate(time.Millisecond) + 5*time.Millisecond, Data: payload(random, 50)})
			audio += 1024 * time.Second / 48000
		}
		key := i%10 == 0
		write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, DTS: at, CTS: time.Duration(random.Intn(3)*33) * time.Millisecond, Key: key, Data: payload(random, 300)})
		if random.Intn(3) > 0 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			ends = append(ends, w.Written())
		}
		if random.Intn(10) == 0 {
			w.Synced(w.Written())
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := w.Written(); len(ends) == 0 || ends[len(ends)-1] != n {
		ends = append(ends, n)
	}
	open = slices.Clone(m.b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return open, m.b, ends, w
}

func write(t *testing.T, w *Writer, s media.Sample) {
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

// prefix fails unless an index has the first samples of another, whole fragments
// only, up to an end.
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
}

// Cut at any byte, an open file has the samples of its whole fragments, and can
// be finished; finishing it twice, or after a crash in the middle, ends the same.
func TestCutAnywhere(t *testing.T) {
	for name, tracks := range map[string][]media.Track{"video": testTracks[:1], "both": testTracks} {
		t.Run(name, func(t *testing.T) {
			open, closed, ends, w := record(t, tracks, 40, 7)
			for size := int64(len(open)); size >= ends[0]; size-- {
				end := ends[0]
				for _, e := range ends {
					if e <= size {
						end = e
					}
				}
				x, state, findings, err := Scan(bytes.NewReader(open[:size]), size)
				if err != nil || state != Open {
					t.Fatalf("cut at %d: state %d, %v, %v", size, state, findings, err)
				}
				prefix(t, x, &w.index, end)
				if torn := size != end; torn != (len(findings) == 1) {
					t.Fatalf("cut at %d: findings %v", size, findings)
				}
				if size%97 == 0 || size == int64(len(open)) {
					finishes(t, open[:size], x)
				}
			}
			m := &memory{b: slices.Clone(open)}
			x, _, _, _ := Scan(m, int64(len(open)))
			if err := Finalize(x, int64(len(open))).Apply(m); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.b, closed) {
				t.Fatal("a file that is finished differs from one that was closed")
			}
		})
	}
}

// finishes fails unless every way of finishing a file ends in the same bytes.
func finishes(t *testing.T, open []byte, x *Index) {
	t.Helper()
	plan := Finalize(x, int64(len(open)))
	whole := &memory{b: slices.Clone(open)}
	if err := plan.Apply(whole); err != nil {
		t.Fatal(err)
	}
	y, state, findings, err := Scan(whole, int64(len(whole.b)))
	if err != nil || state != Closed || len(findings) > 0 {
		t.Fatalf("finished: state %d, %v, %v", state, findings, err)
	}
	for i := range x.Tracks {
		if !slices.Equal(stripFirst(rows(y.Tracks[i])), stripFirst(rows(x.Tracks[i]))) {
			t.Fatalf("track %d of the closing moov differs from the fragments", i)
		}
	}
	for cut := range plan {
		m := &memory{b: slices.Clone(open)}
		if err := plan[:cut].Apply(m); err != nil {
			t.Fatal(err)
		}
		size := int64(len(m.b))
		z, state, _, err := Scan(m, size)
		if err != nil {
			t.Fatal(err)
		}
		if state != Closed {
			if err := Finalize(z, size).Apply(m); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(m.b, whole.b) {
			t.Fatalf("after a crash behind %d edits the file ends differently", cut)
		}
	}
}

// stripFirst makes times count from the first row, as tables do.
func stripFirst(all []container.Row) []container.Row {
	for i := len(all) - 1; i >= 0; i-- {
		all[i].DTS -= all[0].DTS
	}
	return all
}

// A closed file that is cut anywhere behind its first fragment is rebuilt from
// the fragments inside its mdat.
func TestClosedFileIsRebuilt(t *testing.T) {
	_, closed, ends, w := record(t, testTracks, 40, 9)
	last := ends[len(ends)-1]
	for size := int64(len(closed)) - 1; size >= ends[0]; size-- {
		end := ends[0]
		for _, e := range ends {
			if e <= size {
				end = e
			}
		}
		x, state, findings, err := Scan(bytes.NewReader(closed[:size]), size)
		if err != nil || state != Broken || len(findings) == 0 {
			t.Fatalf("cut at %d: state %d, %v, %v", size, state, findings, err)
		}
		prefix(t, x, &w.index, end)
		if size == last {
			m := &memory{b: slices.Clone(closed[:size])}
			if err := Finalize(x, size).Apply(m); err != nil || !bytes.Equal(m.b, closed) {
				t.Fatalf("a closed file without its moov is not restored: %v", err)
			}
		}
	}
}
