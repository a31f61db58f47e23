package status

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/pkg/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// source is a server for the watcher.
type source struct {
	mu      sync.Mutex
	streams []server.Status
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
		w := Watch(src, NewScreen(&out, true), zerolog.Nop(), t.TempDir())
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
		w := Watch(src, NewScreen(&out, false), zerolog.New(&log), t.TempDir())
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

// TestDiskLeft: all recordings together fill the disk; without one nothing is
// said.
func TestDiskLeft(t *testing.T) {
	begin := time.Now()
	dir := t.TempDir()
	src := &source{}
	recorded := func(name string, bytes uint64) server.Status {
		st := stream(begin, bytes)
		st.Name, st.Recording = name, &record.Status{Path: "x.flv"}
		return st
	}
	left := func(streams ...server.Status) []time.Duration {
		src.set(streams...)
		w := &Watcher{source: src, recordDir: dir, rates: make(map[string]*meter)}
		var all []time.Duration
		for _, l := range w.lines(begin.Add(time.Second)) {
			all = append(all, l.DiskLeft)
		}
		return all
	}
	if got := left(stream(begin, 1e6)); got[0] != 0 {
		t.Errorf("%v without a recording", got)
	}
	one, two := left(recorded("a", 1e9)), left(recorded("a", 1e9), recorded("b", 1e9))
	if one[0] <= 0 || two[0] != two[1] || two[0] < one[0]*4/10 || two[0] > one[0]*6/10 {
		t.Errorf("%v for one, %v for two", one, two)
	}
	if got := left(recorded("a", 1)); got[0] <= 0 || got[0] > maxDiskLeft {
		t.Errorf("%v at a byte a second", got)
	}
	dir = "/does/not/exist"
	if got := left(recorded("a", 1e9)); got[0] != 0 {
		t.Errorf("%v of no disk", got)
	}
}

// TestRatesAreForgotten: a stream that is gone leaves nothing.
func TestRatesAreForgotten(t *testing.T) {
	src := &source{}
	w := &Watcher{source: src, rates: make(map[string]*meter)}
	for i := range 100 {
		st := stream(time.Now(), 1)
		st.Name = strings.Repeat("x", i)
		src.set(st)
		w.lines(time.Now())
	}
	if len(w.rates) != 1 {
		t.Errorf("%d meters", len(w.rates))
	}
}
