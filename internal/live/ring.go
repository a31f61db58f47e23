package live

import (
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// entry is a place in the ring. One without a packet ends a publication.
type entry struct {
	packet *media.Packet
	at     time.Time // when it was published
}

// ring keeps the entries numbered [first, next). Numbers are never used again.
type ring struct {
	entries     []entry // a power of two long
	first, next uint64
	bytes       int
	starts      []start // within the ring, oldest first
}

// start is where a viewer can begin, and what it must be given first.
type start struct {
	seq     uint64
	configs []*media.Packet
}

func (r *ring) at(seq uint64) *entry { return &r.entries[seq&uint64(len(r.entries)-1)] }

func (r *ring) push(e entry) {
	if int(r.next-r.first) == len(r.entries) {
		grown := make([]entry, max(64, 2*len(r.entries)))
		for seq := r.first; seq < r.next; seq++ {
			grown[seq&uint64(len(grown)-1)] = *r.at(seq)
		}
		r.entries = grown
	}
	*r.at(r.next) = e
	r.next++
	if e.packet != nil {
		r.bytes += e.packet.Size()
	}
}

// dropBefore forgets entries and returns how many bytes that freed.
func (r *ring) dropBefore(seq uint64) int {
	before := r.bytes
	for ; r.first < seq; r.first++ {
		e := r.at(r.first)
		if e.packet != nil {
			r.bytes -= e.packet.Size()
		}
		*e = entry{}
	}
	stale := 0
	for stale < len(r.starts) && r.starts[stale].seq < r.first {
		stale++
	}
	r.starts = append(r.starts[:0], r.starts[stale:]...)
	return before - r.bytes
}

// newestStart returns the newest place to begin at in [from, before).
func (r *ring) newestStart(from, before uint64) (start, bool) {
	for i := len(r.starts) - 1; i >= 0 && r.starts[i].seq >= from; i-- {
		if r.starts[i].seq < before {
			return r.starts[i], true
		}
	}
	return start{}, false
}

// span is how long the oldest entry has been in the ring.
func (r *ring) span(now time.Time) time.Duration {
	if r.first == r.next {
		return 0
	}
	return now.Sub(r.at(r.first).at)
}
