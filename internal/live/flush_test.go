package live

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// With a latency that is asked for, viewers get all that comes meanwhile together, so
// far apart; the recorder gets each frame at once.
func TestMinLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 350 * ms
		r := NewRegistry(Config{MinLatency: window})
		f := publish(t, r, "live/a")
		recorder := read(t, f.Cursor())
		viewer, follower := r.Subscribe("live/a"), r.Subscribe("live/a")
		f.key()
		next(t, follower)
		reading := read(t, viewer)
		var served []time.Time
		var packets int
		go follower.Follow(t.Context(), func(p []*media.Packet) bool {
			served = append(served, time.Now())
			packets += len(p)
			return true
		})
		synctest.Wait()
		f.gop(100)
		time.Sleep(window)
		synctest.Wait()
		if len(served) < 10 || len(served) > 11 {
			t.Errorf("served %d times in 3.65 s", len(served))
		}
		for i := range served[1:] {
			if d := served[i+1].Sub(served[i]); d < window || d > window+33*ms {
				t.Errorf("served %v after the last time", d)
			}
		}
		if packets != 1+2*99 {
			t.Errorf("the follower got %d packets", packets)
		}
		f.Close()
		if at := (<-reading).at; len(at) < 10 || len(at) > 12 {
			t.Errorf("the viewer woke at %v", at)
		}
		if at := (<-recorder).at; len(at) < 100 {
			t.Errorf("the recorder woke %d times for 101 frames", len(at))
		}
	})
}

// Viewers who take long to serve get more at once, up to the latency that is allowed.
func TestLatencyGrows(t *testing.T) {
	for _, tt := range []struct {
		allowed, each time.Duration // of serving one viewer
		least, most   time.Duration // between two times
	}{
		{0, 1 * ms, 32 * ms, 36 * ms},               // the default, a light load
		{0, 10 * ms, 70 * ms, 140 * ms},             // a heavy one
		{200 * ms, 30 * ms, 150 * ms, 340 * ms},     // a heavier one
		{-1, 5 * ms, 32 * ms, 45 * ms},              // never
		{20 * ms, 20 * ms, 32 * ms, 33*ms + 100*ms}, // less than it takes
	} {
		synctest.Test(t, func(t *testing.T) {
			r := NewRegistry(Config{MaxLatency: tt.allowed})
			r.stream("live/a").fan = newFan()[:1]
			f := publish(t, r, "live/a")
			f.key()
			var served []time.Time
			var following sync.WaitGroup
			for i := range fewFollowers + 1 {
				c := r.Subscribe("live/a")
				next(t, c)
				following.Go(func() {
					c.Follow(t.Context(), func([]*media.Packet) bool {
						if i == 0 {
							served = append(served, time.Now())
						}
						time.Sleep(tt.each)
						return true
					})
				})
				synctest.Wait() // whose turn it is depends on who came first
			}
			f.gop(100)
			f.Close()
			following.Wait()
			if len(served) < 10 {
				t.Fatalf("%+v: served %d times", tt, len(served))
			}
			mean := served[len(served)-1].Sub(served[2]) / time.Duration(len(served)-3)
			if mean < tt.least || mean > tt.most {
				t.Errorf("%+v: served every %v", tt, mean)
			}
		})
	}
}

// What a crowd took to serve delays nobody who is left when it has gone.
func TestLatencyShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		r.stream("live/a").fan = newFan()[:1]
		f := publish(t, r, "live/a")
		f.key()
		var crowd atomic.Bool
		crowd.Store(true)
		var parts []int
		var following sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		for i := range fewFollowers + 1 {
			c, stay := r.Subscribe("live/a"), t.Context()
			if next(t, c); i > 0 {
				stay = ctx
			}
			following.Go(func() {
				c.Follow(stay, func(packets []*media.Packet) bool {
					if crowd.Load() {
						time.Sleep(10 * ms)
					} else if i == 0 {
						parts = append(parts, len(packets))
					}
					return true
				})
			})
		}
		synctest.Wait()
		f.gop(20)
		time.Sleep(time.Second)
		leave()
		synctest.Wait()
		crowd.Store(false)
		f.gop(2) // the last time that waits for the crowd
		f.gop(20)
		f.Close()
		following.Wait()
		if n := len(parts); n < 20 {
			t.Errorf("22 frames were served in %d parts: %v", n, parts)
		}
	})
}

// A publisher may take its time while no viewer is there, and a recorder none that it needs.
func TestPatience(t *testing.T) {
	r := NewRegistry(Config{})
	p := publish(t, r, "a")
	check := func(what string, want time.Duration) {
		t.Helper()
		if got := p.Patience(); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("nobody reads", idlePatience)
	recorder := p.Cursor()
	check("a recorder", RecordPatience)
	viewer := r.Subscribe("a")
	check("a viewer", 0)
	viewer.Close()
	check("it has left", RecordPatience)
	recorder.Close()
	check("the recorder gave up", idlePatience)
	p.Close()
	check("the end", 0)
}
