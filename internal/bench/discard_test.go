package bench

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

func TestAcks(t *testing.T) {
	const ms = time.Millisecond
	type read struct {
		bytes int
		at    time.Duration
		due   bool
	}
	for name, reads := range map[string][]read{
		"once a second":       {{100, 500 * ms, false}, {100, 999 * ms, false}, {100, 1000 * ms, true}, {100, 1999 * ms, false}, {100, 2000 * ms, true}},
		"half a window":       {{9999, 1 * ms, false}, {1, 2 * ms, true}, {9999, 3 * ms, false}, {20000, 4 * ms, true}, {1, 5 * ms, false}},
		"a second after that": {{10000, 600 * ms, true}, {1, 1500 * ms, false}, {1, 1600 * ms, true}},
		"a ping after 30 s":   {{100, 1000 * ms, true}, {18, 31000 * ms, true}, {18, 31001 * ms, false}},
	} {
		a := acks{step: 10000, received: 1 << 40, told: 1 << 40}
		want := a.received
		for i, r := range reads {
			want += uint64(r.bytes)
			if due := a.due(r.bytes, r.at); due != r.due || a.received != want {
				t.Errorf("%s: read %d: %v, %d bytes; want %v, %d", name, i, due, a.received, r.due, want)
			}
		}
	}
}

// A server that stops at its window goes on with what a player acknowledges.
func TestDiscardPastWindow(t *testing.T) {
	here, there := net.Pipe()
	var bytes atomic.Int64
	d := &discarder{counter: counter{here, &bytes}, now: func() time.Duration { return 0 }, acks: acks{step: 50_000, received: 7, told: 7}}
	done := make(chan error, 1)
	go func() { done <- d.readAll() }()
	peer := rtmp.NewConn(there, there)
	for _, want := range []string{"\x00\x00\xc3\x57", "\x00\x01\x86\xa7"} { // 50007, 100007
		for range 50 {
			if _, err := there.Write(make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if m, err := peer.ReadMessage(); err != nil || m.Type != rtmp.TypeAck || string(m.Body) != want {
			t.Errorf("%+v, %v; want an acknowledgement of %x", m, err, want)
		}
	}
	there.Close()
	if err := <-done; err != io.EOF || bytes.Load() != 100_000 {
		t.Errorf("%d bytes, %v", bytes.Load(), err)
	}
}

// A server that drops silent viewers keeps those that only count bytes, also while their
// stream is silent.
func TestSilentViewers(t *testing.T) {
	t.Parallel()
	const timeout = 4 * time.Second
	for name, secure := range map[string]bool{"RTMP": false, "RTMPS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := Options{URL: serve(t, server.Config{ReadTimeout: timeout}), Publishers: 1, Bitrate: 500e3, FPS: 30, GOP: time.Second / 2, Codec: "h264", Duration: time.Hour}
			if secure {
				o.URL, o.AnyCert = serveTLS(t, server.Config{ReadTimeout: timeout}), true
			}
			stop := underWay(t, o)
			o.Publishers, o.Players, o.Duration = 0, 12, 2*timeout+2*time.Second
			r, err := Run(t.Context(), o, func(s Second) {
				if time.Duration(s.At)*time.Second != timeout+time.Second {
					return
				}
				if _, err := stop(); err != nil { // and the stream is silent
					t.Error(err)
				}
			})
			if err != nil || r.Lost != 0 || len(r.Problems) > 0 {
				t.Errorf("%d lost: %q, %v", r.Lost, r.Problems, err)
			}
		})
	}
}
