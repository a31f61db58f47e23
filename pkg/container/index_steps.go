package container

import (
	"iter"
	"time"
)

// Pace follows the DTS of a track. Nothing says how long the newest sample of a
// stream lasts, so it is taken to last as long as the one before it. A single step
// far from the others is a gap or a slip of the publisher, and not taken over.
type Pace struct {
	last  int64
	step  int64
	begun bool
	odd   bool // the last step was not taken over
}

// oddFactor is how many times longer or shorter than the others an odd step is.
const oddFactor = 4

// Add notes the DTS of the next sample.
func (p *Pace) Add(dts int64) {
	step := dts - p.last
	first := !p.begun
	p.last, p.begun = dts, true
	if first || step <= 0 {
		return
	}
	if p.step == 0 || p.odd || step/oddFactor <= p.step && p.step/oddFactor <= step {
		p.step, p.odd = step, false
		return
	}
	p.odd = true
}

// Step is how long the newest sample lasts, in ticks; 0 if nothing is known.
func (p *Pace) Step() int64 { return p.step }

// Gap is a place where the DTS of a track steps much further than usual.
type Gap struct {
	Before, After Row // the samples around it
}

// gapFactor is how many usual steps a gap has at least.
const gapFactor = 3

// Gaps yields the places where the DTS steps by at least a duration and by at
// least three times the usual step.
func (t *Track) Gaps(atLeast time.Duration) iter.Seq[Gap] {
	return func(yield func(Gap) bool) {
		if t.Samples < 2 || t.Timescale == 0 {
			return
		}
		limit := gapFactor * t.UsualStep()
		before := t.First
		for r := range t.Rows() {
			if step := r.DTS - before.DTS; step >= limit && step > 0 && t.Time(step) >= atLeast && !yield(Gap{before, r}) {
				return
			}
			before = r
		}
	}
}

// UsualStep is the mean of the steps of the DTS, without those more than twice as
// long as it: a few long gaps do not move it. It is at least 1.
func (t *Track) UsualStep() int64 {
	if t.Samples < 2 {
		return 1
	}
	const rounds = 4
	mean := max(1, (t.Last.DTS-t.First.DTS)/int64(t.Samples-1))
	for range rounds {
		sum, n := int64(0), int64(0)
		before := t.First.DTS
		for r := range t.Rows() {
			if step := r.DTS - before; step > 0 && step <= 2*mean {
				sum, n = sum+step, n+1
			}
			before = r.DTS
		}
		if n == 0 || sum/n >= mean {
			break
		}
		mean = max(1, sum/n)
	}
	return mean
}
