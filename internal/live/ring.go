package live

import (
	"sort"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// entry is a place in the ring.
type entry struct {
	packet *media.Packet
	at     time.Time // it has not come before
	before frames    // all that came before it
}

// frames counts those of each kind.
type frames struct{ video, audio uint64 }

func (f frames) and(p *media.Packet) frames {
	switch {
	case p.Role != media.Frame:
	case p.Kind == media.Video:
		f.video++
	case p.Kind == media.Audio:
		f.audio++
	}
	return f
}

// ring keeps the entries numbered [first, next). Numbers are never used again.
type ring struct {
	entries     []entry // a power of two long
	first, next uint64
	bytes       int
	frames      frames  // that were ever pushed
	starts      []start // oldest first; up to half of them may be before the ring
}

// start is where a viewer can begin, and what it must be given first.
type start struct {
	seq     uint64
	lead    uint64 // where the publication began if this is its first start, else seq
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
	e.before = r.frames
	*r.at(r.next) = e
	r.next++
	r.frames = r.frames.and(e.packet)
	r.bytes += e.packet.Size()
}

// framesBefore counts the frames before an entry that is there, or the next one.
func (r *ring) framesBefore(seq uint64) frames {
	if seq == r.next {
		return r.frames
	}
	return r.at(seq).before
}

// dropBefore forgets entries and returns how many bytes that freed.
func (r *ring) dropBefore(seq uint64) int {
	before := r.bytes
	for ; r.first < seq; r.first++ {
		e := r.at(r.first)
		r.bytes -= e.packet.Size()
		*e = entry{}
	}
	// Only now and then, so that a stream of nothing but keyframes does not move
	// all its starts for each of them.
	if stale := r.startsBefore(r.first); 2*stale > len(r.starts) {
		kept := copy(r.starts, r.starts[stale:])
		clear(r.starts[kept:])
		r.starts = r.starts[:kept]
	}
	return before - r.bytes
}

// startsBefore counts the starts before a place.
func (r *ring) startsBefore(seq uint64) int {
	return sort.Search(len(r.starts), func(i int) bool { return r.starts[i].seq >= seq })
}

// oldestStart returns the oldest place to begin at in [from, before).
func (r *ring) oldestStart(from, before uint64) (start, bool) {
	i := r.startsBefore(max(from, r.first))
	if i < len(r.starts) && r.starts[i].seq < before {
		return r.starts[i], true
	}
	return start{}, false
}

// newestStart returns the newest place to begin at in [from, before).
func (r *ring) newestStart(from, before uint64) (start, bool) {
	i := r.startsBefore(before) - 1
	if i >= 0 && r.starts[i].seq >= max(from, r.first) {
		return r.starts[i], true
	}
	return start{}, false
}
