package bmff

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// laws are the recorded runs that the laws are tested on.
var laws = map[string]law{
	"video":     {tracks: []media.Track{testVideo}},
	"both":      {tracks: testTracks},
	"audio":     {tracks: []media.Track{testAAC441}},
	"two audio": {tracks: []media.Track{testVideo, testAAC441, testOpus}},
	"drops":     {tracks: testTracks, drops: []int{1, 4, 5, 14, 19, 27}},
}

type law struct {
	tracks []media.Track
	drops  []int // frames behind which one is noted, the last of some runs among them
}

// stride thins what would take long with -short, or with the race detector in CI.
func stride() int64 {
	if testing.Short() || os.Getenv("RTMPTOOL_RACE") != "" {
		return 17
	}
	return 1
}

// tail is how much of the end of a file is cut at every byte.
const tail = 64 << 10

// Cut at any byte, an open file has the samples of its whole fragments: what a scan
// finds is what it finds in a file that was cut between them. So it is finished in the
// same way; and for that one, and for one with as much of the next fragment as can be,
// finishes shows that nothing is left to be found or to be done, and that a crash after
// any edit changes nothing.
func TestCutAnywhere(t *testing.T) {
	runs := map[string]*recording{"long": recordSized(t, testTracks, 60, 4000, 8)}
	for name, l := range laws {
		runs[name] = record(t, l.tracks, 28, 7, l.drops...)
	}
	if n := len(runs["long"].open); n < 3*tail/2 {
		t.Fatalf("the long run has %d bytes", n)
	}
	for name, r := range runs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			last := int64(len(r.open))
			from := max(r.ends[0], last-tail)
			for i, end := range r.ends {
				next := last + 1
				if i+1 < len(r.ends) {
					next = r.ends[i+1]
				}
				if next <= from {
					continue
				}
				between, _ := scan(t, r.open[:end])
				prefix(t, between, r.index, end)
				want := finishes(t, r.open[:end])
				for size := max(end, from); size < next; size += stride() {
					x, findings := scan(t, r.open[:size])
					found := []string{"M04"}
					if size != end {
						found = append(found, "M20")
					}
					if !reflect.DeepEqual(x, between) || !slices.Equal(codes(findings), found) {
						t.Fatalf("cut at %d: %v, %v; not what is found at %d", size, x.State, findings, end)
					}
				}
				if torn := next - 1; torn > end && !bytes.Equal(finishes(t, r.open[:torn]), want) {
					t.Fatalf("cut at %d: finished differently", torn)
				}
			}
			if !bytes.Equal(finishes(t, r.open), r.closed) {
				t.Fatal("a file that is finished differs from one that was closed")
			}
		})
	}
}

// Before its first whole fragment a file holds nothing, and is ours from the first
// byte on.
func TestCutBeforeTheFirstSample(t *testing.T) {
	r := record(t, testTracks, 5, 3)
	for size := range r.ends[0] {
		x, findings := scan(t, r.open[:size])
		if x.State != Empty || x.Ours != (size > 0) || len(findings) == 0 || findings[0].Code != "M01" {
			t.Fatalf("cut at %d: %v, ours %v, %v", size, x.State, x.Ours, findings)
		}
		if plan := Finalize(x, size); plan != nil {
			t.Fatalf("cut at %d: plan %v", size, plan)
		}
	}
}

// What was recorded is finished to the same bytes at every write, whatever edit of the
// plan a crash follows; and so is what the write after it had begun.
func TestCrashWhileFinishing(t *testing.T) {
	for name, l := range laws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(t, l.tracks, 28, 11, l.drops...)
			for _, end := range r.ends {
				want := finishes(t, r.open[:end])
				if torn := end + 60; torn <= int64(len(r.open)) && !bytes.Equal(finishes(t, r.open[:torn]), want) {
					t.Fatalf("with a part of the next write, from %d, it ends differently", end)
				}
			}
		})
	}
}

// finishes fails unless every way of finishing a file ends in the same bytes, where
// nothing is left to be found or to be done. It returns them.
func finishes(t *testing.T, open []byte) []byte {
	t.Helper()
	x, _ := scan(t, open)
	plan := Finalize(x, int64(len(open)))
	whole := &memory{b: slices.Clone(open)}
	if err := plan.Apply(whole); err != nil {
		t.Fatal(err)
	}
	y, findings := scan(t, whole.b)
	if y.State != Closed || len(findings) > 0 || Finalize(y, int64(len(whole.b))) != nil {
		t.Fatalf("finished: %v, %v", y.State, findings)
	}
	clean(t, y, whole)
	for i := range x.Tracks {
		if !slices.Equal(rows(y.Tracks[i]), rows(x.Tracks[i])) {
			t.Fatalf("track %d of the closing moov differs from the fragments", i)
		}
	}
	if !slices.Equal(x.Drops, y.Drops) {
		t.Fatalf("drops %+v, in the closing moov %+v", x.Drops, y.Drops)
	}
	for cut := range plan {
		m := &memory{b: slices.Clone(open)}
		if err := plan[:cut].Apply(m); err != nil {
			t.Fatal(err)
		}
		refinish(t, m, whole.b, cut)
		torn(t, m, plan[cut], whole.b)
	}
	return whole.b
}

// refinish finishes what a crash left behind some edits.
func refinish(t *testing.T, m *memory, want []byte, cut int) {
	t.Helper()
	m = &memory{b: slices.Clone(m.b)}
	z, _ := scan(t, m.b)
	if err := Finalize(z, int64(len(m.b))).Apply(m); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.b, want) {
		t.Fatalf("after a crash behind %d edits (%v) the file ends differently", cut, z.State)
	}
}

// torn tears an edit that appends.
func torn(t *testing.T, m *memory, e container.Edit, want []byte) {
	t.Helper()
	if e.Op != container.Write || e.Offset == 0 {
		return
	}
	all := &memory{b: slices.Clone(m.b)}
	if err := (container.Plan{e}).Apply(all); err != nil {
		t.Fatal(err)
	}
	for part := int64(1); part < e.Size; part += e.Size / 7 {
		refinish(t, &memory{b: all.b[:e.Offset+part]}, want, -1)
	}
}

// clean fails if a check finds more than notes.
func clean(t *testing.T, x *Index, m *memory) {
	t.Helper()
	findings, err := Check(x, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Severity > container.Note {
			t.Fatalf("%s %s at %d: %s", f.Code, f.Severity, f.Offset, f.Text)
		}
	}
}

// A closed file that is cut anywhere behind its first fragment is rebuilt from
// the fragments inside its mdat.
func TestClosedFileIsRebuilt(t *testing.T) {
	r := record(t, testTracks, 28, 9)
	last := r.ends[len(r.ends)-1]
	for size := int64(len(r.closed)) - 1; size >= r.ends[0]; size -= stride() {
		end := r.end(size)
		x, findings := scan(t, r.closed[:size])
		want := []string{"M06"}
		if size < last && size != end {
			want = append(want, "M20")
		}
		if size < last {
			want = append(want, "M07")
		}
		if x.State != Broken || !slices.Equal(codes(findings), want) {
			t.Fatalf("cut at %d: %v, %v", size, x.State, findings)
		}
		prefix(t, x, r.index, end)
		if size == last {
			restores(t, x, r.closed[:size], r.closed)
		}
	}
}

func restores(t *testing.T, x *Index, have, want []byte) {
	t.Helper()
	m := &memory{b: slices.Clone(have)}
	if err := Finalize(x, int64(len(have))).Apply(m); err != nil || !bytes.Equal(m.b, want) {
		t.Fatalf("not restored: %v", err)
	}
}

// Whatever of the closing moov or of the head is zeroed, the file is restored.
func TestClosedFileWithZeros(t *testing.T) {
	r := record(t, testTracks, 40, 10)
	moov := r.ends[len(r.ends)-1]
	for _, length := range []int64{1, 8, 64, 512, 1 << 20} {
		for at := moov; at < int64(len(r.closed)); at += max(7, length/3) {
			b := slices.Clone(r.closed)
			part := b[at:min(at+length, int64(len(b)))]
			if bytes.Count(part, []byte{0}) == len(part) {
				continue
			}
			clear(part)
			x, findings := scan(t, b)
			if x.State != Broken || !slices.Equal(codes(findings), []string{"M06"}) {
				t.Fatalf("%d zeros at %d: %v, %v", length, at-moov, x.State, findings)
			}
			restores(t, x, b, r.closed)
		}
	}
	for _, head := range [][2]int{{0, 4}, {4, 8}, {0, 32}, {32, 48}, {0, 48}, {40, 48}} {
		b := slices.Clone(r.closed)
		clear(b[head[0]:head[1]])
		x, _ := scan(t, b)
		if x.State != Broken {
			t.Fatalf("head zeroed at %v: %v", head, x.State)
		}
		restores(t, x, b, r.closed)
	}
}

// The commit record undoes the commit.
func TestCommitCanBeUndone(t *testing.T) {
	r := record(t, testTracks, 10, 12)
	record := r.closed[len(r.closed)-commitSize:]
	m := &memory{b: slices.Clone(r.closed)}
	copy(m.b, record[:headSize])
	size := 0
	for _, b := range record[commitOldSize : commitOldSize+8] {
		size = size<<8 | int(b)
	}
	if !bytes.Equal(m.b[:size], r.open) {
		t.Fatal("the old head and the old size do not make the open file")
	}
	x, findings := scan(t, m.b)
	if x.State != Committing || findings[0].Code != "M05" {
		t.Fatalf("with the old head alone: %v, %v", x.State, findings)
	}
	restores(t, x, m.b, r.closed)
}
