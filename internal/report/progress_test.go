package report

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clockwork is work that goes on at a speed, by the clock.
type clockwork struct {
	begun, speed, total int64 // ns since 1970, bytes a second, bytes
}

func (w clockwork) Progress() (done, total int64) {
	return min((time.Now().UnixNano()-w.begun)*w.speed/1e9, w.total), w.total
}

// screen remembers what it is shown, and when.
type screen struct {
	begun time.Time
	shown []string
}

func (s *screen) Show(lines []string) {
	if at := len(s.shown) - 1; len(lines) == 0 && at >= 0 && !strings.HasSuffix(s.shown[at], ": ") || len(lines) > 0 {
		s.shown = append(s.shown, time.Since(s.begun).String()+": "+strings.Join(lines, "\n"))
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{begun: time.Now()}
		p := StartProgress(s, clockwork{time.Now().UnixNano(), 890e6, 1_900_000_000}, 12)
		wait := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		p.Next("dir/live_cam1_20260115_143022.mp4")
		wait(1100 * time.Millisecond)
		p.Clear()
		wait(time.Second) // somebody reads the results slowly
		p.Next("dir/live_a_stage_with_a_name_of_many_words_20260115_143022-12.flv")
		wait(300 * time.Millisecond)
		p.Stop()
		wait(time.Minute)
		want := []string{
			"500ms: 1 of 12  live_cam1_20260115_143022.mp4  0.4 of 1.9 GB  890 MB/s  0:02 left",
			"750ms: 1 of 12  live_cam1_20260115_143022.mp4  0.7 of 1.9 GB  890 MB/s  0:02 left",
			"1s: 1 of 12  live_cam1_20260115_143022.mp4  0.9 of 1.9 GB  890 MB/s  0:02 left",
			"1.1s: ",
			"2.25s: 2 of 12  live_a_stage_w...5_143022-12.flv  1.9 of 1.9 GB  844 MB/s",
			"2.4s: ",
		}
		if diff := cmp.Diff(want, s.shown); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// Nothing is shown of work that is over in an instant, or where nobody looks.
func TestNoProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{begun: time.Now()}
		p := StartProgress(s, clockwork{time.Now().UnixNano(), 890e6, 1_900_000_000}, 2)
		for range 2 {
			p.Next("a.flv")
			<-time.After(240 * time.Millisecond)
			p.Clear()
		}
		p.Stop()
		if len(s.shown) > 0 {
			t.Errorf("shown: %q", s.shown)
		}
		p = StartProgress(nil, clockwork{}, 1)
		p.Next("a.flv")
		<-time.After(time.Minute)
		p.Clear()
		p.Stop()
	})
}

// The speed is that of the last five seconds: a slow part does not count for long.
func TestProgressSpeed(t *testing.T) {
	p := Progress{samples: []progressSample{{}}}
	now, done := time.Time{}, int64(0)
	speeds := []float64{}
	for i := range 60 {
		if now = now.Add(progressEvery); i < 20 {
			done += 1000
		} else {
			done += 25000
		}
		if speed := p.speed(now, done); i%10 == 9 {
			speeds = append(speeds, speed)
		}
	}
	if want := []float64{4000, 4000, 52000, 100000, 100000, 100000}; !slices.Equal(speeds, want) {
		t.Errorf("speeds %v, want %v", speeds, want)
	}
}

func TestTimeLeft(t *testing.T) {
	for seconds, want := range map[float64]string{
		0.001: "0:01", 1: "0:01", 1.5: "0:02", 59.9: "1:00", 61: "1:01", 3599: "59:59", 3600: "1:00:00", 36061: "10:01:01", 1e30: "1000:00:00",
	} {
		if got := timeLeft(seconds); got != want {
			t.Errorf("%g s: %s, want %s", seconds, got, want)
		}
	}
}
