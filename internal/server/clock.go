package server

import (
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

const (
	maxStepBack = time.Second      // further back is a restart of the publisher's clock
	maxStepOn   = 10 * time.Second // further on is a jump, unless that time has passed
	jumpWall    = 2 * time.Second
	nominalStep = 33 * time.Millisecond // what a jump is replaced with
	wrapSlack   = 60 * time.Second
)

// clock turns a publisher's timestamps, 32-bit milliseconds that wrap, into times
// of the stream, which start at epoch and never jump.
type clock struct {
	epoch   time.Duration
	started bool
	raw     uint32        // newest timestamp
	now     time.Duration // and the stream's time for it
	wall    time.Time     // and when it came
	last    map[trackKey]time.Duration
	jumps   int
}

type trackKey struct {
	kind  media.Kind
	track uint8
}

// time returns the time of a packet that came at a wall-clock time. Only frames
// move the clock: encoders send headers and ends of sequence with timestamps that
// mean nothing.
func (c *clock) time(p *media.Packet, timestamp uint32, wall time.Time) time.Duration {
	if p.Role != media.Frame {
		return max(c.epoch, c.now)
	}
	if !c.started {
		c.started, c.now = true, c.epoch
		c.last = make(map[trackKey]time.Duration)
	} else {
		c.now += c.step(timestamp, wall)
	}
	c.raw, c.wall = timestamp, wall
	key := trackKey{p.Kind, p.Track}
	at := c.now
	if last, ok := c.last[key]; ok && at < last {
		at = last + time.Millisecond
	}
	c.last[key] = at
	return at
}

func (c *clock) step(timestamp uint32, wall time.Time) time.Duration {
	const ms = time.Millisecond
	step := time.Duration(int32(timestamp-c.raw)) * ms
	// Some encoders keep 31 bits.
	if short := time.Duration(int32((timestamp-c.raw)<<1)>>1) * ms; step.Abs() > wrapSlack && short.Abs() < wrapSlack {
		step = short
	}
	if step < -maxStepBack || step > maxStepOn && wall.Sub(c.wall) < jumpWall {
		c.jumps++
		return nominalStep
	}
	return step
}
