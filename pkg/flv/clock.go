package flv

import "time"

// clock unwraps the times of tags. Writers keep 31 or 32 bits: the time nearest to
// the one before modulo 2^31 is right for both. A step of days is damage until the
// next tag confirms it: else one wrong bit could move everything behind it.
type clock struct {
	now   int64 // ms
	odd   int64 // where a step of days led to
	isOdd bool  // that was the tag before
	begun bool
}

const (
	timeSpan   = timestampMask + 1 // ms
	maxStep    = timeSpan * 3 / 16 // 4.7 days; no single bit is near to that
	confirming = 60_000            // how near the next tag has to be
)

// at is the time of the next tag; that of the one before it if it is not believed.
func (c *clock) at(stamp uint32) time.Duration {
	at := nearest(stamp, c.now)
	if c.begun && distance(at, c.now) > maxStep {
		confirmed := nearest(stamp, c.odd)
		if !c.isOdd || distance(confirmed, c.odd) > confirming {
			c.odd, c.isOdd = at, true
			return c.time()
		}
		at = confirmed
	}
	c.now, c.isOdd, c.begun = at, false, true
	return c.time()
}

// time is that of the newest tag.
func (c *clock) time() time.Duration { return time.Duration(c.now) * time.Millisecond }

// nearest is the time nearest to another one that has the lower 31 bits of a stamp.
func nearest(stamp uint32, to int64) int64 {
	return to + (int64(stamp)-to+timeSpan/2)&timestampMask - timeSpan/2
}

func distance(a, b int64) int64 { return max(a-b, b-a) }
