package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

func userControl(event uint16) rtmp.Message { return rtmp.UserControl(event, 0) }

func TestMaxConnections(t *testing.T) {
	s := start(t, Config{MaxConnections: 2})
	first, second := s.connect(), s.connect()
	for range 3 {
		refused := s.tcp()
		if _, err := io.ReadAll(refused); err != nil && !isReset(err) {
			t.Fatal(err)
		}
	}
	first.fence()
	_ = second.Close()
	s.await("there is room again", func() bool { return s.sessionCount() == 1 })
	s.connect().fence()
}

// TestMaxPerAddress: one address cannot take all the room, and what it gives back
// it can have again.
func TestMaxPerAddress(t *testing.T) {
	s := start(t, Config{MaxPerAddress: 2})
	first, second := s.connect(), s.connect()
	if _, err := io.ReadAll(s.tcp()); err != nil && !isReset(err) {
		t.Fatal(err)
	}
	other := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	elsewhere, err := other.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer elsewhere.Close()
	if err := rtmp.NewConn(elsewhere, elsewhere).Connect(); err != nil {
		t.Error("another address is refused:", err)
	}
	first.fence()
	_ = second.Close()
	s.await("there is room again", func() bool { return s.sessionCount() == 2 })
	s.connect().fence()
	_, _ = first.Close(), elsewhere.Close()
	s.await("no address is remembered", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.conns) == 1 && len(s.hosts) == 1
	})
}

func TestHostOf(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.1:1":                   "192.0.2.1",
		"[::ffff:192.0.2.1]:2":          "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:3":      "2001:db8:1:2::",
		"[fe80::1%eth0]:4":              "fe80::",
		"[2001:db8:1:2:ffff:ffff::1]:5": "2001:db8:1:2::",
	} {
		if got := hostOf(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(peer))); got.String() != want {
			t.Errorf("%s counts for %s, want %s", peer, got, want)
		}
	}
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op)
}

func TestRate(t *testing.T) {
	now := time.Now()
	r := rate{limit: 20, burst: 40}
	for i := range 40 {
		if !r.allow(now) {
			t.Fatalf("refused event %d of the burst", i+1)
		}
	}
	if r.allow(now) {
		t.Error("allowed one past the burst")
	}
	now = now.Add(50 * time.Millisecond)
	if !r.allow(now) {
		t.Error("refused the next one in time")
	}
	if r.allow(now.Add(49 * time.Millisecond)) {
		t.Error("allowed one too early")
	}
	now = now.Add(time.Hour)
	for i := range 40 {
		if !r.allow(now) {
			t.Fatalf("refused event %d after a pause", i+1)
		}
	}
	if r.allow(now) {
		t.Error("a pause saved up more than the burst")
	}
}

// TestSessionRates: each connection may do so much at once, not once more, and again as
// time passes.
func TestSessionRates(t *testing.T) {
	conn, _ := tcpPair(t)
	s := newSession(New(Config{}), conn, false)
	for name, tt := range map[string]struct {
		rate  *rate
		burst int
		every time.Duration
	}{
		"commands":                  {&s.commands, 40, time.Second / 20},
		"control messages":          {&s.controls, 50, time.Second / 50},
		"changes of the chunk size": {&s.chunkSizes, 128, time.Minute / 128},
	} {
		now := time.Now()
		for i := range tt.burst {
			if !tt.rate.allow(now) {
				t.Fatalf("%s: refused number %d of %d", name, i+1, tt.burst)
			}
		}
		if tt.rate.allow(now) {
			t.Errorf("%s: allowed one more than %d", name, tt.burst)
		}
		if now = now.Add(tt.every + time.Microsecond); !tt.rate.allow(now) {
			t.Errorf("%s: refused one after %v", name, tt.every)
		}
		if tt.rate.allow(now) {
			t.Errorf("%s: allowed two after %v", name, tt.every)
		}
	}
}

// TestCommandRate: a burst is served whole, a flood ends the connection.
func TestCommandRate(t *testing.T) {
	s := start(t, Config{})
	p := s.connect() // the first command
	burst := make([]rtmp.Message, commandBurst-1)
	for i := range burst {
		burst[i] = call(0, "x", float64(i+2), nil)
	}
	p.send(burst...)
	for i := range burst {
		p.expect(fmt.Sprintf("_result %d <nil> <nil>", i+2))
	}
	_ = p.rtmp.WriteMessages(repeat(call(0, "x", 0, nil), 50*commandBurst)...)
	p.expect("closed")
}

func repeat(m rtmp.Message, n int) []rtmp.Message {
	all := make([]rtmp.Message, n)
	for i := range all {
		all[i] = m
	}
	return all
}

// TestControlRate: pings are answered up to a burst; a flood ends the connection.
// Acknowledgements are as many as our own sending asks for.
func TestControlRate(t *testing.T) {
	s := start(t, Config{})
	p := s.connect()
	p.send(repeat(rtmp.Message{Type: rtmp.TypeAck, Body: []byte{0xff, 0xff, 0xff, 0xff}}, 100*maxControlRate)...)
	for i := range maxControlRate {
		p.send(rtmp.UserControl(rtmp.EventPingRequest, uint32(i)))
	}
	for i := range maxControlRate {
		p.expect(fmt.Sprint("pong ", i))
	}
	_ = p.rtmp.WriteMessages(repeat(userControl(99), 100*maxControlRate)...)
	p.expect("closed")

	p = s.connect()
	_ = p.rtmp.WriteMessages(repeat(rtmp.Message{Type: 19, Body: []byte("shared object")}, 100*maxControlRate)...)
	p.expect("closed")
}

// TestChunkSizeRate: the chunk size may change 128 times, a flood of changes ends the
// connection.
func TestChunkSizeRate(t *testing.T) {
	s := start(t, Config{})
	changes := func(n int) (all []rtmp.Message) {
		for i := range n {
			all = append(all, rtmp.Message{Type: rtmp.TypeSetChunkSize, Body: binary.BigEndian.AppendUint32(nil, 128+uint32(i))})
		}
		return all
	}
	p := s.connect()
	p.send(changes(maxChunkSizes)...)
	p.fence()
	p = s.connect()
	_ = p.rtmp.WriteMessages(changes(10 * maxChunkSizes)...)
	p.expect("closed")
}

// TestEarlyLimit holds what may come before publish, to the byte.
func TestEarlyLimit(t *testing.T) {
	s := start(t, Config{})
	const messages = 4
	fill := func(last int) []rtmp.Message {
		var all []rtmp.Message
		for i := range messages {
			n := maxEarlyBytes/messages - earlyOverhead
			if i == messages-1 {
				n += last
			}
			frame := interFrame
			if i == 0 {
				frame = keyFrame
			}
			body := append([]byte(frame("")), make([]byte, n)...)
			all = append(all, video(uint32(i), string(body[:n])))
		}
		return all
	}
	viewer := s.play("main")
	p := s.createStream()
	p.send(fill(0)...)
	p.command(1, "publish", 0, nil, "main")
	p.expect("begin 1", "onStatus/1 NetStream.Publish.Start")
	for range messages {
		if n := len(viewer.media().Body); n != maxEarlyBytes/messages-earlyOverhead {
			t.Errorf("%d bytes", n)
		}
	}
	p = s.createStream()
	p.send(fill(1)...)
	p.expect("closed")

	// Messages without a body cost something too.
	p = s.createStream()
	_ = p.rtmp.WriteMessages(repeat(audio(0, ""), maxEarlyBytes/earlyOverhead)...)
	p.fence()
	p.send(audio(0, ""))
	p.expect("closed")

	// So does what a viewer sends.
	p = s.play("main")
	_ = p.rtmp.WriteMessages(repeat(audio(0, "x"), maxEarlyBytes/earlyOverhead)...)
	for got := ""; got != "closed"; got = p.receive() {
	}
}

func TestMaxMessageStreams(t *testing.T) {
	s := start(t, Config{})
	p := s.connect()
	for i := range maxMessageStreams {
		p.command(0, "createStream", 2, nil)
		p.expect(fmt.Sprintf("_result 2 <nil> %d", i+1))
	}
	p.command(0, "createStream", 3, nil)
	p.expect("_error/0 3 NetStream.Failed")
	p.command(0, "deleteStream", 0, nil, 5.0)
	p.command(5, "publish", 0, nil, "main") // which has its id again
	p.expect("begin 5", "onStatus/5 NetStream.Publish.Start")
	p.command(0, "deleteStream", 0, nil, 5.0)
	p.command(0, "createStream", 4, nil)
	p.expect(fmt.Sprintf("_result 4 <nil> %d", maxMessageStreams+1))
	p.command(5, "publish", 0, nil, "main")
	p.expect("onStatus/5 NetStream.Publish.BadName")
}

// TestMaxBeforePublish: a message before publish is small.
func TestMaxBeforePublish(t *testing.T) {
	s := start(t, Config{})
	p := s.createStream()
	_ = p.rtmp.WriteMessages(video(0, keyFrame(string(make([]byte, 64<<10)))))
	p.expect("closed")
}

func TestListenErrors(t *testing.T) {
	s := start(t, Config{})
	second := New(Config{Listen: []string{"127.0.0.1:0", s.address}})
	if err := second.Listen(); err == nil {
		t.Fatal("two servers on one port")
	}
	// What had been opened is closed again.
	for _, a := range second.Addresses() {
		if conn, err := net.Dial("tcp", a.String()); err == nil {
			_ = conn.Close()
			t.Errorf("%s is still open", a)
		}
	}
}

// TestProbes: who speaks another protocol is closed at once, and the log tells of a
// flood of them in few lines, why they were.
func TestProbes(t *testing.T) {
	log := &logBuffer{}
	s := start(t, Config{MaxConnections: 100, Logger: log.logger()})
	begin := time.Now()
	const probes = 200
	for i := range probes {
		conn := s.tcp()
		first := []byte{6, 8, 0x16, 'G', 0, 0xFF}[i%6] // RTMPE twice, TLS, HTTP
		if _, err := conn.Write(append([]byte{first}, make([]byte, 1536)...)); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); len(answer) > 0 || err != nil && !isReset(err) {
			t.Errorf("%#x: answered % x, %v", first, answer, err)
		}
		_ = conn.Close()
		s.await("it has ended", func() bool { return s.sessionCount() == 0 }) // in this order
	}
	lines := log.lines(t, "warn")
	if most := warningBurst + 1 + int(time.Since(begin).Seconds()); len(lines) == 0 || len(lines) > most {
		t.Errorf("%d lines, at most %d are fair", len(lines), most)
	}
	for i, want := range []string{"RTMPE", "RTMPE", "TLS", "HTTP", "handshake version 0"} {
		if text, _ := lines[i]["error"].(string); !strings.Contains(text, want) {
			t.Errorf("line %d is %v, want %s in it", i, lines[i], want)
		}
	}
}
