package container

import (
	"slices"
	"testing"
	"time"
)

func trackOf(steps ...int64) *Track {
	t := &Track{Timescale: 1000}
	dts := int64(0)
	t.Add(Row{Size: 1})
	for _, s := range steps {
		dts += s
		t.Add(Row{Offset: t.Last.End(), Size: 1, DTS: dts})
	}
	return t
}

func TestStep(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []int64
		want  int64
	}{
		{"one sample", nil, 0},
		{"two", []int64{33}, 33},
		{"jitter", []int64{33, 34, 33}, 33},
		{"behind a gap", []int64{33, 33, 5000}, 33},
		{"behind a slip", []int64{33, 33, 1}, 33},
		{"gap and on", []int64{33, 5000, 33}, 33},
		{"another rate", []int64{10, 50, 50}, 50},
		{"half the rate", []int64{33, 67}, 67},
		{"backwards", []int64{33, -10}, 33},
	} {
		if got := trackOf(c.steps...).Step(); got != c.want {
			t.Errorf("%s: step %d, want %d", c.name, got, c.want)
		}
	}
}

func TestGaps(t *testing.T) {
	track := trackOf(33, 33, 33, 500, 33, 34, 2000, 33, 33, 99, 33)
	starts := func(atLeast time.Duration) (all []int64) {
		for g := range track.Gaps(atLeast) {
			all = append(all, g.Before.DTS)
		}
		return all
	}
	if got := starts(0); !slices.Equal(got, []int64{99, 666, 2732}) {
		t.Errorf("gaps at %v", got)
	}
	if got := starts(time.Second); !slices.Equal(got, []int64{666}) {
		t.Errorf("gaps of a second at %v", got)
	}
	for range track.Gaps(0) {
		break // an early end is no panic
	}
	for range trackOf().Gaps(0) {
		t.Error("a gap in a single sample")
	}
}

func TestRowsDoNotAllocate(t *testing.T) {
	track := trackOf(make([]int64, 5000)...)
	if n := testing.AllocsPerRun(10, func() {
		for r := range track.Rows() {
			_ = r
		}
	}); n > 4 {
		t.Errorf("%v allocations for 5001 rows", n)
	}
}
