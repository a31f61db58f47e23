package bench

import (
	"context"
	"time"

	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// publish publishes a stream until the context ends. Its frames are due a phase later
// than those of the first stream, and its first GOP is as many frames shorter as early
// says: those of different streams do not come in the same instant.
func (r *run) publish(ctx context.Context, s *stream, phase time.Duration, early int) error {
	address, err := rtmp.ParseAddress(s.url)
	if err != nil {
		return err
	}
	conn, err := r.dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	client := rtmp.NewClient(rtmp.NewConn(conn, conn), address)
	if err := client.Publish(); err != nil {
		return err
	}
	gone := make(chan error, 1)
	go func() { // answers the server's control messages
		for {
			if _, err := client.ReadMessage(); err != nil {
				gone <- err
				conn.Close()
				return
			}
		}
	}()

	p := pusher{stream: s, streamID: client.StreamID}
	for _, m := range r.source.head() {
		p.add(m, 0)
	}
	s.settled = r.now() + r.settling
	close(s.ready)
	begin, sounds := r.now()+phase, 0
	var body []byte
	for n := 0; ; n++ {
		at := r.source.dueAt(n)
		due := begin + at
		select {
		case <-ctx.Done():
			return nil
		case err := <-gone:
			return err
		case <-time.After(due - r.now()):
		}
		for ; time.Duration(sounds)*aacTime < at; sounds++ {
			p.add(rtmp.Message{Type: rtmp.TypeAudio, Body: aacFrame}, time.Duration(sounds)*aacTime)
		}
		body = r.source.appendFrame(body[:0], r.source.inGOP(n, early), stamp{r.id, due, uint64(n)})
		p.add(rtmp.Message{Type: rtmp.TypeVideo, Body: body}, at)
		if r.counting.Load() {
			r.late.add(r.now() - due)
		}
		// One write, which the client's answers cannot come between.
		if _, err := conn.Write(p.wire); err != nil {
			return err
		}
		p.done()
	}
}

// pusher collects messages for one write.
type pusher struct {
	stream   *stream
	streamID uint32
	wire     []byte
	messages int64
}

func (p *pusher) add(m rtmp.Message, at time.Duration) {
	m.StreamID, m.Timestamp = p.streamID, uint32(at.Milliseconds())
	p.wire = rtmp.AppendMessage(p.wire, m, rtmp.ChunkSize)
	p.messages++
}

func (p *pusher) done() {
	p.stream.bytes.Add(int64(len(p.wire)))
	p.stream.messages.Add(p.messages)
	p.wire, p.messages = p.wire[:0], 0
}
