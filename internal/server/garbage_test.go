package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// states are the places in a connection's life at which garbage may come.
var states = []struct {
	name  string
	reach func(s *testServer) *peer
}{
	{"handshake", func(s *testServer) *peer { return &peer{t: s.t, Conn: s.tcp()} }},
	{"open", (*testServer).dial},
	{"connected", (*testServer).connect},
	{"stream", (*testServer).createStream},
	{"publishing", func(s *testServer) *peer { return s.publish("garbage") }},
	{"playing", func(s *testServer) *peer { return s.play("main") }},
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
			s := start(t, Config{})
			others := newWitness(s)
			for range 4 {
				others.abuse(state.reach(s), noise())
			}
			others.abuse(state.reach(s), noise(3))          // a version of the handshake
			others.abuse(state.reach(s), noise(2<<6))       // a chunk that needs an earlier one
			others.abuse(state.reach(s), noise(3, 0, 0, 0)) // a full header
			others.abuse(state.reach(s), make([]byte, 1<<20))
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
		default: // a frame with a byte changed
			m.Type = rtmp.TypeVideo
			m.Body = []byte(keyFrame("x"))
			m.Body[random.IntN(len(m.Body))] = byte(random.Uint32())
		}
		return m
	}
	for _, state := range states[1:] {
		t.Run(state.name, func(t *testing.T) {
			s := start(t, Config{})
			others := newWitness(s)
			for range 50 {
				p := state.reach(s)
				var b []byte
				for range 30 {
					b = rtmp.AppendMessage(b, message(), 128)
				}
				others.abuse(p, b)
			}
		})
	}
}

// witness is a stream that is published and watched meanwhile.
type witness struct {
	s                 *testServer
	publisher, viewer *peer
	at                uint32
}

func newWitness(s *testServer) *witness {
	w := &witness{s: s, viewer: s.play("witness"), publisher: s.publish("witness")}
	w.publisher.send(video(0, goodHeader), video(0, keyFrame("0")))
	w.viewer.skipTo("video/1@0 0")
	return w
}

// frame passes one from the publisher to the viewer.
func (w *witness) frame() {
	w.s.t.Helper()
	w.at += 40
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
