//go:build unix

package status

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/internal/server"
)

// manager is the service manager's end of the socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &manager{t, conn}
}

// next returns the next message.
func (m *manager) next() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := m.conn.Read(b)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

// await passes over messages until one is as wanted.
func (m *manager) await(want string) {
	m.t.Helper()
	for range 1000 {
		if m.next() == want {
			return
		}
	}
	m.t.Fatalf("no message is %q", want)
}

// expect fails unless the next message is as wanted.
func (m *manager) expect(want string) {
	m.t.Helper()
	if diff := cmp.Diff(want, m.next()); diff != "" {
		m.t.Fatalf("message (-want +got):\n%s", diff)
	}
}

// send puts a message of the test's own behind those that were sent.
func (m *manager) send(text string) {
	m.t.Helper()
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(text)); err != nil {
		m.t.Fatal(err)
	}
}

func watchdog(t *testing.T, every time.Duration) {
	t.Setenv("WATCHDOG_USEC", strconv.FormatInt(every.Microseconds(), 10))
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
}

// TestNotify: ready, streams, alive even while it stops, and then silence.
func TestNotify(t *testing.T) {
	m := newManager(t)
	watchdog(t, 20*time.Millisecond)
	src := &source{}
	ctx, cancel := context.WithCancel(t.Context())
	stop := Notify(ctx, NewSampler(src, ""), 13*time.Second, zerolog.Nop())
	m.expect("READY=1\nSTATUS=0 publishers, 0 recording")
	m.expect("STATUS=0 publishers, 0 recording\nWATCHDOG=1")
	src.set(stream(time.Now(), 1))
	m.await("STATUS=1 publisher, 0 recording\nWATCHDOG=1")
	cancel()
	m.await("STOPPING=1\nEXTEND_TIMEOUT_USEC=13000000\nSTATUS=finishing recordings")
	for range 3 {
		m.expect("WATCHDOG=1")
	}
	stop()
	m.send("last")
	m.await("last") // after what was sent before stop; nothing comes from now on
}

// gate is a server that gives its state when it is let.
type gate struct{ asked, open chan struct{} }

func newGate() *gate { return &gate{make(chan struct{}, 1000), make(chan struct{}, 1000)} }

func (g *gate) Status() []server.Status {
	g.asked <- struct{}{}
	<-g.open
	return nil
}

func (g *gate) Totals() server.Totals { return server.Totals{} }

// TestNotifyHungServer: a server that hangs does not feed the watchdog.
func TestNotifyHungServer(t *testing.T) {
	m := newManager(t)
	watchdog(t, 20*time.Millisecond)
	g := newGate()
	g.open <- struct{}{}
	stop := Notify(t.Context(), NewSampler(g, ""), 0, zerolog.Nop())
	<-g.asked
	m.expect("READY=1\nSTATUS=0 publishers, 0 recording")
	<-g.asked
	m.send("hung")
	m.expect("hung")
	close(g.open)
	m.expect("STATUS=0 publishers, 0 recording\nWATCHDOG=1")
	stop()
}

// TestNotifyWithoutWatchdog: who has no watchdog is told the streams alone.
func TestNotifyWithoutWatchdog(t *testing.T) {
	m := newManager(t)
	n := &notifier{sampler: NewSampler(&source{}, "")}
	n.alive(false)
	m.expect("STATUS=0 publishers, 0 recording")
	n.alive(true) // there is nothing new while it stops
	m.send("last")
	m.expect("last")
}

// TestNotifyNobody: without a socket nothing runs, with one that is gone serve says
// so once.
func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	Notify(t.Context(), nil, 0, zerolog.Nop())() // asks no source

	m := newManager(t)
	watchdog(t, 20*time.Millisecond)
	var log writes
	g := newGate()
	close(g.open)
	stop := Notify(t.Context(), NewSampler(g, ""), 0, zerolog.New(&log))
	m.next()
	if err := os.Remove(os.Getenv("NOTIFY_SOCKET")); err != nil {
		t.Fatal(err)
	}
	for len(g.asked) > 0 { // before the socket was removed
		<-g.asked
	}
	for range 4 {
		<-g.asked
	}
	stop()
	if len(log) != 1 || !strings.Contains(log[0], "cannot tell the service manager how serve is doing") {
		t.Errorf("log: %q", log)
	}
}

func TestSummary(t *testing.T) {
	recording := Stream{Status: server.Status{Info: live.Info{Live: true}, Recording: &record.Status{Path: "x.flv"}}}
	waiting := Stream{Status: server.Status{Info: live.Info{Viewers: 1}}}
	early := Stream{Status: server.Status{Info: live.Info{Live: true}, Recording: &record.Status{}}} // no keyframe yet
	failed := Stream{Status: server.Status{Info: live.Info{Live: true}, Recording: &record.Status{Path: "x.flv", Err: errors.New("disk")}}}
	for want, streams := range map[string][]Stream{
		"0 publishers, 0 recording":                 nil,
		"1 publisher, 1 recording":                  {recording, waiting},
		"3 publishers, 2 recording":                 {recording, early, recording},
		"3 publishers, 1 recording, 1 NOT RECORDED": {failed, recording, early},
	} {
		if got := summary(streams); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
