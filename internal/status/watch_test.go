package status

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/pkg/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a server that says what a test tells it to.
type source struct {
	mu      sync.Mutex
	streams []server.Status
	totals  server.Totals
}

func (s *source) Totals() server.Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totals
}

func (s *source) Status() []server.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]server.Status(nil), s.streams...)
}

func (s *source) set(streams ...server.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = streams
}

// stream is live/main that has received some bytes.
func stream(since time.Time, bytes uint64) server.Status {
	return server.Status{Info: live.Info{Name: "live/main", Live: true, Since: since, Video: media.H264, Bytes: bytes}}
}

// TestWatchTerminal: a line a second, and none at the end.
func TestWatchTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out writes
		src := &source{}
		w := Watch(NewSampler(src, ""), NewScreen(&out, true), zerolog.Nop())
		second := func() {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		second()
		begin := time.Now()
		src.set(stream(begin, 0))
		for i := range 3 {
			src.set(stream(begin, uint64(i+1)*250_000))
			second()
		}
		src.set(server.Status{Info: live.Info{Name: "live/main", Viewers: 1}})
		second()
		begin = time.Now()
		src.set(stream(begin, 125_000)) // begins anew
		second()
		src.set()
		second()
		w.Stop()
		up := "\x1b[1A\r\x1b[J"
		line := func(text string) string { return noWrap + text + "\n" + wrap }
		want := writes{
			fresh + line("LIVE live/main h264 00:00:01 2.0 Mbit/s 0 viewers"),
			up + line("LIVE live/main h264 00:00:02 2.0 Mbit/s 0 viewers"),
			up + line("LIVE live/main h264 00:00:03 2.0 Mbit/s 0 viewers"),
			up + line("WAIT live/main 1 viewer"),
			up + line("LIVE live/main h264 00:00:01 1.0 Mbit/s 0 viewers"),
			up,
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
	})
}

// TestWatchLog: off a terminal there is a log line a minute and stream.
func TestWatchLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out writes
		var log writes
		other := server.Status{Info: live.Info{Name: "live/other", Viewers: 1}}
		src := &source{}
		begin := time.Now()
		w := Watch(NewSampler(src, ""), NewScreen(&out, false), zerolog.New(&log))
		for i := range 125 {
			src.set(stream(begin, uint64(i+1)*250_000), other)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		w.Stop()
		line := func(elapsed string) string {
			return fmt.Sprintf(`{"level":"info","stream":"live/main","live":true,"viewers":0,"codecs":"h264","elapsed":"%s","mbit_s":2,"message":"status"}`+"\n", elapsed)
		}
		waiting := `{"level":"info","stream":"live/other","live":false,"viewers":1,"message":"status"}` + "\n"
		want := writes{line("00:01:00"), waiting, line("00:02:00"), waiting}
		if diff := cmp.Diff(want, log); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		if len(out) > 0 {
			t.Errorf("written past the log: %q", out)
		}
	})
}
