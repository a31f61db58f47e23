package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// states are the places in a connection's life at which garbage may come, and the
// step of a session that would come next.
var states = []struct {
	name  string
	reach func(s *testServer) *peer
	next  int
}{
	{"connected to the port", func(s *testServer) *peer { return &peer{t: s.t, Conn: s.tcp()} }, 0},
	{"inside the handshake", halfHandshake, 0},
	{"handshake done", (*testServer).dial, 1},
	{"connected", (*testServer).connect, 2},
	{"stream", (*testServer).createStream, 3},
	{"publishing", func(s *testServer) *peer { return s.publish("garbage") }, 4},
	{"playing", func(s *testServer) *peer { return s.play("witness") }, 3},
	{"publishing and playing", publishAndPlay, 4},
}

const afterHandshake = 2 // the first of the states in which messages can be sent

func halfHandshake(s *testServer) *peer {
	p := &peer{t: s.t, Conn: s.tcp()}
	_, _ = p.Write(append([]byte{3}, make([]byte, 700)...))
	return p
}

func publishAndPlay(s *testServer) *peer {
	p := s.publish("garbage")
	p.command(0, "createStream", 3, nil)
	p.command(2, "play", 0, nil, "witness")
	p.expect("_result 3 <nil> 2")
	p.expectPlay(2)
	return p
}

// wholeSession is what a well-behaved publisher sends, step by step.
func wholeSession(random *rand.Rand) [][]byte {
	handshake := make([]byte, 1+2*1536)
	handshake[0] = 3
	steps := [][]byte{
		handshake,
		rtmp.AppendMessage(nil, call(0, "connect", 1, amf.Object{{Key: "app", Value: "live"}}), 128),
		rtmp.AppendMessage(nil, call(0, "createStream", 2, nil), 128),
		rtmp.AppendMessage(nil, call(1, "publish", 3, nil, "garbage", "live"), 128),
		rtmp.AppendMessage(nil, rtmp.SetChunkSize(), 128),
	}
	messages := []rtmp.Message{data("@setDataFrame", "onMetaData", amf.ECMAArray{{Key: "framerate", Value: 30.0}}), video(0, goodHeader), audio(0, aacHeader)}
	for at, bytes := uint32(0), 0; bytes < 1<<20; at += 33 {
		body := string(make([]byte, random.IntN(20<<10)))
		frame := interFrame(body)
		if at%(33*30) == 0 {
			frame = keyFrame(body)
		}
		messages = append(messages, video(at, frame), audio(at, aacFrame(body[:len(body)/50])))
		bytes += len(body)
	}
	last := &steps[len(steps)-1]
	for _, m := range messages {
		*last = rtmp.AppendMessage(*last, m, rtmp.ChunkSize)
	}
	return steps
}

// damages are what may happen to bytes on their way.
var damages = []func(b []byte, random *rand.Rand) []byte{
	func(b []byte, random *rand.Rand) []byte { return b[:random.IntN(len(b))] }, // cut
	func(b []byte, random *rand.Rand) []byte { // a hole
		at := random.IntN(len(b))
		return append(b[:at], b[min(len(b), at+1+random.IntN(200)):]...)
	},
	func(b []byte, random *rand.Rand) []byte { return flip(b, random, len(b)) },
	func(b []byte, random *rand.Rand) []byte { return flip(b, random, min(len(b), 4<<10)) },
	func(b []byte, random *rand.Rand) []byte { // twice
		at := random.IntN(len(b))
		return append(b[:at:at], b[at-min(at, 200):]...)
	},
}

// flip changes up to 20 bits of the first n bytes.
func flip(b []byte, random *rand.Rand, n int) []byte {
	for range 1 + random.IntN(20) {
		b[random.IntN(n)] ^= 1 << random.IntN(8)
	}
	return b
}

// underGarbage runs a server that records while garbage comes, and makes sure that
// neither another stream nor its recording notices.
func underGarbage(t *testing.T, send func(s *testServer, others *witness)) {
	t.Helper()
	for _, format := range []record.Format{record.Auto, record.MP4} {
		dir, log := t.TempDir(), &logBuffer{}
		s := start(t, Config{Record: &record.Config{Dir: dir, Format: format}, Logger: log.logger()})
		others := newWitness(s)
		s.await("the other stream is recorded", func() bool { // by now all its goroutines are there
			others.frame()
			st, _ := s.stream("live/witness")
			return st.Recording != nil && st.Recording.Bytes > 0
		})
		others.abuse(s.connect(), nil)
		before := runtime.NumGoroutine()
		send(s, others)
		s.await("all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if lines := log.lines(t, "error"); len(lines) > 0 {
			t.Errorf("errors: %v", lines)
		}
		if n := samples(wholeFile(t, dir, "live_witness"), media.Video); n != others.frames {
			t.Errorf("%d frames of the other stream are recorded, want %d", n, others.frames)
		}
	}
}

// TestGarbage: a megabyte of noise in any state ends its connection at most, while
// another stream goes on without losing a frame.
func TestGarbage(t *testing.T) {
	random := rand.NewChaCha8([32]byte{7})
	noise := func(first ...byte) []byte {
		b := make([]byte, 1<<20)
		_, _ = random.Read(b)
		copy(b, first)
		return b
	}
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			underGarbage(t, func(s *testServer, others *witness) {
				for range 4 {
					others.abuse(state.reach(s), noise())
				}
				others.abuse(state.reach(s), noise(3))          // a version of the handshake
				others.abuse(state.reach(s), noise(2<<6))       // a chunk that needs an earlier one
				others.abuse(state.reach(s), noise(3, 0, 0, 0)) // a full header
				others.abuse(state.reach(s), make([]byte, 1<<20))
			})
		})
	}
}

// TestDamagedSessions: so does a session that is damaged on its way, whatever has gone
// before.
func TestDamagedSessions(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	steps := wholeSession(random)
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			underGarbage(t, func(s *testServer, others *witness) {
				for _, damage := range damages {
					others.abuse(state.reach(s), damage(slices.Concat(steps[state.next:]...), random))
				}
			})
		})
	}
}

// TestGarbageMessages: well-formed messages of every type with bodies that are
// not.
func TestGarbageMessages(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []any{"connect", "createStream", "publish", "play", "play2", "pause", "seek", "receiveAudio", "receiveVideo",
		"FCPublish", "FCUnpublish", "closeStream", "deleteStream", "releaseStream", "@setDataFrame", "onMetaData", nil, 5.0}
	values := []any{nil, true, false, 0.0, 1.0, -1.0, 1e300, "main", "", "..", amf.Object{{Key: "streamName", Value: 7.0}}, amf.StrictArray{1.0}, amf.Undefined{}}
	bodies := []string{keyFrame("x"), goodHeader, "\x97\x00\xaa\x13avc1" + nal("\x65key"), "\x91hvc1\x00\x00\x50" + nal("\x26\x01\x80idr"),
		"\x96\x11avc1\x00\x00\x00\x0b\x00\x00\x00" + nal("\x65key") + "\x01\x00\x00\x0b\x00\x00\x00" + nal("\x65two")}
	kinds := []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 18, 19, 20, 22, 255}
	message := func() rtmp.Message {
		m := rtmp.Message{Type: kinds[random.IntN(len(kinds))], StreamID: uint32(random.IntN(4)), Timestamp: random.Uint32()}
		switch random.IntN(3) {
		case 0: // noise
			m.Body = make([]byte, random.IntN(40))
			for i := range m.Body {
				m.Body[i] = byte(random.Uint32())
			}
		case 1: // a command with arguments that do not fit
			m.Type = rtmp.TypeCommandAMF0
			m.Body = amf.Append(nil, names[random.IntN(len(names))], values[random.IntN(len(values))])
			for range random.IntN(5) {
				m.Body = amf.Append(m.Body, values[random.IntN(len(values))])
			}
		default: // a frame or a header with a byte changed
			m.Type = rtmp.TypeVideo
			m.Body = []byte(bodies[random.IntN(len(bodies))])
			m.Body[random.IntN(len(m.Body))] = byte(random.Uint32())
		}
		return m
	}
	for _, state := range states[afterHandshake:] {
		t.Run(state.name, func(t *testing.T) {
			underGarbage(t, func(s *testServer, others *witness) {
				for range 30 {
					p := state.reach(s)
					var b []byte
					for range 30 {
						b = rtmp.AppendMessage(b, message(), 128)
					}
					others.abuse(p, b)
				}
			})
		})
	}
}

// witness is a stream that is published and watched meanwhile.
type witness struct {
	s                 *testServer
	publisher, viewer *peer
	at                uint32
	frames            int
}

func newWitness(s *testServer) *witness {
	w := &witness{s: s, viewer: s.play("witness"), publisher: s.publish("witness"), frames: 1}
	w.publisher.send(video(0, goodHeader), video(0, keyFrame("0")))
	w.viewer.skipTo("video/1@0 0")
	return w
}

// frame passes one from the publisher to the viewer.
func (w *witness) frame() {
	w.s.t.Helper()
	w.at += 40
	w.frames++
	label := fmt.Sprint(w.at)
	w.publisher.send(video(w.at, interFrame(label)))
	w.viewer.expect(fmt.Sprintf("video/1@%d %s", w.at, label))
}

// abuse sends garbage; frames must pass before, during and after it.
func (w *witness) abuse(p *peer, garbage []byte) {
	w.s.t.Helper()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = p.Write(garbage) // the server may close at any time
		_ = p.Conn.(*net.TCPConn).CloseWrite()
	}()
	go func() { // so that the server is not stuck writing
		b := make([]byte, 4<<10)
		for {
			if _, err := p.Read(b); err != nil {
				return
			}
		}
	}()
	for waiting := true; waiting; {
		select {
		case <-sent:
			waiting = false
		default:
		}
		w.frame()
	}
	w.s.await("the connection is gone", func() bool { return w.s.sessionCount() == 2 })
	_ = p.Close()
}
