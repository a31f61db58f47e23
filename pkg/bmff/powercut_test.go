package bmff

import (
	"bytes"
	"math/rand"
	randv2 "math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/container/powercut"
)

// onDisk records a stream with a sync after every few fragments, and closes it.
// It returns the index that the writer had.
func onDisk(t *testing.T, l law, frames, syncEvery int, seed int64) (*powercut.Disk, *Index) {
	t.Helper()
	tracks := l.tracks
	d := &powercut.Disk{}
	w, err := NewWriter(d, Options{Tracks: tracks, Created: created, FileID: [16]byte{7, byte(seed)}})
	if err != nil {
		t.Fatal(err)
	}
	feed(t, w, tracks, frames, smallFrame, rand.New(rand.NewSource(seed)), func(i int) {
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if i%syncEvery == syncEvery-1 {
			until := w.Written()
			d.Sync()
			w.Synced(until)
		}
		if slices.Contains(l.drops, i) {
			if err := w.Drop(dropAfter(i)); err != nil {
				t.Fatal(err)
			}
		}
	})
	x := *w.Index()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return d, &x
}

// Whatever a power cut leaves: every fragment that was synced is found, nothing is
// found that was not written so, and the file can be finished.
func TestPowerCutAnywhere(t *testing.T) {
	for name, l := range laws {
		for _, run := range []struct {
			name              string
			frames, syncEvery int
			limit             int
		}{{"short", 3, 1, 1500}, {"long", 40, 10, 200}} {
			t.Run(name+", "+run.name, func(t *testing.T) {
				t.Parallel()
				d, x := onDisk(t, l, run.frames, run.syncEvery, 3)
				final := slices.Clone(d.Bytes())
				for s := range d.States(randv2.New(randv2.NewPCG(5, 6)), run.limit/int(stride())) {
					survives(t, s, x, final)
				}
			})
		}
	}
}

// survives checks what is left after a cut against what was written.
func survives(t *testing.T, s powercut.State, written *Index, final []byte) {
	t.Helper()
	m := &memory{b: s.Data}
	if Finished(m, int64(len(m.b))) && !bytes.Equal(m.b, final) {
		t.Fatalf("%s: taken for finished", s.How)
	}
	x, _ := scan(t, m.b)
	for i, track := range written.Tracks {
		var found []container.Row
		if i < len(x.Tracks) {
			found = rows(x.Tracks[i])
		}
		at := 0
		for _, row := range rows(track) {
			if at < len(found) && found[at].Offset == row.Offset {
				if found[at] != row || !bytes.Equal(s.Data[row.Offset:row.End()], final[row.Offset:row.End()]) {
					t.Fatalf("%s: track %d: sample at %d is not as it was written", s.How, i, row.Offset)
				}
				at++
			} else if row.End() <= s.Durable {
				t.Fatalf("%s: track %d: sample at %d was synced and is not found; %v", s.How, i, row.Offset, x.State)
			}
		}
		if at < len(found) {
			t.Fatalf("%s: track %d: a sample at %d that nobody wrote", s.How, i, found[at].Offset)
		}
	}
	if x.samples() == 0 {
		return
	}
	if err := Finalize(x, int64(len(m.b))).Apply(m); err != nil {
		t.Fatal(err)
	}
	y, findings := scan(t, m.b)
	if y.State != Closed || len(findings) > 0 {
		t.Fatalf("%s: finished: %v, %v", s.How, y.State, findings)
	}
	if !slices.Equal(x.Drops, y.Drops) {
		t.Fatalf("%s: drops %+v, finished %+v", s.How, x.Drops, y.Drops)
	}
	for i := range x.Tracks {
		sameButForMS(t, s.How, x.Tracks[i], y.Tracks[i])
	}
	clean(t, y, m)
}

// sameButForMS: an edit list tells in whole milliseconds when a track begins. One
// that has lost its beginning may be off by less than one, as a whole.
func sameButForMS(t *testing.T, how string, before, after *container.Track) {
	t.Helper()
	want, got := rows(before), rows(after)
	shift := after.First.DTS - before.First.DTS
	if d := before.Time(shift); d <= -time.Millisecond || d >= time.Millisecond {
		t.Fatalf("%s: %s moved by %v", how, before.Kind, d)
	}
	for i := range want {
		want[i].DTS += shift
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: %s changed when it was finished", how, before.Kind)
	}
}

// Finishing is cut too, at every write and sync: finished again, the file has the same
// bytes. So it is with what repairs a file that was closed, whatever has become of it.
func TestPowerCutWhileFinishing(t *testing.T) {
	for name, l := range laws {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := record(t, l.tracks, 20, 31, l.drops...)
			finishesAgain(t, "open", r.open, 600)
			finishesAgain(t, "torn", r.open[:r.ends[len(r.ends)/2]+50], 600)
			for how, b := range damaged(record(t, l.tracks, 60, 31, l.drops...)) {
				finishesAgain(t, how, b, 100)
			}
		})
	}
}

// damaged are closed files that can be repaired. A page goes with its copy of the init
// moov elsewhere.
func damaged(r *recording) map[string][]byte {
	last, size := r.ends[len(r.ends)-1], int64(len(r.closed))
	_, _, init := initOf(r.closed)
	page := (init + pageSize - 1) / pageSize * pageSize
	zeros := func(b []byte, holes ...[2]int64) []byte {
		b = slices.Clone(b)
		for _, h := range holes {
			clear(b[h[0]:h[1]])
		}
		return b
	}
	half := len(r.ends) / 2
	hole := [2]int64{r.start(half), r.start(half) + 60}
	return map[string][]byte{
		"moov cut":              r.closed[:(last+size)/2],
		"moov lost":             r.closed[:last],
		"moov zeroed":           zeros(r.closed, [2]int64{last, size}),
		"media cut":             r.closed[:r.ends[half]+50],
		"head zeroed":           zeros(r.closed, [2]int64{0, headSize}),
		"page zeroed":           zeros(r.closed, [2]int64{0, page}),
		"page zeroed, no moov":  zeros(r.closed[:last], [2]int64{0, page}),
		"page and moov zeroed":  zeros(r.closed, [2]int64{0, page}, [2]int64{last, size}),
		"hole in the media":     zeros(r.closed[:last], hole),
		"hole, and moov zeroed": zeros(r.closed, hole, [2]int64{last, size}),
		"bad tail":              slices.Concat(r.closed[:size-commitSize], bytes.Repeat([]byte{0x5A}, 9000)),
	}
}

// finishesAgain fails unless a file that is finished, cut at up to so many moments between
// two syncs, is finished to the same bytes by another try.
func finishesAgain(t *testing.T, what string, b []byte, limit int) {
	t.Helper()
	x, _ := scan(t, b)
	plan := Finalize(x, int64(len(b)))
	if plan == nil {
		t.Fatalf("%s: nothing to be done: %v", what, x.State)
	}
	d := powercut.NewDisk(b)
	if err := plan.Apply(d); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(d.Bytes())
	for s := range d.States(randv2.New(randv2.NewPCG(7, 8)), limit/int(stride())) {
		y, _ := scan(t, s.Data)
		m := &memory{b: s.Data}
		if err := Finalize(y, int64(len(m.b))).Apply(m); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.b, want) {
			t.Fatalf("%s, %s: finished again the file is another one (%v before)", what, s.How, y.State)
		}
	}
}
