package server

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// TestHandshakeTimeout: the limit is for the whole handshake, also for who sends
// a byte now and then.
func TestHandshakeTimeout(t *testing.T) {
	t.Parallel()
	s := start(t, Config{HandshakeTimeout: 100 * time.Millisecond})
	silent, slow := s.tcp(), s.tcp()
	go every(5*time.Millisecond, func() error {
		_, err := slow.Write([]byte{3})
		return err
	})
	for _, conn := range []net.Conn{silent, slow} {
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("answered: %d bytes, %v", n, err)
		}
	}
	s.await("both are gone", func() bool { return s.sessionCount() == 0 })
}

// TestSetupTimeout: who has done the handshake must ask for a stream in time, however
// much else it sends; who has asked may stay.
func TestSetupTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	s := start(t, Config{SetupTimeout: timeout})
	begin := time.Now()
	mute, busy := s.dial(), s.connect()
	publisher, viewer := s.publish("main"), s.play("main")
	go every(timeout/10, func() error { return busy.rtmp.WriteMessages(call(0, "_checkbw", 0, nil)) })
	mute.readAll()
	busy.readAll()
	if took := time.Since(begin); took < timeout {
		t.Errorf("it took %v only", took)
	}
	publisher.fence()
	viewer.fence()
}

// TestPublishTimeout: a publisher must send media; other signs of life do not
// count, and neither does that it also plays.
func TestPublishTimeout(t *testing.T) {
	t.Parallel()
	const timeout = time.Second
	s := start(t, Config{PublishTimeout: timeout})
	plays := s.publish("plays")
	plays.command(0, "createStream", 3, nil)
	plays.command(2, "play", 0, nil, "nothing")
	plays.expect("_result 3 <nil> 2")
	plays.expectPlay(2)
	begin := time.Now()
	var dropped sync.WaitGroup
	for name, alive := range map[string]rtmp.Message{
		"pings":    userControl(3),
		"data":     data("onTextData", "hi"),
		"commands": call(0, "_checkbw", 0, nil),
	} {
		p := s.publish(name)
		go every(timeout/4, func() error { return p.rtmp.WriteMessages(alive) })
		dropped.Go(p.readAll) // which answers pings
	}
	slow := s.publish("slow")
	endless := append([]byte{4, 0, 0, 0, 0x10, 0, 0, rtmp.TypeVideo, 1, 0, 0, 0}, make([]byte, 127)...)
	go every(timeout/4, func() error { // a byte of a message now and then
		_, err := slow.Write(endless[:1])
		endless = append(endless[1:], 0xC4)
		return err
	})
	dropped.Go(slow.readAll)
	silent := s.publish("silent")
	dropped.Go(plays.readAll)
	dropped.Go(func() {
		if got := silent.receive(); got != "ping" {
			t.Errorf("got %q, want a ping", got)
		}
		silent.readAll()
	})
	stays := s.publish("stays")
	go every(timeout/20, func() error { return stays.rtmp.WriteMessages(video(0, keyFrame("x"))) })
	dropped.Wait()
	if took := time.Since(begin); took < timeout {
		t.Errorf("it took %v only", took)
	}
	s.await("only one is left", func() bool { return s.sessionCount() == 1 })
	stays.command(0, "alive", 9, nil)
	stays.skipTo("_result 9")
}

// TestFrozenPublisher: one whose network is gone answers nothing.
func TestFrozenPublisher(t *testing.T) {
	t.Parallel()
	s := start(t, Config{PublishTimeout: 100 * time.Millisecond})
	s.publish("main").send(video(0, avcHeader), video(0, keyFrame("x")))
	s.awaitGone("live/main")
}

// every calls until there is an error.
func every(d time.Duration, do func() error) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for do() == nil {
		<-tick.C
	}
}

// readAll reads until the server closes the connection.
func (p *peer) readAll() {
	for {
		if _, err := p.rtmp.ReadMessage(); err != nil {
			return
		}
	}
}

// TestReadTimeout: a viewer that answers pings stays, one that does not is
// dropped.
func TestReadTimeout(t *testing.T) {
	t.Parallel()
	s := start(t, Config{ReadTimeout: time.Second})
	alive := s.play("main")
	mute := s.handshake()
	if _, err := mute.Write(onChunkStream(3, 128, call(0, "connect", 1, amf.Object{{Key: "app", Value: "live"}}), call(1, "play", 2, nil, "main"))); err != nil {
		t.Fatal(err)
	}
	var dropped atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, mute)
		dropped.Store(true)
	}()
	for !dropped.Load() {
		alive.expect("ping") // reading answers it
	}
	alive.command(0, "alive", 9, nil)
	alive.skipTo("_result 9")
	s.await("one viewer is left", func() bool { st, _ := s.stream("live/main"); return st.Viewers == 1 })
}

// timed is a connection within the machine, what comes of which may wait.
func timed(t *testing.T, patience time.Duration) (c *timedConn, theirs *net.TCPConn, asked *int) {
	ours, theirs := tcpPair(t)
	asked = new(int)
	c = &timedConn{
		socket: newSocket(ours), writeTimeout: 50 * time.Millisecond,
		idle:     func() error { *asked++; return nil },
		check:    func() error { return nil },
		patience: func() time.Duration { return patience },
	}
	return c, theirs, asked
}

func TestTimedConn(t *testing.T) {
	for _, patience := range []time.Duration{0, 5 * time.Millisecond} {
		t.Run(patience.String(), func(t *testing.T) { testTimedConn(t, patience) })
	}
}

func testTimedConn(t *testing.T, patience time.Duration) {
	c, theirs, asked := timed(t, patience)
	c.keepAlive(40 * time.Millisecond)
	buf := make([]byte, 4)
	if _, err := c.Read(buf); !isTimeout(err) || *asked != 1 {
		t.Errorf("silence: %v, asked %d times", err, *asked)
	}
	c.keepAlive(time.Hour)
	_, _ = theirs.Write([]byte("ab"))
	if n, err := c.Read(buf); n != 2 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if err := c.until(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(buf); !isTimeout(err) || *asked != 1 {
		t.Errorf("past a fixed deadline: %v, asked %d times", err, *asked)
	}

	// Writing to somebody who does not read ends at the deadline, the last one for
	// good.
	c.beforeWrite()
	if _, err := c.TCPConn.Write(make([]byte, 64<<20)); !isTimeout(err) {
		t.Errorf("stuck write: %v", err)
	}
	c.finish(time.Now().Add(-time.Second))
	c.writeRenewed.Store(0)
	c.beforeWrite()
	if _, err := c.TCPConn.Write([]byte{1}); !isTimeout(err) {
		t.Errorf("write after the last deadline: %v", err)
	}
}

// slowWriter takes a few bytes at a time, then lets its deadline pass.
type slowWriter struct {
	step int
	got  bytes.Buffer
}

func (w *slowWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.step)
	w.got.Write(b[:n])
	if n < len(b) {
		return n, os.ErrDeadlineExceeded
	}
	return n, nil
}

func TestWriteAll(t *testing.T) {
	slow, renewed := &slowWriter{step: 3}, 0
	n, err := writeAll(slow, []byte("0123456789"), func() { renewed++ })
	if n != 10 || err != nil || renewed != 4 || slow.got.String() != "0123456789" {
		t.Errorf("wrote %d (%q) with %d deadlines: %v", n, slow.got.String(), renewed, err)
	}
	stuck := &slowWriter{}
	if n, err := writeAll(stuck, []byte("0123456789"), func() {}); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("to one that takes nothing: %d, %v", n, err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// tcpPair is a connection within the machine.
func tcpPair(t testing.TB) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a.(*net.TCPConn), b.(*net.TCPConn)
}
