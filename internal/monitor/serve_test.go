package monitor

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/internal/status"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// sickFile is a recording on a disk that takes no more writes after a while.
type sickFile struct {
	record.File
	path string
	sick *atomic.Bool
}

func (f *sickFile) WriteAt(b []byte, offset int64) (int, error) {
	if f.sick.Load() {
		return 0, &fs.PathError{Op: "write", Path: f.path, Err: syscall.EIO}
	}
	return f.File.WriteAt(b, offset)
}

// publisher sends a stream.
type publisher struct {
	*rtmp.Client
	at uint32 // ms
}

func publish(t *testing.T, address, name string) *publisher {
	t.Helper()
	target, err := rtmp.ParseAddress("rtmp://" + address + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	conn := dial(t, address)
	p := &publisher{Client: rtmp.NewClient(rtmp.NewConn(conn, conn), target)}
	if err := p.Publish(); err != nil {
		t.Fatal(err)
	}
	return p
}

// frame sends a keyframe.
func (p *publisher) frame(t *testing.T) {
	t.Helper()
	p.at += 40
	err := p.WriteMessages(rtmp.Message{Type: rtmp.TypeVideo, StreamID: p.StreamID, Timestamp: p.at, Body: []byte("\x17\x01\x00\x00\x00\x00\x00\x00\x02\x65k")})
	if err != nil {
		t.Fatal(err)
	}
}

// watched is a server that records, and what machines are told of it.
type watched struct {
	t       *testing.T
	address string // RTMP
	url     string
	path    string // of the status file
	file    *status.File
	stop    func()     // begins to end the server
	ended   chan error // of Run
}

// watch starts a server with all that tells machines something.
func watch(t *testing.T, c record.Config) *watched {
	t.Helper()
	c.Logger = zerolog.Nop()
	s := server.New(server.Config{Listen: []string{"127.0.0.1:0"}, Record: &c, Logger: zerolog.Nop()})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	sampler := status.NewSampler(s, c.Dir)
	t.Cleanup(sampler.Stop)
	t.Cleanup(Start(l, sampler, false, zerolog.Nop()).Stop)
	path := filepath.Join(t.TempDir(), "status.json")
	w := &watched{t: t, address: s.Addresses()[0].String(), url: "http://" + l.Addr().String(), path: path,
		file: status.WriteFile(path, sampler, zerolog.Nop()), stop: stop, ended: ended}
	await(t, "the status file is there", func() bool { _, err := os.Stat(path); return err == nil })
	return w
}

// TestDiskError: an error of the disk is told by all that tells machines something,
// while the other recording goes on, and after its stream is over.
func TestDiskError(t *testing.T) {
	var sick atomic.Bool
	disk := record.Config{Dir: t.TempDir(), SyncEvery: 10 * time.Millisecond}
	disk.Create = func(stream string, at time.Time, ext string) (record.File, string, error) {
		f, path, err := (&record.Config{Dir: disk.Dir}).CreateFile(stream, at, ext)
		if err != nil || stream == "live/well" {
			return f, path, err
		}
		return &sickFile{f, path, &sick}, path, nil
	}
	w := watch(t, disk)
	bad, well := publish(t, w.address, "live/bad"), publish(t, w.address, "live/well")
	frames := func() { bad.frame(t); well.frame(t) }
	await(t, "both are recorded", func() bool {
		frames()
		return strings.Contains(w.metrics(), `rtmptool_recordings{state="recording"} 2`)
	})
	if _, health := w.get("/healthz"); !strings.HasPrefix(health, `{"status":"ok"`) {
		t.Errorf("health before the error: %s", health)
	}
	began := time.Now()
	sick.Store(true)
	await(t, "the metrics tell of the error", func() bool {
		frames()
		return strings.Contains(w.metrics(), `rtmptool_recordings{state="disabled"} 1`)
	})
	metrics := w.metrics()
	for _, want := range []string{`rtmptool_recordings{state="recording"} 1`, "rtmptool_recordings_disabled_total 1", "rtmptool_streams 2", "rtmptool_last_error_timestamp_seconds 1."} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in:\n%s", want, metrics)
		}
	}
	if code, health := w.get("/healthz"); code != 200 || !strings.HasPrefix(health, `{"status":"degraded"`) ||
		!strings.Contains(health, `"text":"input/output error"`) || strings.Contains(health, "bad") {
		t.Errorf("health: %d %s", code, health)
	}
	await(t, "the status file tells of the error", func() bool {
		frames()
		f := w.read()
		return f.states() == "bad disabled (input/output error), well recording ()" && f.LastError.Stream == "live/bad" &&
			f.LastError.Text == "input/output error" && !f.LastError.Time.Before(began.Truncate(time.Millisecond))
	})

	w.stop()
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
	if code, health := w.get("/healthz"); code != 503 || !strings.HasPrefix(health, `{"status":"stopping","streams":0`) || !strings.Contains(health, "input/output error") {
		t.Errorf("health at the end: %d %s", code, health)
	}
	w.file.Stop()
	if f := w.read(); f.State != "stopped" || f.states() != "" || f.LastError.Text != "input/output error" || f.Totals.Disabled != 1 {
		t.Errorf("the status file at the end: %+v", f)
	}
	if entries, err := os.ReadDir(filepath.Dir(w.path)); err != nil || len(entries) != 1 {
		t.Errorf("beside the status file: %v, %v", entries, err)
	}
}

// TestStopping: machines are answered while recordings are finished.
func TestStopping(t *testing.T) {
	release := make(chan struct{})
	disk := record.Config{Dir: t.TempDir()}
	disk.Create = func(stream string, at time.Time, ext string) (record.File, string, error) {
		<-release
		return (&record.Config{Dir: disk.Dir}).CreateFile(stream, at, ext)
	}
	w := watch(t, disk)
	publish(t, w.address, "live/slow").frame(t)
	await(t, "the recording waits for the disk", func() bool { return strings.Contains(w.metrics(), `rtmptool_recordings{state="waiting"} 1`) })
	w.stop()
	await(t, "health tells of it", func() bool {
		code, health := w.get("/healthz")
		return code == 503 && strings.HasPrefix(health, `{"status":"stopping","streams":0`) && strings.Contains(health, `"finishing":1`)
	})
	await(t, "the status file tells of it", func() bool { f := w.read(); return f.State == "stopping" && f.Totals.Recordings.Finishing == 1 })
	close(release)
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
	if metrics := w.metrics(); !strings.Contains(metrics, `rtmptool_recordings{state="finishing"} 0`) {
		t.Errorf("metrics at the end:\n%s", metrics)
	}
	w.file.Stop()
}

func (w *watched) get(path string) (code int, body string) {
	w.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(w.url + path)
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (w *watched) metrics() string {
	w.t.Helper()
	_, text := w.get("/metrics")
	return text
}

// statusFile is some of a status file.
type statusFile struct {
	State   string
	Streams []struct {
		Name      string
		Recording struct{ State, Error string }
	}
	Totals struct {
		Recordings struct{ Finishing int }
		Disabled   int `json:"disabled_recordings"`
	}
	LastError struct {
		Time         time.Time
		Stream, Text string
	} `json:"last_error"`
}

func (w *watched) read() (f statusFile) {
	w.t.Helper()
	text, err := os.ReadFile(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (f *statusFile) states() string {
	var all []string
	for _, s := range f.Streams {
		all = append(all, strings.TrimPrefix(s.Name, "live/")+" "+s.Recording.State+" ("+s.Recording.Error+")")
	}
	return strings.Join(all, ", ")
}
