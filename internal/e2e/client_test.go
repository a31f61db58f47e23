package e2e

import (
	"crypto/md5"
	"encoding/hex"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// connection is a connection of a test, in the role of a publisher or viewer.
type connection struct {
	*rtmp.Client
	socket net.Conn
}

func connect(t testing.TB, url string) connection {
	t.Helper()
	address, err := rtmp.ParseAddress(url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return connection{rtmp.NewClient(rtmp.NewConn(conn, conn), address), conn}
}

func drain(c connection) {
	for {
		if _, err := c.ReadMessage(); err != nil {
			return
		}
	}
}

// sendMessages publishes messages, and leaves when the server has read them all.
func (s *server) sendMessages(name string, messages []rtmp.Message) {
	s.t.Helper()
	check := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	client := connect(s.t, s.URL+"/"+name)
	check(client.socket.SetDeadline(time.Now().Add(patience)))
	check(client.Publish())
	for _, m := range messages {
		m.StreamID = client.StreamID
		check(client.WriteMessages(m))
	}
	const last = 99
	check(client.WriteMessages(rtmp.Command{Name: "_checkbw", Transaction: last}.Message(0)))
	for answered := false; !answered; {
		m, err := client.ReadMessage()
		check(err)
		command, _ := rtmp.ParseCommand(m)
		answered = m.Type == rtmp.TypeCommandAMF0 && command.Transaction == last
	}
	check(client.socket.Close())
}

// onlooker is a viewer that remembers the last frame of the stream.
type onlooker struct {
	mu    sync.Mutex
	last  string        // its hash, as peers.Packet has it
	ended chan struct{} // closed when the server has let go of it
}

// look watches a stream.
func (s *server) look(name string) *onlooker {
	s.t.Helper()
	client := connect(s.t, s.URL+"/"+name)
	if err := client.Play(); err != nil {
		s.t.Fatal(err)
	}
	o := &onlooker{ended: make(chan struct{})}
	go func() {
		defer close(o.ended)
		for {
			m, err := client.ReadMessage()
			if err != nil {
				return
			}
			if p, err := flv.Parse(m.Type, m.Body); err == nil && p.Kind == media.Video && p.Role == media.Frame {
				for sample := range flv.Samples(p) {
					sum := md5.Sum(sample.Data)
					o.mu.Lock()
					o.last = hex.EncodeToString(sum[:])
					o.mu.Unlock()
				}
			}
		}
	}()
	return o
}

// newest is the last frame that it has seen, or "".
func (o *onlooker) newest() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}
