package monitor

import (
	"flag"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/internal/status"
)

var update = flag.Bool("update", false, "write testdata/metrics.txt anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a server that says what a test tells it to.
type source struct {
	streams []server.Status
	totals  server.Totals
}

func (s *source) Status() []server.Status { return s.streams }
func (s *source) Totals() server.Totals   { return s.totals }

// busy is a server with something to tell of each metric.
func busy(now time.Time) *source {
	return &source{
		streams: []server.Status{
			{Info: live.Info{Name: "live/secret", Live: true, Since: now, Viewers: 4}, Recording: &record.Status{Path: "live_secret.flv"}},
			{Info: live.Info{Name: "live/secret2", Live: true, Since: now, Viewers: 3}},
			{Info: live.Info{Name: "live/secret3", Viewers: 2}},
		},
		totals: server.Totals{
			Connections: 20, Received: 3e6, Sent: 9e6,
			Recordings:    server.Recordings{Waiting: 1, Recording: 2, Finishing: 3, Disabled: 4, Unsynced: now.Add(-1250 * time.Millisecond)},
			ViewerSkipped: 10, RecordingSkipped: 11, RefusedConnections: 12, RefusedPublishers: 13, Disabled: 14, Denied: 15,
			LastFailure: server.Failure{At: now.Add(-time.Hour), Stream: "live/secret", Err: &fs.PathError{Op: "write", Path: "recordings/live_secret.flv", Err: syscall.ENOSPC}},
		},
	}
}

// get asks a handler.
func get(h http.Handler, method, path string) *httptest.ResponseRecorder {
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest(method, path, nil))
	return r
}

// ours are the lines about rtmptool.
func ours(metrics string) (lines string) {
	for line := range strings.Lines(metrics) {
		if strings.Contains(line, "rtmptool_") {
			lines += line
		}
	}
	return lines
}

// TestMetrics holds every name, type and help text, and says nothing of single
// streams.
func TestMetrics(t *testing.T) {
	const golden = "testdata/metrics.txt"
	synctest.Test(t, func(t *testing.T) {
		sampler := status.NewSampler(busy(time.Now()), "")
		got := get(newHandler(sampler, false), "GET", "/metrics")
		text := got.Body.String()
		if got.Code != http.StatusOK || strings.Contains(text, "secret") {
			t.Errorf("code %d, or it names a stream:\n%s", got.Code, text)
		}
		if *update {
			if err := os.WriteFile(golden, []byte(ours(text)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), ours(text)); diff != "" {
			t.Errorf("metrics (-want +got; go test ./internal/monitor -update writes them anew):\n%s", diff)
		}
		for _, other := range []string{"go_goroutines", "go_build_info", "process_start_time_seconds"} {
			if !strings.Contains(text, "\n"+other) {
				t.Errorf("no %s", other)
			}
		}
		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%v, against the conventions: %v", err, problems)
		}
	})
}

// TestMetricsAreDocumented: the document has a row for every metric, with its type,
// and names none that does not exist.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(rtmptool_[a-z_]+)[^`]*` \\| ([a-z]+) \\|").FindAllStringSubmatch(string(text), -1) {
		rows[row[1]] = row[2]
	}
	synctest.Test(t, func(t *testing.T) {
		sampler := status.NewSampler(busy(time.Now()), t.TempDir())
		defer sampler.Stop()
		synctest.Wait()
		types := map[string]string{}
		for _, m := range regexp.MustCompile(`# TYPE (rtmptool_[a-z_]+) ([a-z]+)`).FindAllStringSubmatch(get(newHandler(sampler, false), "GET", "/metrics").Body.String(), -1) {
			types[m[1]] = m[2]
		}
		if diff := cmp.Diff(types, rows); diff != "" {
			t.Errorf("docs/monitoring.md (-exists +documented):\n%s", diff)
		}
	})
	for _, name := range regexp.MustCompile(`rtmptool_[a-z_]+`).FindAllString(string(text), -1) {
		if rows[name] == "" {
			t.Errorf("docs/monitoring.md names %s, which does not exist", name)
		}
	}
}

// TestMetricsOfAnIdleServer: what is not known is absent, all else is 0.
func TestMetricsOfAnIdleServer(t *testing.T) {
	sampler := status.NewSampler(&source{}, "")
	text := ours(get(newHandler(sampler, false), "GET", "/metrics").Body.String())
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, " 0\n") {
			t.Errorf("not 0: %s", line)
		}
	}
	if strings.Contains(text, "disk_free") || !strings.Contains(text, "\nrtmptool_last_error_timestamp_seconds 0\n") {
		t.Errorf("metrics:\n%s", text)
	}
}

// TestDiskFree: the room on the disk of recordings is known soon.
func TestDiskFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sampler := status.NewSampler(&source{}, t.TempDir())
		defer sampler.Stop()
		synctest.Wait()
		text := ours(get(newHandler(sampler, false), "GET", "/metrics").Body.String())
		if !strings.Contains(text, "\nrtmptool_recording_disk_free_bytes ") {
			t.Errorf("metrics:\n%s", text)
		}
	})
}

// TestCollectorIsConsistent: the registry finds nothing that was not described.
func TestCollectorIsConsistent(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(newCollector(status.NewSampler(busy(time.Now()), "")))
	if _, err := r.Gather(); err != nil {
		t.Error(err)
	}
}

func TestHealth(t *testing.T) {
	with := func(change func(*server.Totals)) func(time.Time) *source {
		return func(now time.Time) *source {
			s := busy(now)
			s.totals.Recordings.Disabled, s.totals.LastFailure = 0, server.Failure{}
			change(&s.totals)
			return s
		}
	}
	for _, tt := range []struct {
		name   string
		source func(now time.Time) *source
		code   int
		want   string
	}{
		{"idle", func(time.Time) *source { return &source{} }, 200,
			`{"status":"ok","streams":0,"viewers":0,"recordings":{"waiting":0,"recording":0,"finishing":0,"disabled":0}}`},
		{"ok", with(func(*server.Totals) {}), 200,
			`{"status":"ok","streams":2,"viewers":9,"recordings":{"waiting":1,"recording":2,"finishing":3,"disabled":0}}`},
		{"an error that is over", with(func(s *server.Totals) { s.LastFailure = busy(time.Now()).totals.LastFailure }), 200,
			`{"status":"ok","streams":2,"viewers":9,"recordings":{"waiting":1,"recording":2,"finishing":3,"disabled":0},` +
				`"last_error":{"time":"1999-12-31T23:00:00Z","text":"no space left on device"}}`},
		{"not recording", busy, 200,
			`{"status":"degraded","streams":2,"viewers":9,"recordings":{"waiting":1,"recording":2,"finishing":3,"disabled":4},` +
				`"last_error":{"time":"1999-12-31T23:00:00Z","text":"no space left on device"}}`},
		{"stopping", with(func(s *server.Totals) { s.Stopping = true }), 503,
			`{"status":"stopping","streams":2,"viewers":9,"recordings":{"waiting":1,"recording":2,"finishing":3,"disabled":0}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHandler(status.NewSampler(tt.source(time.Now()), ""), false)
				got := get(h, "GET", "/healthz")
				if diff := cmp.Diff(tt.want+"\n", got.Body.String()); diff != "" || got.Code != tt.code {
					t.Errorf("code %d, want %d; body (-want +got):\n%s", got.Code, tt.code, diff)
				}
				if h := got.Header(); h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" {
					t.Errorf("header %v", h)
				}
			})
		})
	}
}

// TestPaths: there is nothing but what was asked for.
func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		method, path    string
		code, withDebug int
	}{
		{"GET", "/healthz", 200, 200},
		{"HEAD", "/healthz", 200, 200},
		{"POST", "/healthz", 405, 405},
		{"GET", "/metrics", 200, 200},
		{"DELETE", "/metrics", 405, 405},
		{"GET", "/", 404, 404},
		{"GET", "/healthz/x", 404, 404},
		{"GET", "/debug/vars", 404, 404},
		{"GET", "/debug/pprof/", 404, 200},
		{"GET", "/debug/pprof/heap", 404, 200},
		{"GET", "/debug/pprof/goroutine?debug=1", 404, 200},
		{"GET", "/debug/pprof/cmdline", 404, 200},
		{"GET", "/debug/pprof/trace?seconds=0.01", 404, 200},
		{"POST", "/debug/pprof/symbol", 404, 200},
	} {
		for debug, want := range map[bool]int{false: tt.code, true: tt.withDebug} {
			h := newHandler(status.NewSampler(&source{}, ""), debug)
			if got := get(h, tt.method, tt.path); got.Code != want {
				t.Errorf("%s %s, debug %v: %d, want %d", tt.method, tt.path, debug, got.Code, want)
			}
		}
	}
}
