package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// player plays one stream.
type player struct {
	stream  *stream
	reads   bool // messages, and their stamps
	slow    bool // stops reading once it is here
	bytes   atomic.Int64
	bytesAt int64 // when counting began
	lost    atomic.Bool
	here    chan struct{} // closed with the first keyframe, or an error
	watched bool          // got a keyframe; known once it is here
	joined  func()
}

func newPlayer(s *stream, reads bool) *player {
	p := &player{stream: s, reads: reads, here: make(chan struct{})}
	p.joined = sync.OnceFunc(func() { close(p.here) })
	return p
}

// join plays until the context ends. Some servers (MediaMTX) refuse viewers while they find out what a new
// publisher sends: until one got in, or the stream is settled, players ask again. An attempt
// that began before that may have been refused for the same reason.
func (r *run) join(ctx, joining context.Context, p *player) error {
	address, err := rtmp.ParseAddress(p.stream.url)
	if err != nil {
		return err
	}
	begin := r.now()
	for {
		final := p.stream.watched.Load() || r.now() > p.stream.settled
		conn, err := r.dial(joining, address)
		if err != nil {
			return r.notHere(joining, p, err)
		}
		err = r.play(ctx, joining, p, conn, address, begin)
		if err == nil || final || p.watched {
			return err
		}
		select {
		case <-time.After(askAgain/2 + rand.N(askAgain)):
		case <-joining.Done():
			return err
		}
	}
}

// play plays if there is a keyframe before joining ends, which takes its time from the player's begin.
func (r *run) play(ctx, joining context.Context, p *player, conn net.Conn, address rtmp.Address, begin time.Duration) error {
	defer conn.Close()
	joined := context.AfterFunc(joining, func() { conn.Close() })
	defer joined()
	asked := r.now()
	count := counter{conn, &p.bytes}
	client := rtmp.NewClient(rtmp.NewConn(count, conn), address)
	if err := awaitKey(client); err != nil || !joined() {
		return r.notHere(joining, p, err)
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r.first.add(r.now() - begin)
	p.watched = true
	p.stream.watched.Store(true)
	p.joined()
	switch {
	case p.slow:
		<-ctx.Done()
		return nil
	case p.reads:
		return r.readStamps(client, asked)
	}
	return r.discarder(count, client.Conn).discard()
}

// awaitKey asks for a stream and reads up to its first keyframe.
func awaitKey(client *rtmp.Client) error {
	if err := client.Play(); err != nil {
		return err
	}
	for {
		m, err := client.ReadMessage()
		if err != nil {
			return fmt.Errorf("before the first keyframe: %w", err)
		}
		if m.Type != rtmp.TypeVideo {
			continue
		}
		if p, err := flv.Parse(m.Type, m.Body); err == nil && p.Role == media.Frame && p.Key {
			return nil
		}
	}
}

// notHere is why a player did not get as far as its first keyframe.
func (r *run) notHere(joining context.Context, p *player, err error) error {
	if joining.Err() != nil { // and whatever else it says comes of that
		return fmt.Errorf("no keyframe of %s came within %v: is it published?", p.stream.url, r.patience)
	}
	return err
}

// readStamps reads messages to the end. Frames from before the player joined are what the
// server had kept for it: their age is no latency.
func (r *run) readStamps(client *rtmp.Client, joined time.Duration) error {
	var last stamp
	known := false
	for {
		m, err := client.ReadMessage()
		if err != nil {
			return err
		}
		if m.Type != rtmp.TypeVideo {
			continue
		}
		s, ok := findStamp(m.Body)
		if !ok {
			continue
		}
		ours := s.run == r.id
		if r.counting.Load() && (!ours || s.due >= joined) {
			if ours {
				took := r.now() - s.due
				r.latency.add(took)
				r.second.Load().add(took)
			}
			r.frames.Add(1)
			if known && s.run == last.run && s.frame > last.frame+1 {
				r.gaps.Add(1)
				r.missing.Add(int64(s.frame - last.frame - 1))
			}
		}
		last, known = s, true
	}
}
