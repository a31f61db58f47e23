package bmff

import "time"

// timeline turns times in milliseconds into ticks of a track. RTMP's times jitter
// by a millisecond: audio frames of one length are counted instead, and only a
// drift beyond maxDrift and two frames moves the count back to the clock.
type timeline struct {
	scale   int64
	frame   int64 // ticks of an audio frame; 0: times count
	next    int64
	started bool
}

const maxDrift = 50 * time.Millisecond

func toTicks(t time.Duration, scale int64) int64 {
	seconds, rest := int64(t/time.Second), int64(t%time.Second)
	return seconds*scale + (rest*scale+int64(time.Second)/2)/int64(time.Second)
}

// at returns the ticks for a sample. They rise by at least 1.
func (t *timeline) at(dts time.Duration) int64 {
	ticks := toTicks(dts, t.scale)
	if t.started {
		drift := ticks - t.next
		limit := max(2*t.frame, toTicks(maxDrift, t.scale))
		switch {
		case t.frame > 0 && drift >= -limit && drift <= limit:
			ticks = t.next
		case t.frame > 0:
			ticks = max(ticks, t.next-t.frame+1)
		default:
			ticks = max(ticks, t.next)
		}
	}
	t.started = true
	t.next = ticks + max(1, t.frame)
	return ticks
}
