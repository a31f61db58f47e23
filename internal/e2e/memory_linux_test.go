package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rtmptool/rtmptool/internal/certtest"
	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

const (
	idleConnections   = 10_000
	secureConnections = 2000
	idleCost          = 40 << 10 // bytes of the server's memory for each, at most
	dialers           = 16       // at once: what a server needs while it answers is not idle
)

// Connections that do nothing cost little, however far they have come. The memory of
// the kernel for their sockets is not the server's.
func TestIdleConnections(t *testing.T) {
	allowFiles(t, idleConnections+2000) // the server keeps some for recordings
	idle(t, idleConnections, plain)
}

// So do those with TLS, of which a test cannot have as many in a short time.
func TestIdleSecureConnections(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate, private := certtest.New(t)
	write(t, cert, certificate)
	write(t, key, private)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificate)
	over := func(conn net.Conn) net.Conn {
		return tls.Client(conn, &tls.Config{RootCAs: trusted, ServerName: "127.0.0.1"})
	}
	idle(t, secureConnections, over, "--listen-tls", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
}

func idle(t *testing.T, n int, over func(net.Conn) net.Conn, args ...string) {
	if underRace() {
		t.Skip("the race detector multiplies memory")
	}
	s := serve(t, append(args, "--max-connections", strconv.Itoa(n), "--handshake-timeout", "10m", "--setup-timeout", "10m", "--read-timeout", "10m")...)
	memory, files := s.memory(), s.files()
	clients := s.dialMany(t, n, over)
	await(t, "all connections to be accepted", func() bool { return s.files() >= files+n })
	for _, stage := range []struct {
		name  string
		reach func(*client) error
	}{
		{"connected to the port", func(*client) error { return nil }},
		{"after the handshake", (*client).Connect},
		{"after connect", (*client).connectApp},
		{"waiting for a publisher", (*client).playNothing},
	} {
		each(t, clients, stage.reach)
		cost := (s.memory() - memory) / n
		t.Logf("%s: %d bytes for each of %d connections", stage.name, cost, n)
		if cost > idleCost {
			t.Errorf("%s: a connection costs %d bytes, at most %d are allowed", stage.name, cost, idleCost)
		}
	}
}

// allowFiles makes sure that this process, and a server that it starts, may open so
// many files and sockets.
func allowFiles(t *testing.T, n uint64) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= n {
		return // Go has raised it as far as it may
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: max(n, limit.Max)}); err != nil {
		t.Fatalf("at most %d files may be open, the test needs %d: raise the hard limit (ulimit -Hn): %v", limit.Max, n, err)
	}
}

// What a publisher declares costs next to nothing before its bytes arrive.
func TestDeclaredMemory(t *testing.T) {
	if underRace() {
		t.Skip("the race detector multiplies memory")
	}
	const connections, limit = 64, 1 << 20 // bytes for each
	var many []byte
	for csid := byte(4); csid < 64; csid++ { // the commands have 3
		many = append(append(many, declared(csid, rtmp.TypeVideo, 1<<24-1)...), make([]byte, 128)...)
	}
	chunkSize := append(declared(2, rtmp.TypeSetChunkSize, 4), 0x7f, 0xff, 0xff, 0xff)
	window := append(declared(2, rtmp.TypeWindowAckSize, 4), 0, 0, 0, 1)
	const untilAck = 16 << 10
	command := func(value ...byte) []byte {
		return rtmp.AppendMessage(nil, rtmp.Message{Type: rtmp.TypeCommandAMF0, Body: append(amf.Append(nil, "x", 0.0, nil), value...)}, 128)
	}
	for _, tt := range []struct {
		name   string
		sends  []byte
		answer func(*client) error // that comes when the server has read it
	}{
		{"a message of 16 MiB", append(declared(6, rtmp.TypeVideo, 1<<24-1), make([]byte, 128)...), (*client).fence},
		{"60 messages of 16 MiB", many, (*client).fence},
		{"a chunk of 2 GiB", chunkSize, (*client).fence},
		{"a chunk of 2 GiB and a message of 16 MiB", slices.Concat(window, chunkSize, declared(6, rtmp.TypeVideo, 1<<24-1), make([]byte, untilAck)), (*client).awaitAck},
		{"a long string of 4 GiB", command(0x0c, 0xff, 0xff, 0xff, 0xff, 'a'), (*client).fence},
		{"a strict array of 4 Gi values", command(0x0a, 0xff, 0xff, 0xff, 0xff, 5), (*client).fence},
		{"an AMF3 byte array of 256 MiB", command(0x11, 0x0c, 0xff, 0xff, 0xff, 0xff, 'a'), (*client).fence},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t)
			clients := s.dialMany(t, connections, plain)
			each(t, clients, (*client).Connect)
			each(t, clients, (*client).connectApp)
			each(t, clients, (*client).publishSomething)
			before := s.memory()
			each(t, clients, func(c *client) error {
				if _, err := c.socket.Write(tt.sends); err != nil {
					return err
				}
				return tt.answer(c)
			})
			cost := (s.memory() - before) / connections
			t.Logf("%s declared: %d bytes for each of %d connections", tt.name, cost, connections)
			if cost >= limit {
				t.Errorf("each takes %d bytes, fewer than %d are allowed", cost, limit)
			}
		})
	}
}

// declared is the header of a message, whose body need not follow.
func declared(csid, kind byte, length int) []byte {
	return []byte{csid, 0, 0, 0, byte(length >> 16), byte(length >> 8), byte(length), kind, 1, 0, 0, 0}
}

// client is one of many connections to a server.
type client struct {
	*rtmp.Conn
	socket net.Conn
}

func plain(conn net.Conn) net.Conn { return conn }

// dialMany opens connections to the last address of a server, which are closed at the
// end of the test.
func (s *server) dialMany(t *testing.T, n int, over func(net.Conn) net.Conn) []*client {
	t.Helper()
	urls := s.await("ready", "")["publish"].([]any)
	_, address, _ := strings.Cut(urls[len(urls)-1].(string), "://")
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = &client{}
	}
	t.Cleanup(func() {
		for _, c := range clients {
			if c.socket != nil {
				c.socket.Close()
			}
		}
	})
	each(t, clients, func(c *client) error {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		conn.SetDeadline(time.Now().Add(patience))
		peer := over(conn)
		*c = client{rtmp.NewConn(peer, peer), conn}
		return nil
	})
	return clients
}

// each does something with all clients, some at once.
func each(t *testing.T, clients []*client, do func(*client) error) {
	t.Helper()
	var working sync.WaitGroup
	for w := range dialers {
		working.Go(func() {
			for i := w; i < len(clients); i += dialers {
				if err := do(clients[i]); err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	working.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// call sends a command and waits for a command in return.
func (c *client) call(streamID uint32, cmd rtmp.Command) error {
	if err := c.WriteMessages(cmd.Message(streamID)); err != nil {
		return err
	}
	for {
		m, err := c.ReadMessage()
		if err != nil || m.Type == rtmp.TypeCommandAMF0 {
			return err
		}
	}
}

func (c *client) connectApp() error {
	return c.call(0, rtmp.Command{Name: "connect", Transaction: 1, Object: amf.Object{{Key: "app", Value: "live"}}})
}

func (c *client) playNothing() error {
	return c.call(1, rtmp.Command{Name: "play", Args: []any{"nothing"}})
}

func (c *client) publishSomething() error {
	return c.call(1, rtmp.Command{Name: "publish", Args: []any{c.socket.LocalAddr().String()}})
}

// fence returns when the server has read all before it.
func (c *client) fence() error {
	return c.call(0, rtmp.Command{Name: "fence", Transaction: 9})
}

// awaitAck is a fence within a chunk.
func (c *client) awaitAck() error {
	for {
		m, err := c.ReadMessage()
		if err != nil || m.Type == rtmp.TypeAck {
			return err
		}
	}
}

// memory is how much of it the server has, in bytes.
func (s *server) memory() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, resident, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(resident, &kib); err != nil {
		s.t.Fatalf("%v in %s", err, status)
	}
	return kib << 10
}

// files is how many files and sockets the server has open.
func (s *server) files() int {
	s.t.Helper()
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid), "fd"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(open)
}
