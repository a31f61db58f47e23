package live

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// A batch ends after so much, so that a reader who has much to catch up with
// holds the stream's mutex briefly and writes in steps.
const (
	batchBytes   = 256 << 10
	batchPackets = 512
)

// ErrTimeout says that nothing came before the deadline.
var ErrTimeout = errors.New("no packet in time")

// Cursor is a reader's place in a stream. It belongs to one goroutine.
type Cursor struct {
	stream  *Stream
	patient bool // a recorder's
	scratch []*media.Packet

	// Guarded by the stream's mutex.
	next     uint64
	until    uint64    // a recorder's: the end of its publication, once there is one
	joining  bool      // waits for a start
	began    bool      // was at a start once
	burst    uint64    // entries before this one were there when it joined
	caughtUp time.Time // when it had read those
	gaps     Gaps
}

// forever is a place that no cursor reaches.
const forever = math.MaxUint64

// Gaps counts what a cursor did not get.
type Gaps struct {
	Count   int    // how often
	Packets uint64 // how many entries in all
}

// Batch is what a cursor reads at once.
type Batch struct {
	Packets []*media.Packet // valid until the next call
	Oldest  time.Time       // arrival of the first of them
	Start   bool            // they begin with the configurations, then a start
	Skipped uint64          // entries lost before them
	End     bool            // the publication ended after them
}

// Next waits until something is visible and returns it. The error is ErrTimeout
// if nothing was before a deadline that is not zero, or that of the context.
func (c *Cursor) Next(ctx context.Context, deadline time.Time) (Batch, error) {
	var timeout <-chan time.Time
	for {
		batch, wake := c.take()
		if wake == nil {
			return batch, nil
		}
		if timeout == nil && !deadline.IsZero() {
			timer := time.NewTimer(time.Until(deadline))
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-wake:
		case <-timeout:
			return Batch{}, ErrTimeout
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
}

// Gaps returns what was lost so far.
func (c *Cursor) Gaps() Gaps {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return c.gaps
}

// Close gives up the place in the stream.
func (c *Cursor) Close() { c.stream.registry.unsubscribe(c) }

// take returns what is visible, or a channel that is closed when more is.
func (c *Cursor) take() (Batch, <-chan struct{}) {
	s := c.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(c.scratch)
	batch := Batch{Packets: c.scratch[:0]}
	c.skip(&batch)
	if c.joining {
		c.join(&batch)
	}
	if !c.joining {
		c.collect(&batch)
	}
	c.scratch = batch.Packets
	if len(batch.Packets) == 0 && !batch.End {
		return Batch{}, s.waiting()
	}
	return batch, nil
}

func (s *Stream) waiting() <-chan struct{} {
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.wake
}

// skip makes a cursor join again that has lost its place, or a viewer that lags
// too far behind if there is a keyframe newer than itself.
func (c *Cursor) skip(batch *Batch) {
	r := &c.stream.ring
	if c.joining {
		return
	}
	to := c.next
	if c.lagging() {
		if st, ok := r.newestStart(c.next+1, c.until); ok {
			to = st.seq
		}
	}
	to = min(max(to, r.first), c.until)
	if to == c.next {
		return
	}
	batch.Skipped = to - c.next
	c.gaps.Count++
	c.gaps.Packets += batch.Skipped
	c.next, c.joining = to, true
}

// lagging: a viewer's next packet has waited too long, not counting the burst
// with which it joined.
func (c *Cursor) lagging() bool {
	s := c.stream
	if c.patient || c.next >= s.visible || c.next < c.burst {
		return false
	}
	since := s.ring.at(c.next).at
	if c.caughtUp.After(since) {
		since = c.caughtUp
	}
	return time.Since(since) > s.registry.config.MaxLag
}

// join moves the cursor to the newest start that it may begin at, if there is
// one, and gives it the configurations. Viewers begin in the current publication,
// a recorder that has lost packets stays within its own.
func (c *Cursor) join(batch *Batch) {
	s := c.stream
	from := c.next
	if !c.patient {
		if s.publication == nil {
			return
		}
		from = s.publication.first
		if c.began {
			from = max(from, c.next)
		}
	}
	st, ok := s.ring.newestStart(from, min(c.until, s.visible))
	if !ok {
		if c.until != forever { // nothing is left but the end
			c.next, c.joining = c.until, false
		}
		return
	}
	c.next, c.burst = st.seq, s.visible
	c.joining, c.began = false, true
	batch.Start = true
	batch.Packets = append(batch.Packets, st.configs...)
}

// collect takes what is visible, up to the end of a publication.
func (c *Cursor) collect(batch *Batch) {
	s := c.stream
	c.next = max(c.next, s.ring.first)
	if c.next < s.visible {
		batch.Oldest = s.ring.at(c.next).at
	}
	for bytes := 0; c.next < s.visible && bytes < batchBytes && len(batch.Packets) < batchPackets; {
		if c.next >= c.until {
			batch.End = true
			return
		}
		e := s.ring.at(c.next)
		c.next++
		if e.packet == nil {
			batch.End, c.joining = true, true
			return
		}
		bytes += e.packet.Size()
		batch.Packets = append(batch.Packets, e.packet)
	}
	if c.burst > 0 && c.next >= c.burst {
		c.burst, c.caughtUp = 0, time.Now()
	}
}
