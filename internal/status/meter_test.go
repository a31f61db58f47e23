package status

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMeter(t *testing.T) {
	begin := time.Now()
	m := newMeter(begin)
	// 1000 bytes a second from the start, then ten times as many.
	bytes, want := uint64(0), []float64{1000, 1000, 1000, 1000, 1000, 1000, 2800, 4600, 6400, 8200, 10000, 10000}
	var got []float64
	for i := range want {
		bytes += 1000
		if i >= 6 {
			bytes += 9000
		}
		got = append(got, m.add(begin.Add(time.Duration(i+1)*time.Second), bytes))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rates (-want +got):\n%s", diff)
	}
	m = newMeter(time.Time{})
	if rate := m.add(begin, 5000) + m.add(begin, 6000); rate != 0 {
		t.Errorf("rate %v without time", rate)
	}
}

// However often a rate is asked for, and by how many, it is taken over the same
// time, and the meter does not grow.
func TestMeterOfManyReaders(t *testing.T) {
	begin := time.Now()
	m := newMeter(begin)
	const step = 7 * time.Millisecond
	for now := step; now < 20*time.Second; now += step {
		rate := 1e6 // bytes a second; later ten times as many
		bytes := now.Seconds() * 1e6
		if now > 10*time.Second {
			bytes = 10e6 + (now-10*time.Second).Seconds()*10e6
		}
		switch {
		case now > 10*time.Second+rateOver+time.Second:
			rate = 10e6
		case now > 10*time.Second:
			rate = 0 // changes
		}
		got := m.add(begin.Add(now), uint64(bytes))
		if rate > 0 && (got < rate*0.999 || got > rate*1.001) {
			t.Fatalf("%f after %s, want %f", got, now, rate)
		}
		if len(m.samples) > 8 {
			t.Fatalf("%d samples after %s", len(m.samples), now)
		}
	}
}
