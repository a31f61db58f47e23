package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait. No test comes near it unless it fails.
const patience = time.Minute

// testServer is a server that runs until the end of the test.
type testServer struct {
	*Server
	t       testing.TB
	address string
	stop    func() error // ends it and returns the error of Run
}

func start(t testing.TB, c Config) *testServer {
	t.Helper()
	c.Listen = []string{"127.0.0.1:0"}
	if c.GetCertificate != nil {
		c.ListenTLS = []string{"127.0.0.1:0"}
	}
	s := New(c)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	stopped := false
	stop := sync.OnceValue(func() error {
		stopped = true
		cancel()
		select {
		case err := <-result:
			return err
		case <-time.After(patience):
			return errors.New("Run has not returned")
		}
	})
	t.Cleanup(func() {
		if stopped {
			return
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return &testServer{Server: s, t: t, address: s.Addresses()[0].String(), stop: stop}
}

// await waits until a state is reached.
func (s *testServer) await(what string, reached func() bool) {
	s.t.Helper()
	await(s.t, what, reached)
}

func await(t testing.TB, what string, reached func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !reached(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not reached: %s", what)
		}
	}
}

// stream returns what the server says of a stream, if it exists.
func (s *testServer) stream(name string) (Status, bool) {
	for _, st := range s.Status() {
		if st.Name == name {
			return st, true
		}
	}
	return Status{}, false
}

// awaitGone waits until nobody publishes or plays a stream any more.
func (s *testServer) awaitGone(name string) {
	s.t.Helper()
	s.await(name+" is gone", func() bool { _, ok := s.stream(name); return !ok })
}

// sessionCount is how many connections there are.
func (s *testServer) sessionCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// peer is a client that says what a test tells it to.
type peer struct {
	s *testServer
	t testing.TB
	net.Conn
	rtmp *rtmp.Conn
}

// tcp opens a connection without a handshake.
func (s *testServer) tcp() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// dial opens a connection and does the handshake.
func (s *testServer) dial() *peer {
	s.t.Helper()
	return s.dialOn(s.tcp())
}

// dialOn does the handshake on a connection.
func (s *testServer) dialOn(conn net.Conn) *peer {
	s.t.Helper()
	p := &peer{s: s, t: s.t, Conn: conn, rtmp: rtmp.NewConn(conn, conn)}
	p.rtmp.AllowMedia()
	if err := p.rtmp.Connect(); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// connect is dial, then the connect command.
func (s *testServer) connect() *peer {
	s.t.Helper()
	return s.dial().connect()
}

func (p *peer) connect() *peer {
	p.t.Helper()
	p.command(0, "connect", 1, amf.Object{{Key: "app", Value: "live"}})
	p.skipTo("_result 1")
	return p
}

// createStream is connect with a message stream 1.
func (s *testServer) createStream() *peer {
	s.t.Helper()
	return s.dial().createStream()
}

func (p *peer) createStream() *peer {
	p.t.Helper()
	p.connect()
	p.command(0, "createStream", 2, nil)
	p.expect("_result 2 <nil> 1")
	return p
}

// publish returns a client that publishes live/KEY on message stream 1.
func (s *testServer) publish(key string) *peer {
	s.t.Helper()
	return s.dial().publish(key)
}

func (p *peer) publish(key string) *peer {
	p.t.Helper()
	p.createStream()
	p.command(1, "publish", 0, nil, key, "live")
	p.expect("begin 1", "onStatus/1 NetStream.Publish.Start")
	return p
}

// play returns a client that plays live/KEY on message stream 1.
func (s *testServer) play(key string) *peer {
	s.t.Helper()
	return s.dial().play(key)
}

func (p *peer) play(key string) *peer {
	p.t.Helper()
	p.createStream()
	p.command(1, "play", 0, nil, key)
	p.expectPlay(1)
	return p
}

// expectPlay reads the answers to play, and waits until what is published from now
// on is seen.
func (p *peer) expectPlay(id int) {
	p.t.Helper()
	p.expect(fmt.Sprintf("begin %d", id), fmt.Sprintf("onStatus/%d NetStream.Play.Reset", id),
		fmt.Sprintf("onStatus/%d NetStream.Play.Start", id), fmt.Sprintf("data/%d@0 |RtmpSampleAccess true true", id))
	await(p.t, "the viewer is there", func() bool {
		p.s.mu.Lock()
		defer p.s.mu.Unlock()
		for conn, sess := range p.s.conns {
			if conn.RemoteAddr().String() == p.LocalAddr().String() {
				return sess.playing.Load() > 0
			}
		}
		return false
	})
}

func (p *peer) send(messages ...rtmp.Message) {
	p.t.Helper()
	if err := p.rtmp.WriteMessages(messages...); err != nil {
		p.t.Fatal(err)
	}
}

// command sends a command on a message stream.
func (p *peer) command(id uint32, name string, transaction float64, object any, args ...any) {
	p.t.Helper()
	p.send(rtmp.Command{Name: name, Transaction: transaction, Object: object, Args: args}.Message(id))
}

// receive returns the next message that is no acknowledgement, described; "closed"
// if the server has closed the connection.
func (p *peer) receive() string {
	p.t.Helper()
	m, err := p.rtmp.ReadMessage()
	if err == nil && m.Type == rtmp.TypeAck {
		return p.receive()
	}
	if err == io.EOF || errors.Is(err, net.ErrClosed) || err != nil && strings.Contains(err.Error(), "reset by peer") {
		return "closed"
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return describe(m)
}

// expect reads as many messages as are wanted, in this order.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	var got []string
	for range want {
		got = append(got, p.receive())
		if got[len(got)-1] == "closed" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		p.t.Fatalf("messages (-want +got):\n%s", diff)
	}
}

// skipTo reads until a message begins so.
func (p *peer) skipTo(prefix string) string {
	p.t.Helper()
	for {
		got := p.receive()
		if strings.HasPrefix(got, prefix) {
			return got
		}
		if got == "closed" {
			p.t.Fatalf("closed before %q", prefix)
		}
	}
}

// fence makes sure that the server has handled everything sent so far, without
// an answer to any of it.
func (p *peer) fence() {
	p.t.Helper()
	p.command(0, "fence", 77, nil)
	p.expect("_result 77 <nil> <nil>")
}

// describe is a message in few words.
func describe(m rtmp.Message) string {
	at := fmt.Sprintf("/%d@%d", m.StreamID, m.Timestamp)
	switch m.Type {
	case rtmp.TypeSetChunkSize:
		return fmt.Sprint("chunk size ", binary.BigEndian.Uint32(m.Body))
	case rtmp.TypeWindowAckSize:
		return fmt.Sprint("window ", binary.BigEndian.Uint32(m.Body))
	case rtmp.TypeSetPeerBandwidth:
		return fmt.Sprint("bandwidth ", binary.BigEndian.Uint32(m.Body))
	case rtmp.TypeUserControl:
		event := map[uint16]string{0: "begin", 1: "eof", 6: "ping", 7: "pong"}[binary.BigEndian.Uint16(m.Body)]
		if event == "ping" {
			return event
		}
		return fmt.Sprint(event, " ", binary.BigEndian.Uint32(m.Body[2:]))
	case rtmp.TypeAudio:
		return "audio" + at + " " + label(m.Body)
	case rtmp.TypeVideo:
		return "video" + at + " " + label(m.Body)
	case rtmp.TypeDataAMF0:
		values, err := amf.Parse(m.Body)
		if err != nil {
			return "undecodable data" + at
		}
		return "data" + at + " " + strings.TrimSuffix(fmt.Sprintln(values...), "\n")
	case rtmp.TypeCommandAMF0:
		return describeCommand(m)
	}
	return fmt.Sprintf("type %d%s % x", m.Type, at, m.Body)
}

func describeCommand(m rtmp.Message) string {
	cmd, err := rtmp.ParseCommand(m)
	if err != nil {
		return err.Error()
	}
	if code, ok := amf.Get(cmd.Arg(0), "code"); ok && cmd.Name != "_result" {
		if cmd.Transaction == 0 {
			return fmt.Sprintf("%s/%d %v", cmd.Name, m.StreamID, code)
		}
		return fmt.Sprintf("%s/%d %v %v", cmd.Name, m.StreamID, cmd.Transaction, code)
	}
	text := fmt.Sprint(cmd.Name, " ", cmd.Transaction, " ", cmd.Object)
	for _, a := range cmd.Args {
		text += fmt.Sprint(" ", a)
	}
	return text
}

// Bodies of a publisher with H.264 and AAC. What follows the header is a label.

const (
	avcHeader = "\x17\x00\x00\x00\x00avcC"
	aacHeader = "\xaf\x00\x12\x10"
)

func keyFrame(label string) string   { return "\x17\x01\x00\x00\x00" + nal("\x65"+label) }
func interFrame(label string) string { return "\x27\x01\x00\x00\x00" + nal("\x41"+label) }
func aacFrame(label string) string   { return "\xaf\x01" + label }

func nal(unit string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(unit)))) + unit
}

// label names a body that was made here.
func label(body []byte) string {
	s := string(body)
	switch {
	case s == avcHeader:
		return "avc"
	case s == aacHeader:
		return "aac"
	case strings.HasPrefix(s, "\xaf\x01"):
		return s[2:]
	case len(s) > 10 && (strings.HasPrefix(s, "\x17\x01") || strings.HasPrefix(s, "\x27\x01")):
		return s[10:]
	}
	return fmt.Sprintf("% x", body)
}

func video(timestamp uint32, body string) rtmp.Message {
	return rtmp.Message{Type: rtmp.TypeVideo, StreamID: 1, Timestamp: timestamp, Body: []byte(body)}
}

func audio(timestamp uint32, body string) rtmp.Message {
	return rtmp.Message{Type: rtmp.TypeAudio, StreamID: 1, Timestamp: timestamp, Body: []byte(body)}
}

func data(values ...any) rtmp.Message {
	return rtmp.Message{Type: rtmp.TypeDataAMF0, StreamID: 1, Body: amf.Append(nil, values...)}
}

// on moves messages to another message stream.
func on(id uint32, messages ...rtmp.Message) []rtmp.Message {
	for i := range messages {
		messages[i].StreamID = id
	}
	return messages
}
