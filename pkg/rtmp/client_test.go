package rtmp

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

func TestParseAddress(t *testing.T) {
	tests := []struct {
		in   string
		want Address
	}{
		{"rtmp://h/live/key", Address{"h:1935", "live", "key", false}},
		{"rtmp://h:19350/live/key", Address{"h:19350", "live", "key", false}},
		{"RTMP://h/live/inst/key?tok=a/b&c=d", Address{"h:1935", "live/inst", "key?tok=a/b&c=d", false}},
		{"rtmp://h/live", Address{"h:1935", "live", "", false}},
		{"rtmp://h/live?tok=x", Address{"h:1935", "live", "?tok=x", false}},
		{"rtmp://h/live?", Address{"h:1935", "live", "", false}},
		{"rtmp://h", Address{"h:1935", "", "", false}},
		{"rtmp://h:/live/key/", Address{"h:1935", "live", "key", false}},
		{"rtmp://[::1]/live/key", Address{"[::1]:1935", "live", "key", false}},
		{"rtmp://[::1]:1/live/key", Address{"[::1]:1", "live", "key", false}},
		{"rtmp://user:pass@h/live/key", Address{"h:1935", "live", "key", false}},
		{"rtmp://h/live/a%2Fb%20c", Address{"h:1935", "live", "a%2Fb%20c", false}},
		{"rtmp://h/live/100%é", Address{"h:1935", "live", "100%é", false}},
		{"rtmp://h/live/key?u=http://g/x#part", Address{"h:1935", "live", "key?u=http://g/x", false}},
		{"rtmps://h/live/key", Address{"h:443", "live", "key", true}},
		{"rtmps://h:1936/live/key", Address{"h:1936", "live", "key", true}},
	}
	for _, tt := range tests {
		got, err := ParseAddress(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
		} else if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.in, got, tt.want)
		}
	}
	for _, in := range []string{"", "live/key", "http://h/live/key", "rtmpt://h/live/key", "rtmp:///live/key", "rtmps:///live/key", "rtmp://h:port/live", "rtmp://[::1/live", "rtmp://h\x00/live"} {
		if got, err := ParseAddress(in); err == nil || !strings.HasPrefix(err.Error(), "rtmp: address") {
			t.Errorf("%q: %+v and %v, want an error", in, got, err)
		}
	}
}

// Servers that stand behind one that ends TLS tell by it how a client came.
func TestTcURL(t *testing.T) {
	for address, want := range map[Address]string{
		{"h:1935", "live", "key", false}: "rtmp://h/live",
		{"h:443", "live", "key", false}:  "rtmp://h:443/live",
		{"h:443", "live", "key", true}:   "rtmps://h/live",
		{"h:1935", "live", "key", true}:  "rtmps://h:1935/live",
	} {
		if got := address.tcURL(); got != want {
			t.Errorf("%+v: %s, want %s", address, got, want)
		}
	}
}

// peer is the other end of a client: it reads commands and answers.
type peer struct {
	*Conn
	t *testing.T
}

// command reads up to the next command, and wants that one.
func (p peer) command(name string) (Command, uint32) {
	for {
		m, err := p.ReadMessage()
		if err != nil {
			p.t.Errorf("waiting for %s: %v", name, err)
			return Command{}, 0
		}
		if m.Type != TypeCommandAMF0 {
			continue
		}
		cmd, err := ParseCommand(m)
		if err != nil || cmd.Name != name {
			p.t.Errorf("got %+v and %v, want %s", cmd, err, name)
		}
		return cmd, m.StreamID
	}
}

func (p peer) write(messages ...Message) {
	if err := p.WriteMessages(messages...); err != nil {
		p.t.Error(err)
	}
}

// accept answers all that comes before publish and play.
func (p peer) accept() {
	if err := p.Accept(); err != nil {
		p.t.Error(err)
	}
	connect, _ := p.command("connect")
	info := StatusInfo(LevelStatus, CodeConnectSuccess, "")
	p.write(WindowAckSize(), SetPeerBandwidth(), SetChunkSize(), Result(connect.Transaction, nil, info).Message(0))
}

func (p peer) createStream(id any) {
	create, _ := p.command("createStream")
	p.write(Result(create.Transaction, nil, id).Message(0))
}

// script runs a client against a server, and returns the client and its error.
func script(t *testing.T, run func(*Client) error, server func(peer)) (*Client, error) {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer b.Close()
		server(peer{NewConn(b, b), t})
	}()
	client := NewClient(NewConn(a, a), Address{Host: "h:1935", App: "live", Key: "key?tok=x"})
	err := run(client)
	a.Close()
	<-done
	return client, err
}

func TestPublish(t *testing.T) {
	client, err := script(t, (*Client).Publish, func(p peer) {
		if err := p.Accept(); err != nil {
			t.Error(err)
		}
		connect, id := p.command("connect")
		if id != 0 || connect.Transaction != 1 {
			t.Errorf("connect is %+v on stream %d", connect, id)
		}
		equal(t, connect.Object, amf.Object{{Key: "app", Value: "live"}, {Key: "type", Value: "nonprivate"},
			{Key: "flashVer", Value: "FMLE/3.0 (compatible; rtmptool)"}, {Key: "tcUrl", Value: "rtmp://h/live"},
			{Key: "fourCcList", Value: amf.StrictArray{"avc1", "hvc1", "av01", "vp09", "mp4a", "Opus", "fLaC", "ac-3", "ec-3", ".mp3"}}})
		// Messages that need no answer, and an answer to nothing, come first.
		p.write(WindowAckSize(), SetPeerBandwidth(), SetChunkSize(), UserControl(31, 0), UserControl(EventStreamBegin, 0),
			Command{Name: "onBWDone", Args: []any{0}}.Message(0), Result(77, nil, nil).Message(0),
			Result(connect.Transaction, amf.Object{{Key: "fmsVer", Value: "FMS/3,0,1,123"}}, StatusInfo(LevelStatus, CodeConnectSuccess, "ok")).Message(0))
		for _, name := range []string{"releaseStream", "FCPublish"} {
			cmd, id := p.command(name)
			if id != 0 || cmd.Arg(0) != "key?tok=x" {
				t.Errorf("%s is %+v on stream %d", name, cmd, id)
			}
		}
		if p.inChunk != ChunkSize || p.window != WindowSize {
			t.Errorf("chunk size %d and window %d were announced", p.inChunk, p.window)
		}
		p.createStream(5)
		publish, id := p.command("publish")
		if id != 5 {
			t.Errorf("publish on stream %d", id)
		}
		equal(t, publish.Args, []any{"key?tok=x", "live"})
		p.write(UserControl(EventStreamBegin, 5), OnStatus(5, StatusInfo(LevelStatus, CodePublishStart, "")))
	})
	if err != nil {
		t.Fatal(err)
	}
	if client.StreamID != 5 {
		t.Errorf("stream %d", client.StreamID)
	}
}

func TestPlay(t *testing.T) {
	_, err := script(t, (*Client).Play, func(p peer) {
		p.accept()
		p.createStream(1)
		play, id := p.command("play")
		if id != 1 {
			t.Errorf("play on stream %d", id)
		}
		equal(t, play.Args, []any{"key?tok=x", -2000.0})
		p.write(UserControl(EventStreamBegin, 1), OnStatus(1, StatusInfo(LevelStatus, CodePlayReset, "")),
			OnStatus(1, StatusInfo(LevelStatus, CodePlayStart, "")))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The bytes of a whole session, as A7 of the reference orders them.
func TestClientBytes(t *testing.T) {
	var out countedWrites
	handshake := append([]byte{3}, make([]byte, 2*handshakeSize)...)
	in := append(handshake, AppendMessage(nil, Result(1, nil, nil).Message(0), defaultChunkSize)...)
	in = AppendMessage(in, Result(4, nil, 1).Message(0), defaultChunkSize)
	in = AppendMessage(in, OnStatus(1, StatusInfo(LevelStatus, CodePublishStart, "")), defaultChunkSize)
	c := NewClient(NewConn(starving(in), &out), Address{Host: "h:1", App: "a", Key: "k"})
	if err := c.Publish(); err != nil {
		t.Fatal(err)
	}
	equal(t, out.Bytes()[1+2*handshakeSize:], unhex(t,
		"03 000000 0000CC 14 00000000 02 0007 636F6E6E656374 00 3FF0000000000000 03 0003 617070 02 0001 61"+
			" 0004 74797065 02 000A 6E6F6E70726976617465 0008 666C617368566572 02 001F 464D4C452F332E302028636F6D70617469626C653B2072746D70746F6F6C29"+
			" 0005 746355726C 02 000C 72746D703A2F2F683A312F61 000A 666F757243634C697374 0A 00 C3 00000A"+ // a chunk ends at 128 bytes
			" 02 0004 61766331 02 0004 68766331 02 0004 61763031 02 0004 76703039 02 0004 6D703461"+
			" 02 0004 4F707573 02 0004 664C6143 02 0004 61632D33 02 0004 65632D33 02 0004 2E6D7033 000009"+
			" 02 000000 000004 05 00000000 002625A0  02 000000 000004 01 00000000 00010000"+
			" 03 000000 00001E 14 00000000 02 000D 72656C6561736553747265616D 00 4000000000000000 05 02 0001 6B"+
			" 03 000000 00001A 14 00000000 02 0009 46435075626C697368 00 4008000000000000 05 02 0001 6B"+
			" 03 000000 000019 14 00000000 02 000C 63726561746553747265616D 00 4010000000000000 05"+
			" 03 000000 00001F 14 01000000 02 0007 7075626C697368 00 4014000000000000 05 02 0001 6B 02 0004 6C697665"))
	if out.writes != 5 {
		t.Errorf("%d writes, want 2 of the handshake and 3 more", out.writes)
	}
}

func errorTo(transaction float64, args ...any) Message {
	return Command{Name: "_error", Transaction: transaction, Args: args}.Message(0)
}

// A server may refuse or ignore the calls that need no answer.
func TestPublishOptionalCallsRefused(t *testing.T) {
	_, err := script(t, (*Client).Publish, func(p peer) {
		p.accept()
		for _, name := range []string{"releaseStream", "FCPublish"} {
			cmd, _ := p.command(name)
			p.write(errorTo(cmd.Transaction, StatusInfo(LevelError, "NetConnection.Call.Failed", "no such method")))
		}
		p.createStream(1)
		p.command("publish")
		p.write(errorTo(2), OnStatus(1, StatusInfo(LevelStatus, CodePublishStart, "")))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Only the one status is a success.
func TestPublishNotStarted(t *testing.T) {
	_, err := script(t, (*Client).Publish, func(p peer) {
		p.accept()
		p.command("releaseStream")
		p.command("FCPublish")
		p.createStream(1)
		publish, _ := p.command("publish")
		p.write(Result(publish.Transaction, nil, nil).Message(0), OnStatus(1, StatusInfo(LevelStatus, "NetStream.Publish.Idle", "")),
			Command{Name: "onFCPublish", Args: []any{StatusInfo(LevelStatus, CodePublishStart, "")}}.Message(0))
	})
	if err != io.EOF {
		t.Errorf("error %v, want the end of the connection", err)
	}
}

func TestClientRefused(t *testing.T) {
	info := StatusInfo(LevelError, CodeConnectRejected, "[ AccessManager.Reject ]")
	connect := func(answer func(float64) Message) func(peer) {
		return func(p peer) {
			if err := p.Accept(); err != nil {
				t.Error(err)
			}
			cmd, _ := p.command("connect")
			p.write(answer(cmd.Transaction))
		}
	}
	publish := func(answer func(float64) Message) func(peer) {
		return func(p peer) {
			p.accept()
			p.command("releaseStream")
			p.command("FCPublish")
			p.createStream(1)
			cmd, _ := p.command("publish")
			p.write(answer(cmd.Transaction))
		}
	}
	tests := []struct {
		name   string
		server func(peer)
		want   string
	}{
		{"connect", connect(func(id float64) Message { return errorTo(id, info) }), "rtmp: _error: NetConnection.Connect.Rejected: [ AccessManager.Reject ]: refused by the server"},
		{"connect without a level", connect(func(id float64) Message { return errorTo(id, amf.Object{{Key: "code", Value: "x"}}) }), "rtmp: _error: x: refused by the server"},
		{"connect without information", connect(func(id float64) Message { return errorTo(id) }), "rtmp: _error: refused by the server"},
		{"connect by status", connect(func(float64) Message { return OnStatus(0, info) }), "rtmp: onStatus: NetConnection.Connect.Rejected: [ AccessManager.Reject ]: refused by the server"},
		{"publish by status", publish(func(float64) Message { return OnStatus(1, StatusInfo(LevelError, CodePublishBadName, "taken")) }),
			"rtmp: onStatus: NetStream.Publish.BadName: taken: refused by the server"},
		{"publish by error", publish(func(id float64) Message { return errorTo(id) }), "rtmp: _error: refused by the server"},
		{"createStream", func(p peer) {
			p.accept()
			p.command("releaseStream")
			p.command("FCPublish")
			cmd, _ := p.command("createStream")
			p.write(errorTo(cmd.Transaction, StatusInfo(LevelError, CodeFailed, "too many")))
		}, "rtmp: _error: NetStream.Failed: too many: refused by the server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := script(t, (*Client).Publish, tt.server)
			if !errors.Is(err, ErrRefused) || err.Error() != tt.want {
				t.Errorf("error %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestCreateStreamResult(t *testing.T) {
	tests := []struct {
		id   any
		want string
	}{
		{nil, "rtmp: createStream returned <nil>, want a stream id"},
		{0, "rtmp: createStream returned 0, want a stream id"},
		{-1, "rtmp: createStream returned -1, want a stream id"},
		{float64(1 << 33), "rtmp: createStream returned 8.589934592e+09, want a stream id"},
		{"x", "rtmp: createStream returned x, want a stream id"},
	}
	for _, tt := range tests {
		_, err := script(t, (*Client).Play, func(p peer) {
			p.accept()
			p.createStream(tt.id)
		})
		if err == nil || err.Error() != tt.want {
			t.Errorf("id %v: %v, want %s", tt.id, err, tt.want)
		}
	}
}

// The client ends when the server does, at any point.
func TestClientCut(t *testing.T) {
	steps := []func(peer){
		func(p peer) {},
		func(p peer) {
			if err := p.Accept(); err != nil {
				t.Error(err)
			}
			p.command("connect")
		},
		func(p peer) { p.accept(); p.command("createStream") },
		func(p peer) { p.accept(); p.createStream(1); p.command("play") },
	}
	for i, step := range steps {
		if _, err := script(t, (*Client).Play, step); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("step %d: %v, want an end", i, err)
		}
	}
	// A writer that fails stops it as well.
	in := append([]byte{3}, make([]byte, 2*handshakeSize)...)
	in = AppendMessage(in, Result(1, nil, nil).Message(0), defaultChunkSize)
	in = AppendMessage(in, Result(2, nil, 1).Message(0), defaultChunkSize)
	for writes := range 5 {
		w := failAfter(writes)
		c := NewClient(NewConn(starving(in), &w), Address{Host: "h:1", App: "a", Key: "k"})
		if err := c.Play(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write %d: %v", writes, err)
		}
	}
}

func TestClientMalformedCommand(t *testing.T) {
	_, err := script(t, (*Client).Play, func(p peer) {
		if err := p.Accept(); err != nil {
			t.Error(err)
		}
		p.command("connect")
		p.write(Message{Type: TypeCommandAMF0, Body: []byte{0xFF}})
	})
	if err == nil || !strings.Contains(err.Error(), "unknown marker") {
		t.Errorf("error %v", err)
	}
}

// A client of ours publishes to a server of ours, as another one does, frames
// first.
func TestClientToServer(t *testing.T) {
	client, server := tcpPair(t)
	want := []Message{video(0, body(1, 100)), audio(5, body(2, 70_000)), video(1<<24, body(3, 200_000))}
	sent := make(chan error)
	go func() {
		sent <- func() error {
			defer client.Close()
			c := NewClient(NewConn(client, client), Address{Host: "h:1935", App: "live", Key: "key"})
			if err := c.Publish(); err != nil {
				return err
			}
			var chunks [][]byte
			for _, m := range want[:2] {
				chunks = AppendChunks(chunks, m.Frame(m.Timestamp))
			}
			return errors.Join(c.WriteChunks(chunks), c.WriteMessages(want[2]))
		}()
	}()
	p := peer{NewConn(server, server), t}
	p.accept()
	p.command("releaseStream")
	p.command("FCPublish")
	p.createStream(1)
	p.command("publish")
	p.AllowMedia()
	p.write(OnStatus(1, StatusInfo(LevelStatus, CodePublishStart, "")))
	var got []Message
	for range want {
		m, err := p.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	equal(t, got, want)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if _, err := p.ReadMessage(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}
