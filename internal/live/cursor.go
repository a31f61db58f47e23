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
	publication *Publication // that it reads; nil before its start and after its end
	next        uint64
	lost        bool      // waits for a start to go on at
	frames      frames    // a recorder's: those before next
	skipped     uint64    // entries lost that no batch has told of
	dropped     Dropped   // the frames among them
	burst       uint64    // entries before this one were there when it joined; 0 after them
	caughtUp    time.Time // when it had read those
	gaps        Gaps
}

// forever is a place that no cursor reaches.
const forever = math.MaxUint64

// Gaps counts what a cursor did not get.
type Gaps struct {
	Count   int    // how often
	Packets uint64 // how many entries in all
}

// Dropped is what a recorder did not get of a publication because it was too slow.
type Dropped struct {
	Video, Audio uint64        // frames
	Until        time.Duration // DTS of the frame with which it goes on, or of the last one lost
}

// Batch is what a cursor reads at once.
type Batch struct {
	Packets []*media.Packet // valid until the next call
	Oldest  time.Time       // the first of them has not come before
	Start   bool            // they begin with the configurations and a start
	Skipped uint64          // entries lost before them
	Dropped Dropped         // the frames among those; only a recorder is told
	End     bool            // the publication ended after them
}

// Next waits until something is visible and returns it. The error is that of the
// context if it is done, ErrTimeout if nothing was visible before a deadline that
// is not zero. After the end of its publication a recorder's cursor returns End
// for ever.
func (c *Cursor) Next(ctx context.Context, deadline time.Time) (Batch, error) {
	var timeout <-chan time.Time
	for {
		// Before what is there: a reader that is always behind must be able to stop.
		if err := ctx.Err(); err != nil {
			return Batch{}, err
		}
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
		case <-ctx.Done():
		case <-timeout:
			if batch, wake := c.take(); wake == nil {
				return batch, nil
			}
			return Batch{}, ErrTimeout
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
	limit := s.flush.visible
	if c.patient {
		limit = s.ring.next // what is read should be on the disk soon, and costs no wake-up here
	}
	switch {
	case c.publication != nil:
		c.skip(&batch, limit)
	case c.patient:
		batch.End = true
	default:
		c.join(&batch, limit)
	}
	if c.publication != nil && !c.lost {
		c.collect(&batch, limit)
	}
	c.scratch = batch.Packets
	if len(batch.Packets) == 0 && !batch.End {
		return Batch{}, s.flush.waiting(c.patient)
	}
	batch.Skipped, c.skipped = c.skipped, 0
	batch.Dropped, c.dropped = c.dropped, Dropped{}
	return batch, nil
}

// join lets a viewer into the current publication, at the newest start.
func (c *Cursor) join(batch *Batch, limit uint64) {
	p, r := c.stream.publication, &c.stream.ring
	if p == nil {
		return
	}
	st, ok := r.newestStart(p.first, limit)
	if !ok {
		return
	}
	if st.lead < st.seq && st.lead >= r.first { // the configurations are among what it gets
		st = start{seq: st.lead}
	}
	c.enter(p)
	c.begin(batch, st)
}

// skip finds a new place in the same publication for a cursor that has lost its
// own, or for a viewer that lags too far behind if there is a keyframe newer than
// itself.
func (c *Cursor) skip(batch *Batch, limit uint64) {
	r, end := &c.stream.ring, c.publication.end
	limit = min(limit, end)
	to := max(c.next, r.first)
	if c.lagging(time.Now()) {
		if st, ok := r.newestStart(c.next+1, limit); ok {
			to = st.seq
		}
	}
	if to = min(to, end); to > c.next && !c.lost {
		c.lost = true
		c.gaps.Count++
		c.lose(to)
	}
	if !c.lost {
		return
	}
	// A recorder goes on where it loses least, a viewer where it is up to date.
	find := r.newestStart
	if c.patient {
		find = r.oldestStart
	}
	if st, ok := find(c.next, limit); ok {
		c.lose(st.seq)
		c.begin(batch, st)
	} else if end != forever { // nothing is left but the end
		c.lose(end)
		c.lost = false
	}
}

// lose moves the cursor on and counts what it misses.
func (c *Cursor) lose(to uint64) {
	lost, total := to-c.next, &c.stream.registry.viewerSkipped
	if c.patient {
		total = &c.stream.registry.recorderSkipped
	}
	total.Add(lost)
	c.gaps.Packets += lost
	c.skipped += lost
	c.next = to
	if c.patient && lost > 0 {
		c.drop()
	}
}

// drop counts the frames that a recorder has lost before its place.
func (c *Cursor) drop() {
	before := c.frames
	c.frames = c.framesBefore()
	c.dropped.Video += c.frames.video - before.video
	c.dropped.Audio += c.frames.audio - before.audio
	if c.dropped.Until = c.publication.lastFrame; c.next < c.publication.end && c.next < c.stream.ring.next {
		c.dropped.Until = c.stream.ring.at(c.next).packet.DTS
	}
}

// framesBefore counts those before a recorder's place, which is in the ring or at
// the end of its publication.
func (c *Cursor) framesBefore() frames {
	if c.next == c.publication.end {
		return c.publication.upTo // the ring may be empty by now
	}
	return c.stream.ring.framesBefore(c.next)
}

// lagging: a viewer's next packet has waited too long, not counting the burst
// with which it joined.
func (c *Cursor) lagging(now time.Time) bool {
	s := c.stream
	if c.patient || c.next < s.ring.first || c.next >= s.flush.visible || c.next < c.burst {
		return false
	}
	since := s.ring.at(c.next).at
	if c.caughtUp.After(since) {
		since = c.caughtUp
	}
	return now.Sub(since) > s.registry.config.MaxLag
}

// begin puts the cursor at a start and gives it the configurations.
func (c *Cursor) begin(batch *Batch, st start) {
	c.next, c.burst, c.lost = st.seq, c.stream.flush.visible, false
	batch.Start = true
	batch.Packets = append(batch.Packets, st.configs...)
}

// collect takes what there is before a limit, up to the end of the publication.
func (c *Cursor) collect(batch *Batch, limit uint64) {
	r, end := &c.stream.ring, c.publication.end
	limit = min(limit, end)
	if c.next < limit {
		batch.Oldest = r.at(c.next).at
	}
	for bytes := 0; c.next < limit && bytes < batchBytes && len(batch.Packets) < batchPackets; c.next++ {
		p := r.at(c.next).packet
		bytes += p.Size()
		batch.Packets = append(batch.Packets, p)
	}
	if c.patient {
		c.frames = c.framesBefore()
	}
	if c.burst > 0 && c.next >= c.burst {
		c.burst, c.caughtUp = 0, time.Now()
	}
	if c.next == end {
		batch.End = true
		c.leave()
	}
}

// enter and leave count who reads the ring.
func (c *Cursor) enter(p *Publication) {
	c.publication = p
	c.stream.readers++
}

func (c *Cursor) leave() {
	if c.publication == nil {
		return
	}
	c.publication, c.lost = nil, false
	c.stream.readers--
	c.stream.forget()
}
