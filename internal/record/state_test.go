package record

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
)

func TestState(t *testing.T) {
	for _, tt := range []struct {
		status Status
		want   State
	}{
		{Status{}, Waiting},
		{Status{Path: "a.flv"}, Recording},
		{Status{Path: "a.flv", Err: errDisk}, Disabled},
		{Status{Err: errDisk}, Disabled},
	} {
		if got := tt.status.State(); got != tt.want {
			t.Errorf("%+v is %s, want %s", tt.status, got, tt.want)
		}
	}
}

// surface is a disk whose writes and syncs take their time. It knows by itself what
// would survive a power cut. Each operation takes a nanosecond more than the one before:
// where a write ended just as a sync began, disk and recorder could both be right about
// what the sync covers and not agree.
type surface struct {
	delay map[string]time.Duration

	mu       sync.Mutex
	size     int64     // written
	safe     int64     // synced
	writes   []pieceAt // not synced, the last one maybe not written yet
	finished bool      // nothing but what closes the file comes any more
}

type pieceAt struct {
	end int64
	at  time.Time
}

func (s *surface) hook(n int, op operation) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		return 0, nil
	}
	covers := s.size
	if op.name == "write" {
		s.writes = append(s.writes, pieceAt{op.offset + int64(op.size), op.at})
	}
	s.mu.Unlock()
	time.Sleep(s.delay[op.name] + time.Duration(n))
	s.mu.Lock()
	switch op.name {
	case "write":
		s.size = op.offset + int64(op.size)
	case "sync":
		s.safe = covers
		for len(s.writes) > 0 && s.writes[0].end <= covers {
			s.writes = s.writes[1:]
		}
	}
	return 0, nil
}

// want is what a recorder should say.
func (s *surface) want() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Bytes: s.size, Durable: s.safe}
	if len(s.writes) > 0 {
		st.Unsynced = s.writes[0].at
	}
	return st
}

// At every instant a recorder knows what is durable, and since when the rest is
// not, whatever the disk takes its time for.
func TestDurable(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration
		delay map[string]time.Duration
		most  time.Duration // that anything waits to be durable
	}{
		{"instant", time.Second, nil, time.Second + 33*ms},
		{"slow sync", time.Second, map[string]time.Duration{"sync": 700 * ms}, 1700*ms + 33*ms},
		{"sync slower than its interval", 500 * ms, map[string]time.Duration{"sync": 1300 * ms}, 2*1300*ms + 33*ms},
		{"write slower than the interval", 500 * ms, map[string]time.Duration{"write": 1700 * ms, "sync": 100 * ms}, 1700*ms + 500*ms + 100*ms},
		{"never synced", 0, nil, 20 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				file := &surface{delay: tt.delay}
				d := &testDisk{hook: file.hook}
				config := d.config()
				config.SyncEvery = tt.every
				f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
				r := Start(config, "live/a", f.p.Cursor())
				f.configs()
				begin, longest := time.Now(), time.Duration(0)
				for time.Since(begin) < 20*time.Second {
					f.gop(1)
					synctest.Wait()
					got, want := r.Status(), file.want()
					if got.Bytes != want.Bytes || got.Durable != want.Durable || !got.Unsynced.Equal(want.Unsynced) {
						t.Fatalf("after %s: %+v, want %+v", time.Since(begin), got, want)
					}
					if !got.Unsynced.IsZero() {
						longest = max(longest, time.Since(got.Unsynced))
					}
				}
				if longest > tt.most || longest < tt.most/2 {
					t.Errorf("something was not durable for %s, want nearly %s", longest, tt.most)
				}
				file.mu.Lock()
				file.finished = true
				file.mu.Unlock()
				f.p.Close()
				<-r.Done()
				if st := r.Status(); st.Durable != st.Bytes || !st.Unsynced.IsZero() || st.Bytes == 0 {
					t.Errorf("after the end: %+v", st)
				}
			})
		})
	}
}
