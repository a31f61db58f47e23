package bmff

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// laws are the recorded runs that the laws are tested on.
var laws = map[string][]media.Track{
	"video":     {testVideo},
	"both":      testTracks,
	"audio":     {testAAC441},
	"two audio": {testVideo, testAAC441, testOpus},
}

// stride thins what would take long with -short, or with the race detector in CI.
func stride() int64 {
	if testing.Short() || os.Getenv("RTMPTOOL_RACE") != "" {
		return 17
	}
	return 1
}

// Cut at any byte, an open file has the samples of its whole fragments, and can
// be finished; finishing it twice, or after a crash in the middle, ends the same.
func TestCutAnywhere(t *testing.T) {
	for name, tracks := range laws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(t, tracks, 28, 7)
			for size := int64(len(r.open)); size >= r.ends[0]; size -= stride() {
				end := r.end(size)
				x, findings := scan(t, r.open[:size])
				want := []string{"M04"}
				if size != end {
					want = append(want, "M20")
				}
				if x.State != Open || !slices.Equal(codes(findings), want) {
					t.Fatalf("cut at %d: %v, %v", size, x.State, findings)
				}
				prefix(t, x, r.index, end)
			}
			x, _ := scan(t, r.open)
			m := &memory{b: slices.Clone(r.open)}
			if err := Finalize(x, int64(len(r.open))).Apply(m); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.b, r.closed) {
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

// What was recorded, at every write and at some cuts, is finished to the same bytes
// whatever edit of the plan a crash follows.
func TestCrashWhileFinishing(t *testing.T) {
	for name, tracks := range laws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(t, tracks, 12, 11)
			for _, end := range r.ends {
				for _, size := range []int64{end, end + 60} {
					if size <= int64(len(r.open)) {
						finishes(t, r.open[:size])
					}
				}
			}
		})
	}
}

// finishes fails unless every way of finishing a file ends in the same bytes.
func finishes(t *testing.T, open []byte) {
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
	for cut := range plan {
		m := &memory{b: slices.Clone(open)}
		if err := plan[:cut].Apply(m); err != nil {
			t.Fatal(err)
		}
		refinish(t, m, whole.b, cut)
		torn(t, m, plan[cut], whole.b)
	}
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
