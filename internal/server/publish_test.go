package server

import (
	"io"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// A frame that is published costs one allocation beside that of its body: the packet.
func TestMessageAllocates(t *testing.T) {
	publication, err := live.NewRegistry(live.Config{StreamBytes: 1 << 20}).Publish("live/main", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer publication.Close()
	p := &publisher{publication: publication, clock: clock{wall: time.Now()}, headers: newHeaders(), log: zerolog.Nop(), warnings: new(throttle)}
	wire := rtmp.Message{Type: rtmp.TypeVideo, StreamID: 1, Body: append([]byte{0x27, 1, 0, 0, 0, 0, 0, 1, 0}, make([]byte, 256)...)}
	r := rtmp.NewConn(&endless{rtmp.AppendMessage(nil, wire, 128)}, io.Discard)
	r.AllowMedia()
	publish := func() {
		m, err := r.ReadMessage()
		if err == nil {
			err = p.message(m, time.Now())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 10_000 { // until the ring is full
		publish()
	}
	if n := testing.AllocsPerRun(1000, publish); n > 2 {
		t.Errorf("%v allocations a message, want its body and its packet", n)
	}
}

// endless reads the same bytes again and again, from their beginning.
type endless struct{ b []byte }

func (e *endless) Read(p []byte) (n int, err error) {
	for len(p)-n >= len(e.b) {
		n += copy(p[n:], e.b)
	}
	return n, nil
}
