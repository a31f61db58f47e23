package live

import (
	"slices"
	"sync"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// audioHold is how long audio waits for the video frame that it travels with.
const audioHold = 40 * time.Millisecond

// Stream is a name with its ring. What follows mu is guarded by it; it is held
// for a few instructions, never across I/O.
type Stream struct {
	name     string
	registry *Registry

	mu          sync.Mutex
	ring        ring
	visible     uint64        // cursors read up to here
	wake        chan struct{} // closed at a flush; nil while nobody waits
	hold        *time.Timer   // flushes audio that no video follows
	publication *Publication  // nil between publications
	viewers     map[*Cursor]struct{}
	recorders   []*Cursor     // one, or two while a publication follows another
	lastTime    time.Duration // newest DTS of all publications so far
}

func newStream(name string, r *Registry) *Stream {
	return &Stream{name: name, registry: r, viewers: make(map[*Cursor]struct{})}
}

// Name returns the name under which the stream is published.
func (s *Stream) Name() string { return s.name }

// Info is a snapshot of a stream.
type Info struct {
	Name      string
	Live      bool      // somebody publishes
	Since     time.Time // begin of the publication
	Video     media.Codec
	Audio     media.Codec
	Bytes     uint64 // of audio and video received in the publication
	Viewers   int
	RingBytes int
}

// Info returns a snapshot.
func (s *Stream) Info() Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := Info{Name: s.name, Viewers: len(s.viewers), RingBytes: s.ring.bytes}
	if p := s.publication; p != nil {
		info.Live, info.Since, info.Bytes = true, p.since, p.bytes
		info.Video, info.Audio = p.codecs[media.Video], p.codecs[media.Audio]
	}
	return info
}

func (s *Stream) begin(evict func()) *Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	p := &Publication{stream: s, evict: evict, since: now, newest: now, first: s.ring.next}
	if p.first > 0 {
		p.epoch = s.lastTime + epochGap
	}
	s.publication = p
	return p
}

// epochGap separates the times of two publications of a name.
const epochGap = 40 * time.Millisecond

// end closes a publication; false if it was closed before.
func (s *Stream) end(p *Publication) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publication != p {
		return false
	}
	s.publication = nil
	for _, c := range s.recorders {
		if c.until == forever {
			c.until = s.ring.next
		}
	}
	s.ring.push(entry{at: time.Now()})
	s.flush()
	return true
}

// idlePublication returns the current publication, and whether it still sends.
func (s *Stream) idlePublication(silence time.Duration) (p *Publication, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p = s.publication
	return p, p != nil && time.Since(p.newest) < silence
}

func (s *Stream) unused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publication != nil || len(s.viewers)+len(s.recorders) > 0 {
		return false
	}
	if s.hold != nil {
		s.hold.Stop()
	}
	s.registry.total.Add(-int64(s.ring.dropBefore(s.ring.next)))
	return true
}

func (s *Stream) subscribe() *Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Cursor{stream: s, joining: true, next: s.ring.next, until: forever}
	s.viewers[c] = struct{}{}
	return c
}

func (s *Stream) remove(c *Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.viewers, c)
	s.recorders = slices.DeleteFunc(s.recorders, func(r *Cursor) bool { return r == c })
}

// flush makes everything visible and wakes whoever waits for it.
func (s *Stream) flush() {
	s.visible = s.ring.next
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// flushLater sees to it that audio is visible in time if no video comes.
func (s *Stream) flushLater() {
	if s.ring.next-s.visible > 1 {
		return // the timer runs already
	}
	if s.hold != nil {
		s.hold.Reset(audioHold)
		return
	}
	s.hold = time.AfterFunc(audioHold, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.visible < s.ring.next && time.Since(s.ring.at(s.visible).at) >= audioHold {
			s.flush()
		}
	})
}

// trim forgets what nobody needs, at a new start, and what exceeds the limits.
func (s *Stream) trim(now time.Time, atStart bool) {
	r, c := &s.ring, &s.registry.config
	if atStart {
		s.registry.total.Add(-int64(r.dropBefore(s.needed())))
	}
	keep, bytes := r.first, r.bytes
	viewers, recorder := s.share(c.StreamBytes, c.TotalBytes), s.share(c.RecordBytes, c.RecordTotal)
	for patient := s.patient(); keep < r.next; keep++ {
		e := r.at(keep)
		over := bytes > viewers || now.Sub(e.at) > c.StreamSpan
		if !over || keep >= patient && bytes <= recorder {
			break
		}
		if e.packet != nil {
			bytes -= e.packet.Size()
		}
	}
	s.registry.total.Add(-int64(r.dropBefore(keep)))
	s.visible = max(s.visible, r.first)
}

// share is what one stream may keep: its own limit, or an equal part of the
// total once all streams together exceed that.
func (s *Stream) share(limit, total int) int {
	if s.registry.total.Load() <= int64(total) {
		return limit
	}
	return min(limit, total/max(1, int(s.registry.live.Load())))
}

// needed is the oldest entry that the newest start or a cursor needs.
func (s *Stream) needed() uint64 {
	keep := s.patient()
	if st, ok := s.ring.newestStart(0, forever); ok {
		keep = min(keep, st.seq)
	}
	for c := range s.viewers {
		if !c.joining {
			keep = min(keep, c.next)
		}
	}
	return max(keep, s.ring.first)
}

// patient is the oldest entry that a recorder needs.
func (s *Stream) patient() uint64 {
	oldest := s.ring.next
	for _, c := range s.recorders {
		oldest = min(oldest, c.next)
	}
	return oldest
}
