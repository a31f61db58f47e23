package bmff

import (
	"math"
	"time"
)

// timeline turns times in milliseconds into ticks of a track. RTMP's times jitter
// by a millisecond: frames whose length is known are counted instead, and only a
// drift beyond maxDrift and two frames moves the count back to the clock.
type timeline struct {
	scale   int64
	last    int64 // of the newest sample
	next    int64 // where it ends; last if nothing tells
	base    int64 // ticks that were taken off a clock that leapt
	started bool
}

const (
	maxDrift = 50 * time.Millisecond
	// maxLeap is how far a clock may leap: no pause of a publisher is that long, and
	// its ticks fit into the 32 bits of a duration in stts and trun.
	maxLeap = 3 * time.Hour
)

// toTicks rounds to the nearest tick, halves away from 0.
func toTicks(t time.Duration, scale int64) int64 {
	if t < 0 {
		return -toTicks(-t, scale)
	}
	seconds, rest := int64(t/time.Second), int64(t%time.Second)
	return seconds*scale + (rest*scale+int64(time.Second)/2)/int64(time.Second)
}

// at returns the ticks for a sample that lasts so many, 0 if that is not known. They
// begin at 0 at the earliest and rise by at least 1.
func (t *timeline) at(dts time.Duration, length int64) int64 {
	ticks := max(0, toTicks(dts, t.scale)-t.base)
	if t.started {
		ticks = t.after(ticks)
	}
	t.started = true
	t.last, t.next = ticks, ticks+length
	return ticks
}

// after places a sample behind the one before it.
func (t *timeline) after(ticks int64) int64 {
	drift, length := ticks-t.next, t.next-t.last
	limit := max(2*length, toTicks(maxDrift, t.scale))
	switch {
	case drift > min(toTicks(maxLeap, t.scale), math.MaxInt32/2):
		next := max(t.next, t.last+1)
		t.base += ticks - next
		return next
	case length > 0 && drift >= -limit && drift <= limit:
		return t.next
	}
	return max(ticks, t.last+1)
}
