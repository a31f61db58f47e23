package monitor

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/status"
)

// patience bounds every wait. No test comes near it unless it fails.
const patience = 30 * time.Second

// start starts a server and returns it with its address.
func start(t *testing.T, src status.Source, debug bool) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return Start(l, status.NewSampler(src, ""), debug, zerolog.Nop()), l.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// ask asks over a connection that is kept.
func ask(t *testing.T, conn net.Conn, path string) (code int) {
	t.Helper()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	var line string
	for b := make([]byte, 1); !strings.HasSuffix(line, "}\n"); line += string(b) {
		if _, err := conn.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = fmt.Sscanf(line, "HTTP/1.1 %d", &code)
	return code
}

// closed tells whether the other side closes a connection.
func closed(conn net.Conn) bool {
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

// within fails if something takes too long.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s takes too long", what)
	}
}

// await waits until a state is reached.
func await(t *testing.T, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !reached(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not reached: %s", what)
		}
	}
}

// TestStop: whatever connections do, nothing of them is left afterwards.
func TestStop(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, conn net.Conn)
	}{
		{"silent", func(*testing.T, net.Conn) {}},
		{"idle", func(t *testing.T, conn net.Conn) {
			if code := ask(t, conn, "/healthz"); code != 200 {
				t.Errorf("code %d", code)
			}
		}},
		{"half a request", func(_ *testing.T, conn net.Conn) { _, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHo") }},
		{"no HTTP", func(_ *testing.T, conn net.Conn) { _, _ = conn.Write([]byte{3, 0, 0, 0}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, address := start(t, &source{}, false)
			conn := dial(t, address)
			tt.make(t, conn)
			within(t, "Stop", s.Stop)
			if !closed(conn) {
				t.Error("the connection is open")
			}
			if conn, err := net.Dial("tcp", address); err == nil {
				_ = conn.Close()
				t.Error("it still listens")
			}
		})
	}
}

// TestStopDuringRequest: a profile of minutes ends with the server, and so does an
// answer that nobody reads.
func TestStopDuringRequest(t *testing.T) {
	profiles := newHandler(status.NewSampler(&source{}, ""), true)
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for b := make([]byte, 1<<20); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	})
	for path, handler := range map[string]http.Handler{
		"/debug/pprof/profile?seconds=600": profiles,
		"/debug/pprof/trace?seconds=600":   profiles,
		"/debug/pprof/heap?seconds=600":    profiles,
		"/endless":                         endless,
	} {
		t.Run(path, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			entered, left := make(chan struct{}), make(chan struct{})
			s := serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(left)
				close(entered)
				handler.ServeHTTP(w, r)
			}), zerolog.Nop())
			conn := dial(t, l.Addr().String())
			if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
				t.Fatal(err)
			}
			<-entered
			within(t, "Stop", s.Stop)
			select {
			case <-left:
			default:
				t.Error("Stop has returned, the request goes on")
			}
			if !closed(conn) {
				t.Error("the connection is open")
			}
		})
	}
}

// TestConnectionLimit: one too many is closed, and there is room again when
// another one ends.
func TestConnectionLimit(t *testing.T) {
	s, address := start(t, &source{}, false)
	defer s.Stop()
	var conns []net.Conn
	for range maxConnections {
		conn := dial(t, address)
		ask(t, conn, "/healthz")
		conns = append(conns, conn)
	}
	if !closed(dial(t, address)) {
		t.Error("a connection too many is open")
	}
	ask(t, conns[0], "/healthz")
	_ = conns[1].Close()
	await(t, "room for another connection", func() bool { return s.open.Load() < maxConnections })
	ask(t, dial(t, address), "/healthz")
}

// TestLongHeader: what nobody needs is refused.
func TestLongHeader(t *testing.T) {
	s, address := start(t, &source{}, false)
	defer s.Stop()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 10*maxHeader))
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err == nil {
		_ = response.Body.Close()
		if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("code %d", response.StatusCode)
		}
	}
}
