package record

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/flv"
)

// Whatever has come is written within 40 ms; at most every 30 ms, and as often on average if it is
// read at ticks.
func TestFlushTiming(t *testing.T) {
	mix := func(video, audio, duration time.Duration) func(f *feed) {
		return func(f *feed) {
			nextVideo, nextAudio := time.Duration(0), time.Duration(0)
			for f.at < duration {
				if f.at >= nextVideo && video > 0 {
					if nextVideo%(2*time.Second) < video {
						f.key()
					} else {
						f.inter()
					}
					nextVideo += video
				}
				if f.at >= nextAudio && audio > 0 {
					f.audio()
					nextAudio += audio
				}
				f.wait(ms)
			}
		}
	}
	const aac = 1024 * time.Second / 44100
	for _, tt := range []struct {
		name string
		send func(f *feed)
	}{
		{"30 fps and audio", mix(time.Second/30, aac, 5*time.Second)},
		{"25 fps and audio", mix(time.Second/25, aac, 5*time.Second)},
		{"24 fps and audio", mix(time.Second/24, aac, 5*time.Second)},
		{"15 fps and audio", mix(time.Second/15, aac, 5*time.Second)},
		{"15 fps and short audio", mix(time.Second/15, 5*ms, 5*time.Second)},
		{"60 fps", mix(time.Second/60, 0, 5*time.Second)},
		{"60 fps and audio", mix(time.Second/60, aac, 5*time.Second)},
		{"1 fps and audio", mix(time.Second, aac, 5*time.Second)},
		{"audio only", mix(0, aac, 5*time.Second)},
		{"one frame, then silence", func(f *feed) {
			f.key()
			f.wait(10 * time.Second)
			f.inter()
			f.wait(10 * ms)
			f.inter()
			f.wait(10 * time.Second)
		}},
		{"frames, then one audio", func(f *feed) {
			f.key()
			for range 60 {
				f.wait(17 * ms)
				f.inter()
			}
			f.wait(ms)
			f.audio()
			f.wait(10 * time.Second)
		}},
		{"jitter", func(f *feed) {
			f.key()
			for i := range 1000 {
				f.wait(time.Duration(i*i%67) * ms)
				if i%3 == 0 {
					f.audio()
				} else {
					f.inter()
				}
			}
		}},
	} {
		// Also while the publisher is read at ticks only, or when so many packets wait.
		for _, early := range []int{0, 5, 2, 100} {
			t.Run(fmt.Sprintf("%s, %d wait", tt.name, early), func(t *testing.T) { flushTiming(t, early, tt.send) })
		}
	}
}

func flushTiming(t *testing.T, early int, send func(f *feed)) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDisk{}
		s := record(t, d, live.NewRegistry(live.Config{}))
		s.early = early
		send(s.feed)
		s.wait(time.Second)
		synctest.Wait()
		writes := d.files[0].writes()
		began := writes[0].at
		for i, w := range writes {
			if i > 0 && early == 0 && w.at.Sub(writes[i-1].at) < flushEvery {
				t.Fatalf("write %d comes %s after the one before it", i, w.at.Sub(writes[i-1].at))
			}
		}
		if most := int(time.Since(began) / flushEvery); len(writes) > most {
			t.Errorf("%d writes, want at most %d", len(writes), most)
		}
		all := tags(t, d.files[0].bytes())
		if len(all) != len(s.sent) {
			t.Fatalf("%d of %d packets are written", len(all), len(s.sent))
		}
		i, worst := 0, time.Duration(0)
		for n, x := range all {
			if x.body != string(s.sent[n].Body) {
				t.Fatalf("tag %d is not the packet that was sent then", n)
			}
			for x.offset >= writes[i].offset+int64(writes[i].size) {
				i++
			}
			came := s.came[n]
			if came.Before(began) {
				continue // before there was a file
			}
			worst = max(worst, writes[i].at.Sub(came))
		}
		if worst > 40*ms {
			t.Errorf("a packet waited for %s", worst)
		}
		t.Logf("%d packets in %d writes, the longest wait %s", len(all), len(writes), worst)
		s.end()
	})
}

// A recorder that catches up writes in steps, not all that it missed at once.
func TestCatchUpInSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := &testDisk{hook: func(n int, op operation) (int, error) {
			if n == 2 {
				<-release
			}
			return 0, nil
		}}
		s := record(t, d, live.NewRegistry(live.Config{}))
		s.key()
		s.wait(time.Second)
		body := append(unhex("27 01 000000"), make([]byte, 100<<10)...)
		for range 100 {
			s.send(flv.TagVideo, body)
			s.wait(33 * ms)
		}
		close(release)
		s.end()
		for _, op := range d.files[0].writes() {
			if op.size > 2*flushBytes {
				t.Errorf("a write of %d bytes", op.size)
			}
		}
		if s.Disabled() || s.Status().Skipped > 0 {
			t.Errorf("status %+v", s.Status())
		}
		wantTags(t, d.files[0].bytes(), 0, s.sent...)
	})
}
