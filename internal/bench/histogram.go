package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets that are 1/32 of an octave wide: what it returns
// is at most 3 % too high. Any number of goroutines may add.
type histogram struct {
	counts [64 * fine]atomic.Uint32
	max    atomic.Int64 // us
}

const fine = 32

func bucketOf(us uint64) int {
	if us < 2*fine {
		return int(us)
	}
	shift := bits.Len64(us) - 6
	return shift*fine + int(us>>shift)
}

// upper is the largest duration of a bucket, in us.
func upper(bucket int) uint64 {
	if bucket < 2*fine {
		return uint64(bucket)
	}
	shift := bucket/fine - 1
	return (uint64(bucket-shift*fine)+1)<<shift - 1
}

func (h *histogram) add(d time.Duration) {
	us := max(d.Microseconds(), 0)
	h.counts[bucketOf(uint64(us))].Add(1)
	for {
		old := h.max.Load()
		if us <= old || h.max.CompareAndSwap(old, us) {
			return
		}
	}
}

// quantiles returns the durations that these shares of what was added do not exceed, and
// how much was added.
func (h *histogram) quantiles(shares ...float64) (all []time.Duration, n uint64) {
	for i := range h.counts {
		n += uint64(h.counts[i].Load())
	}
	for _, share := range shares {
		rank, seen := uint64(share*float64(n)), uint64(0)
		d := time.Duration(0)
		for i := range h.counts {
			if seen += uint64(h.counts[i].Load()); seen > rank || seen == n && n > 0 {
				d = min(time.Duration(upper(i)), time.Duration(h.max.Load())) * time.Microsecond
				break
			}
		}
		all = append(all, d)
	}
	return all, n
}
