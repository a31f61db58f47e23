package bmff

import (
	"bytes"
	"math/rand"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// kept fails unless an index has exactly the fragments that are not lost.
func kept(t *testing.T, x *Index, r *recording, lost func(fragment int) bool) {
	t.Helper()
	of := func(row container.Row) int {
		i, _ := slices.BinarySearch(r.ends, row.End())
		return i
	}
	for i, track := range r.index.Tracks {
		var want []container.Row
		for _, row := range rows(track) {
			if !lost(of(row)) {
				want = append(want, row)
			}
		}
		if got := rows(x.Tracks[i]); !slices.Equal(got, want) {
			t.Fatalf("track %d: %d rows, want %d, or they differ", i, len(got), len(want))
		}
	}
}

// start is where a fragment begins.
func (r *recording) start(i int) int64 {
	_, _, at := initOf(r.open)
	if i > 0 {
		at = r.ends[i-1]
	}
	if n := len(r.initCopy()); n > 0 && bytes.HasPrefix(r.open[at:], r.initCopy()) {
		at += int64(n)
	}
	return at
}

// initCopy is the box around the copy of the init moov.
func (r *recording) initCopy() []byte {
	i := bytes.Index(r.open, uuidInit[:])
	if i < 0 {
		return nil
	}
	_, size, _ := initOf(r.open)
	return r.open[i-boxHeader : i+16+int(size)]
}

// initOf returns offset, size and end of the init moov.
func initOf(b []byte) (offset, size, end int64) {
	w := window{r: bytes.NewReader(b), size: int64(len(b)), step: maxWindow}
	x, _ := w.box(headSize, w.size)
	return x.offset, x.size, x.end()
}

// After a power cut any part of what was not synced may be zeros, in any order: the
// fragments whose CRC proves them stay, also behind a hole.
func TestPowerCut(t *testing.T) {
	r := record(t, testTracks, 30, 21)
	synced := slices.Max(r.synced)
	random := rand.New(rand.NewSource(4))
	behind := 0 // the first fragment that was not synced
	for behind < len(r.ends) && r.ends[behind] <= synced {
		behind++
	}
	if behind > len(r.ends)-4 {
		t.Fatalf("only %d fragments are not synced", len(r.ends)-behind)
	}
	for n := range 400 {
		b := slices.Clone(r.open)
		damaged := map[int]bool{}
		for range 1 + random.Intn(3) {
			i := behind + random.Intn(len(r.ends)-behind)
			start, end := r.start(i), r.ends[i]
			from := start + random.Int63n(end-start)
			to := min(end, from+1+random.Int63n(end-from))
			switch n % 3 {
			case 0: // the whole fragment
				from, to = start, end
			case 1: // up to its end
				to = end
			}
			before := slices.Clone(b[from:to])
			clear(b[from:to])
			damaged[i] = damaged[i] || !bytes.Equal(before, b[from:to])
		}
		// the last claim may have gone with its fragment: more is read then, no less kept
		x, _ := scan(t, b)
		kept(t, x, r, func(i int) bool { return damaged[i] })
		m := &memory{b: b}
		if err := Finalize(x, int64(len(b))).Apply(m); err != nil {
			t.Fatal(err)
		}
		y, findings := scan(t, m.b)
		if y.State != Closed || len(findings) > 0 {
			t.Fatalf("finished: %v, %v", y.State, findings)
		}
		clean(t, y, m)
	}
}

// Zeros in a moof that was synced cost that fragment, and no other.
func TestDamagedMoof(t *testing.T) {
	r := record(t, testTracks, 30, 22)
	for i := range r.ends {
		if r.ends[i] > slices.Max(r.synced) {
			break
		}
		start := r.start(i)
		for _, hole := range [][2]int64{{0, 8}, {4, 8}, {0, 24}, {8, 32}, {0, 100}} {
			b := slices.Clone(r.open)
			clear(b[start+hole[0] : start+hole[1]])
			x, findings := scan(t, b)
			if x.State != Open || !slices.Equal(codes(findings), []string{"M04", "M22"}) {
				t.Fatalf("fragment %d, hole %v: %v, %v", i, hole, x.State, findings)
			}
			if f := findings[1]; f.Offset != start || f.End != r.ends[i] {
				t.Errorf("fragment %d: damage at %d..%d, want %d..%d", i, f.Offset, f.End, start, r.ends[i])
			}
			kept(t, x, r, func(n int) bool { return n == i })
		}
	}
}

// A moof inside the media of a publisher is no fragment of the file, neither one of
// another file, nor a whole copy behind the end.
func TestForgedFragments(t *testing.T) {
	r := record(t, testTracks, 20, 23)
	other := record(t, testTracks, 20, 24)
	cut := r.ends[len(r.ends)/2]
	forged := other.open[other.ends[3]:other.ends[4]]
	b := slices.Concat(r.open[:cut], []byte("junk"), forged, r.open[cut:])
	x, findings := scan(t, b)
	if want := []string{"M04", "M22"}; !slices.Equal(codes(findings), want) {
		t.Fatalf("%v", findings)
	}
	if x.Tracks[0].Samples != r.index.Tracks[0].Samples || x.Fragments != len(r.ends) {
		t.Errorf("%d fragments, want %d", x.Fragments, len(r.ends))
	}
}

// An error of reading is no damage.
func TestReadError(t *testing.T) {
	r := record(t, testTracks, 20, 25)
	for at := range int64(len(r.open)) {
		if _, _, err := Scan(broken{bytes.NewReader(r.open), at}, int64(len(r.open))); err == nil && at < r.ends[0] {
			t.Fatalf("a disk that fails at %d gives no error", at)
		}
	}
}

// broken fails for every read that goes beyond an offset.
type broken struct {
	*bytes.Reader
	at int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.at {
		return 0, bytes.ErrTooLarge
	}
	return b.Reader.ReadAt(p, off)
}

// A closed file whose first page is gone has its closing moov still: the commit record
// at its end leads to it, and the head is written again. Nothing else is changed.
func TestFirstPageLost(t *testing.T) {
	r := record(t, testTracks, 200, 26)
	_, _, init := initOf(r.open)
	random := rand.New(rand.NewSource(5))
	for _, length := range []int64{headSize, 56, 512, init, 4096} {
		for _, fill := range []func([]byte){func(b []byte) { clear(b) }, func(b []byte) { random.Read(b) }} {
			b := slices.Clone(r.closed)
			fill(b[:length])
			x, findings := scan(t, b)
			if x.State != Broken || !x.Ours || !slices.Equal(codes(findings), []string{"M02"}) {
				t.Fatalf("without %d bytes: %v, %v", length, x.State, findings)
			}
			if end := findings[0].End; end < headSize || end > r.end(length)+r.ends[0] {
				t.Fatalf("without %d bytes: damaged up to %d", length, end)
			}
			kept(t, x, r, func(int) bool { return false })
			restores(t, x, b, slices.Concat(closedHead(x.End), b[headSize:]))
		}
	}
}

// A bit that flips in the first 2000 bytes costs nothing that the findings do not tell:
// what has intact fragments never counts as empty without saying so, and a plan ends in a
// file that is whole.
func TestBitFlips(t *testing.T) {
	r := record(t, testTracks, 28, 27)
	one := r.open[:r.ends[0]] // before the copy of the init moov
	for name, file := range map[string][]byte{"open": r.open, "closed": r.closed, "one fragment": one} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for bit := 0; bit < 8*min(2000, len(file)); bit += 7 { // all bits of a byte get their turn
				b := slices.Clone(file)
				b[bit/8] ^= 1 << (bit % 8)
				x, findings := scan(t, b)
				if x.State == Empty && bit/8 < int(r.start(0)) && (!x.Ours || findings[0].Code != "M03") {
					t.Fatalf("bit %d: %v", bit, findings)
				}
				if len(file) > len(one) && bit/8 < int(r.start(0)) {
					kept(t, x, r, func(int) bool { return false })
				}
				plan := Finalize(x, int64(len(b)))
				if plan == nil {
					continue
				}
				m := &memory{b: b}
				if err := plan.Apply(m); err != nil {
					t.Fatal(err)
				}
				y, findings := scan(t, m.b)
				if y.State != Closed || len(findings) > 0 || y.samples() != x.samples() {
					t.Fatalf("bit %d: finished: %v, %v", bit, y.State, findings)
				}
				if bit/8 >= int(r.start(0)) {
					continue // a moof that was synced is not compared with its CRC
				}
				if len(file) > len(one) {
					clean(t, y, m)
					continue
				}
				more, err := Check(y, m)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range more { // nothing tells any more what the track was
					if f.Severity > container.Note && f.Code != "M28" && f.Code != "M14" {
						t.Fatalf("bit %d: finished: %v", bit, f)
					}
				}
			}
		})
	}
}

// The copy of the init moov is that, in no page of it, and as early as can be.
func TestInitCopy(t *testing.T) {
	for name, l := range laws {
		r := record(t, l.tracks, 60, 31, l.drops...)
		offset, size, end := initOf(r.open)
		page := (end + pageSize - 1) / pageSize * pageSize
		i := 1
		for r.ends[i-1] < page {
			i++
		}
		b := r.initCopy()
		at := r.start(i) - int64(len(b))
		if at != r.ends[i-1] || !bytes.Equal(b, r.open[at:r.start(i)]) || !bytes.Equal(b[uuidHeader:], r.open[offset:end]) || int64(len(b)) != uuidHeader+size {
			t.Errorf("%s: a copy of %d bytes at %d, want one of %d at %d", name, len(b), at, uuidHeader+size, r.ends[i-1])
		}
		if bytes.Count(r.open, uuidInit[:]) != 1 {
			t.Errorf("%s: more than one copy", name)
		}
	}
}

// Whatever byte of the copy changes, it costs no sample.
func TestDamagedCopy(t *testing.T) {
	r := record(t, testTracks, 40, 32)
	at := int64(bytes.Index(r.open, r.initCopy()))
	for i := range int64(len(r.initCopy())) {
		b := slices.Clone(r.open)
		b[at+i] ^= 0x11
		x, _ := scan(t, b)
		kept(t, x, r, func(int) bool { return false })
	}
}

// An open file whose first pages are gone goes on with the copy of its init moov, and
// has every fragment that does not lie in them.
func TestOpenWithoutFirstPage(t *testing.T) {
	runs := map[string]*recording{"large": recordSized(t, testTracks, 60, 4000, 28)}
	for name, l := range laws {
		runs[name] = record(t, l.tracks, 60, 28, l.drops...)
	}
	for name, r := range runs {
		_, _, end := initOf(r.open)
		page := (end + pageSize - 1) / pageSize * pageSize
		for _, hole := range [][2]int64{{0, end}, {headSize, end}, {0, page}, {headSize, page}} {
			b := slices.Clone(r.open)
			clear(b[hole[0]:hole[1]])
			x, findings := scan(t, b)
			if !slices.Contains(codes(findings), "M02") {
				t.Fatalf("%s without %v: %v", name, hole, findings)
			}
			kept(t, x, r, func(i int) bool { return r.start(i) < hole[1] })
			m := &memory{b: b}
			if err := Finalize(x, int64(len(b))).Apply(m); err != nil {
				t.Fatal(err)
			}
			if y, findings := scan(t, m.b); y.State != Closed || len(findings) > 0 {
				t.Fatalf("%s finished: %v, %v", name, y.State, findings)
			}
		}
	}
}

// Fragments that nothing describes are told of, not taken for nothing.
func TestOrphans(t *testing.T) {
	r := record(t, testTracks, 28, 29)
	b := slices.Clone(r.open)
	clear(b[:r.start(0)])
	clear(b[bytes.Index(b, uuidInit[:]):][:16])
	x, findings := scan(t, b)
	if x.State != Empty || !x.Ours || !slices.Equal(codes(findings), []string{"M03"}) {
		t.Fatalf("%v, %v", x.State, findings)
	}
}
