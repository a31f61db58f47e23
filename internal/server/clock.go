package server

import (
	"math"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

const (
	maxStepBack = time.Second           // further back is a restart of the publisher's clock
	maxStepOn   = 10 * time.Second      // further on than the time that has passed is a jump
	nominalStep = 33 * time.Millisecond // what a jump is replaced with
	wrapSlack   = 60 * time.Second
)

// clock turns a publisher's timestamps, 32-bit milliseconds that wrap, into times
// of the stream, which start at epoch and never jump.
type clock struct {
	epoch   time.Duration
	started bool
	newest  reading   // of all tracks
	wall    time.Time // when it came
	tracks  map[trackKey]*trackClock
	jumps   int
}

type trackKey struct {
	kind  media.Kind
	track uint8
}

type trackClock struct {
	newest reading
	sent   time.Duration // what was made of it: this never goes back
}

// reading is a timestamp and the stream's time for it.
type reading struct {
	raw uint32
	at  time.Duration
}

// time returns the time of a packet that came at a wall-clock time. Only frames
// move the clock: encoders send headers and ends of sequence with timestamps that
// mean nothing.
func (c *clock) time(p *media.Packet, timestamp uint32, wall time.Time) time.Duration {
	if p.Role != media.Frame {
		return max(c.epoch, c.newest.at)
	}
	if !c.started {
		c.started = true
		c.newest, c.wall = reading{timestamp, c.epoch}, wall
		c.tracks = make(map[trackKey]*trackClock)
	}
	key := trackKey{p.Kind, p.Track}
	t := c.tracks[key]
	if t == nil {
		t = &trackClock{newest: c.newest, sent: math.MinInt64}
		c.tracks[key] = t
	}
	now := reading{timestamp, c.at(t, timestamp, wall)}
	c.newest, c.wall, t.newest = now, wall, now
	if now.at < t.sent {
		now.at = t.sent + time.Millisecond
	}
	t.sent = now.at
	return t.sent
}

// at continues a track. The first track that jumps goes on as if it had not, and
// the others follow it: what counts for them is their distance to it.
func (c *clock) at(t *trackClock, timestamp uint32, wall time.Time) time.Duration {
	limit := maxStepOn + wall.Sub(c.wall)
	for _, from := range []reading{t.newest, c.newest} {
		if step := from.step(timestamp); -maxStepBack <= step && step <= limit {
			return from.at + step
		}
	}
	c.jumps++
	return c.newest.at + nominalStep
}

// step is how far a timestamp is from a reading, by the shorter way around. Some
// encoders keep 31 bits.
func (r reading) step(timestamp uint32) time.Duration {
	const ms = time.Millisecond
	step := time.Duration(int32(timestamp-r.raw)) * ms
	if short := time.Duration(int32((timestamp-r.raw)<<1)>>1) * ms; step.Abs() > wrapSlack && short.Abs() < wrapSlack {
		return short
	}
	return step
}
