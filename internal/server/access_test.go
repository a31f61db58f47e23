package server

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/auth"
	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// keys is the access that a file of keys gives.
func keys(t *testing.T, lines string) Access {
	t.Helper()
	k, err := auth.Parse("keys.txt", []byte(lines))
	if err != nil {
		t.Fatal(err)
	}
	return k.Allow
}

// logBuffer is a log that a test reads.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// logger logs all there is.
func (b *logBuffer) logger() zerolog.Logger { return zerolog.New(b).Level(zerolog.TraceLevel) }

const soonDenied = time.Millisecond // a DenialDelay for tests

// deniedPublisher is what a publisher without access gets after the answer to
// connect: no success that is taken back, and no stream begins.
const deniedPublisher = `
	03 000000 0000ad 14 01000000 "onStatus" #0 null
	{ level: "error" code: "NetStream.Publish.Denied" description: "not_allowed_to_publish_live/main:_check_the_stream_key,_and_the_token_behind_?token=" }`

// TestDeniedPublisher holds every byte that a publisher gets who may not publish,
// and that his stream never is there.
func TestDeniedPublisher(t *testing.T) {
	onFCPublishDenied := strings.NewReplacer(`0000ad`, `0000b0`, `01000000 "onStatus" #0`, `00000000 "onFCPublish" #3`).Replace(deniedPublisher)
	connect := step{onChunkStream(3, 128, call(0, "connect", 1, object("live", "FMLE/3.0"))), connectReply}
	tests := []struct {
		name  string
		steps []step
	}{
		{"FFmpeg, OBS", []step{connect,
			{onChunkStream(3, 128, call(0, "releaseStream", 2, nil, "main"), call(0, "FCPublish", 3, nil, "main"), call(0, "createStream", 4, nil)),
				result("2", "null") + result("3", "null") + onFCPublishDenied + result("4", "#1")},
			{onChunkStream(8, 128, call(1, "publish", 5, nil, "main", "live")), deniedPublisher},
		}},
		{"without FCPublish", []step{connect,
			{onChunkStream(3, 128, call(0, "createStream", 2, nil)), result("2", "#1")},
			{onChunkStream(8, 128, call(1, "publish", 5, nil, "main?token=wrong", "live")), deniedPublisher},
		}},
		{"that does not wait", []step{connect,
			{join(onChunkStream(8, 128, call(1, "publish", 5, nil, "main", "live")),
				onChunkStream(4, 128, video(0, avcHeader), video(0, keyFrame(strings.Repeat("x", 60<<10))))), deniedPublisher},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log logBuffer
			s := start(t, Config{Publish: keys(t, "live/other\nlive/main=right"), DenialDelay: soonDenied, Logger: log.logger()})
			conn := s.handshake()
			runScript(t, conn, test.steps)
			// Nobody waits for what follows, and the name is free.
			_, _ = conn.Write(onChunkStream(4, 128, video(40, keyFrame("late"))))
			if _, ok := s.stream("live/main"); ok {
				t.Error("the stream is there")
			}
			p := s.createStream()
			p.command(1, "publish", 0, nil, "main?token=right")
			p.expect("begin 1", "onStatus/1 NetStream.Publish.Start")
			if rest, _ := io.ReadAll(conn); len(rest) > 0 {
				t.Errorf("% x follows", rest)
			}
			if n := strings.Count(log.String(), "refused a client"); n != 1 {
				t.Errorf("%d log lines tell of one refusal:\n%s", n, log.String())
			}
		})
	}
}

// TestDeniedWords: whether the name or the token is wrong makes no difference.
func TestDeniedWords(t *testing.T) {
	access := keys(t, "live/main=right")
	s := start(t, Config{Publish: access, Play: access, DenialDelay: soonDenied})
	for action, code := range map[string]string{"publish": "NetStream.Publish.Denied", "play": "NetStream.Play.Failed"} {
		for _, key := range []string{"main", "main?token=wrong", "main?other=right", "unknown", "unknown?token=right", "unknown?token=wrong"} {
			p := s.createStream()
			p.command(1, action, 3, nil, key)
			m, err := p.rtmp.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			cmd, _ := rtmp.ParseCommand(m)
			name, _, _ := strings.Cut(key, "?")
			want := rtmp.StatusInfo("error", code, "not allowed to "+action+" live/"+name+": check the stream key, and the token behind ?token=")
			if diff := cmp.Diff(want, cmd.Arg(0)); diff != "" || m.StreamID != 1 || cmd.Name != "onStatus" || cmd.Transaction != 0 {
				t.Errorf("%s %s: %s on stream %d (-want +got):\n%s", action, key, cmd.Name, m.StreamID, diff)
			}
			p.expect("closed")
		}
	}
	if all := s.Status(); len(all) > 0 {
		t.Errorf("streams: %+v", all)
	}
	if n := s.Totals().Denied; n != 12 {
		t.Errorf("%d denied, want 12", n)
	}
}

// TestTokenPlaces: a token counts wherever in an address a client has it.
func TestTokenPlaces(t *testing.T) {
	access := keys(t, "live/main=right")
	for name, test := range map[string]struct{ app, tcURL, key string }{
		"key":                    {"live", "rtmp://h/live", "main?token=right"},
		"key, among others":      {"live", "rtmp://h/live", "main?a=b&token=right&c=d"},
		"application":            {"live?token=right", "rtmp://h/live", "main"},
		"tcUrl":                  {"live", "rtmp://h/live?token=right", "main"},
		"tcUrl only":             {"", "rtmp://h/live?token=right", "main"},
		"key over application":   {"live?token=wrong", "rtmp://h/live?token=wrong", "main?token=right"},
		"key in the application": {"live/main?token=right", "rtmp://h/live/main?token=right", ""},
		"escaped":                {"live", "", "main?%74oken=r%69ght"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{Publish: access, Play: access, DenialDelay: soonDenied})
			open := func() *peer {
				p := s.dial()
				p.command(0, "connect", 1, amf.Object{{Key: "app", Value: test.app}, {Key: "tcUrl", Value: test.tcURL}})
				p.skipTo("_result 1")
				return p
			}
			viewer := open()
			viewer.command(1, "play", 3, nil, test.key)
			viewer.expectPlay(1)
			p := open()
			p.command(0, "FCPublish", 2, nil, test.key)
			p.command(1, "publish", 3, nil, test.key)
			p.expect("_result 2 <nil> <nil>", "onFCPublish/0 2 NetStream.Publish.Start", "begin 1", "onStatus/1 NetStream.Publish.Start")
			p.send(video(0, avcHeader), video(0, keyFrame("one")))
			viewer.expect("video/1@0 avc", "video/1@0 one")
		})
	}
}

// TestDeniedOfSeveral: a denial is about one message stream; the others of the
// connection go on, with what they send meanwhile.
func TestDeniedOfSeveral(t *testing.T) {
	s := start(t, Config{Publish: keys(t, "live/main"), Play: keys(t, "live/main"), DenialDelay: soonDenied})
	viewer := s.play("main")
	p := s.publish("main")
	p.command(0, "createStream", 3, nil)
	p.command(2, "publish", 0, nil, "other")
	p.command(2, "play", 0, nil, "other")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	p.expect("_result 3 <nil> 2", "onStatus/2 NetStream.Publish.Denied", "onStatus/2 NetStream.Play.Failed")
	viewer.expect("video/1@0 avc", "video/1@0 one")
	viewer.command(1, "play", 0, nil, "other")
	viewer.expect("onStatus/1 NetStream.Play.Failed")
	p.send(video(40, interFrame("two")))
	viewer.expect("video/1@40 two")
}

// TestDenialDelay: who is denied waits, nobody else does, and the server ends all
// the same.
func TestDenialDelay(t *testing.T) {
	var log logBuffer
	s := start(t, Config{Publish: keys(t, "live/main"), DenialDelay: time.Hour, Logger: log.logger()})
	waits := s.createStream()
	waits.command(1, "publish", 0, nil, "other")
	s.await("the denial", func() bool { return strings.Contains(log.String(), "refused a client") })
	s.publish("main").fence()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	waits.readAll()

	const delay = 50 * time.Millisecond
	s = start(t, Config{Play: keys(t, "live/main"), DenialDelay: delay})
	p := s.createStream()
	begin := time.Now()
	p.command(1, "play", 0, nil, "other")
	p.expect("onStatus/1 NetStream.Play.Failed")
	if took := time.Since(begin); took < delay {
		t.Errorf("denied after %v", took)
	}
}

// TestAccessChanges: what is asked for later is decided by the keys of then; who
// publishes or plays stays.
func TestAccessChanges(t *testing.T) {
	var mu sync.Mutex
	now := keys(t, "live/main")
	access := func(stream, token string) bool {
		mu.Lock()
		defer mu.Unlock()
		return now(stream, token)
	}
	s := start(t, Config{Publish: access, Play: access, DenialDelay: soonDenied})
	viewer, p := s.play("main"), s.publish("main")
	mu.Lock()
	now = keys(t, "live/other")
	mu.Unlock()
	denied := s.createStream()
	denied.command(1, "play", 0, nil, "main")
	denied.expect("onStatus/1 NetStream.Play.Failed", "closed")
	s.publish("other")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	viewer.expect("video/1@0 avc", "video/1@0 one")
}

// TestNoSecretsInLog: no line of the log, at any level, has a token, wherever a client
// puts it and whatever happens to it.
func TestNoSecretsInLog(t *testing.T) {
	const secret = "s3samE"
	const query = "?token=" + secret
	access := keys(t, "live/main="+secret)
	for _, test := range []struct {
		app, tcURL, key string
		want            []string // what is logged, so that nothing is shown by nothing
	}{
		{"live", "rtmp://h/live", "main" + query, []string{`"message":"publishing"`, `"message":"playing"`, "viewer left"}},
		{"live" + query, "rtmp://h/live" + query, "main", []string{`"message":"publishing"`, `"message":"playing"`}},
		{"live", "rtmp://h/live", "unknown" + query, []string{`"stream":"live/unknown","message":"refused a client`}},
		{"live", "rtmp://h/live", "main" + query + "x", []string{`"stream":"live/main","message":"refused a client`}},
		{"live", "rtmp://user:" + secret + "@h/live", "main", []string{`"stream":"live/main","message":"refused a client`}},
		{"live", "rtmp://h/live", "main&token=" + secret, []string{`"stream":"live/main&...","message":"refused a client`}},
		{"live", "rtmp://h/live", "main%3Ftoken%3D" + secret, []string{`"stream":"live/main%3F...","message":"refused a client`}},
		{"live", "rtmp://h/live", "main%3FTOKEN%3D" + secret, []string{`"stream":"live/main%3F...","message":"refused a client`}},
		{"live", "rtmp://h/live", "../main" + query, []string{"refused a publisher"}},
		{"live", "rtmp://h/live", "\x00" + query, []string{"refused a publisher"}},
		{"live", "rtmp://h/live", "main" + query + "&" + strings.Repeat("x", 5000), []string{"refused a publisher"}},
	} {
		t.Run(test.key[:min(len(test.key), 40)], func(t *testing.T) {
			var log logBuffer
			s := start(t, Config{Publish: access, Play: access, DenialDelay: soonDenied, Logger: log.logger()})
			run := func(messages ...rtmp.Message) {
				p := s.dial()
				p.command(0, "connect", 1, amf.Object{{Key: "app", Value: test.app}, {Key: "tcUrl", Value: test.tcURL}})
				p.skipTo("_result 1")
				_ = p.rtmp.WriteMessages(messages...)
				_ = p.Conn.(*net.TCPConn).CloseWrite()
				p.readAll()
			}
			for _, command := range []string{"FCPublish", "publish", "play", "FCUnpublish", "releaseStream", "FCSubscribe", "getStreamLength", "deleteStream"} {
				run(call(1, command, 7, nil, test.key))
			}
			run(call(1, "play2", 7, nil, amf.Object{{Key: "streamName", Value: test.key}}))
			run(rtmp.Message{Type: rtmp.TypeCommandAMF0, Body: amf.Append(nil, 5.0, secret)}, video(0, query), data("onMetaData", query))
			run(call(1, "publish", 7, nil, test.key), call(2, "publish", 7, nil, test.key), call(1, "play", 7, nil, test.key),
				video(0, query), data("onMetaData", query), call(0, "connect", 8, amf.Object{{Key: "app", Value: query}}))
			if err := s.stop(); err != nil {
				t.Error(err)
			}
			for line := range strings.Lines(log.String()) {
				if strings.Contains(strings.ToLower(line), strings.ToLower(secret)) {
					t.Errorf("a token in the log: %s", line)
				}
			}
			for _, want := range test.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("the log has no %s:\n%s", want, log.String())
				}
			}
		})
	}
}
