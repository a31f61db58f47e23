package live

import (
	"slices"
	"sync"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// trimEvery spares a stream of nothing but keyframes from looking at all its viewers
// for each of them.
const trimEvery = 100 * time.Millisecond

// Stream is a name with its ring. What follows mu is guarded by it; it is held
// for a few instructions, never across I/O.
type Stream struct {
	name     string
	registry *Registry
	fan      fan // viewers that follow

	mu          sync.Mutex
	ring        ring
	flush       flush
	trimmed     time.Time    // when it was asked last what all cursors need
	publication *Publication // nil between publications
	viewers     map[*Cursor]struct{}
	recorders   []*Cursor     // one, or two while a publication follows another
	readers     int           // cursors inside a publication
	lastTime    time.Duration // newest DTS of all publications so far
}

func newStream(name string, r *Registry) *Stream {
	return &Stream{name: name, registry: r, fan: newFan(), viewers: make(map[*Cursor]struct{})}
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
	p := &Publication{stream: s, evict: evict, since: now, newest: now, first: s.ring.next, before: s.ring.frames, end: forever}
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
	p.end, p.upTo = s.ring.next, s.ring.frames
	s.show(time.Now())
	s.fan.wake()
	s.forget()
	return true
}

// forget empties the ring between publications once nobody reads it any more: who
// waits for the next one needs nothing of the last.
func (s *Stream) forget() {
	if s.publication == nil && s.readers == 0 {
		s.drop(s.ring.next)
		s.ring.entries, s.ring.starts = nil, nil
	}
}

// push and drop keep the registry's account.
func (s *Stream) push(pkt *media.Packet, at time.Time) {
	if s.ring.first == s.ring.next {
		s.registry.rings.Add(1)
	}
	s.ring.push(entry{packet: pkt, at: at})
	s.registry.total.Add(int64(pkt.Size()))
}

func (s *Stream) drop(before uint64) {
	if s.ring.first >= before {
		return
	}
	s.registry.total.Add(-int64(s.ring.dropBefore(before)))
	if s.ring.first == s.ring.next {
		s.registry.rings.Add(-1)
	}
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
	s.flush.stop()
	return true
}

func (s *Stream) subscribe() *Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Cursor{stream: s}
	s.viewers[c] = struct{}{}
	return c
}

func (s *Stream) remove(c *Cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.leave()
	delete(s.viewers, c)
	s.recorders = slices.DeleteFunc(s.recorders, func(r *Cursor) bool { return r == c })
}

// trim forgets what nobody needs, at a new start, and what exceeds the limits.
func (s *Stream) trim(now time.Time, atStart bool) {
	r, c := &s.ring, &s.registry.config
	if atStart && now.Sub(s.trimmed) >= trimEvery {
		s.trimmed = now
		s.drop(s.needed())
	}
	keep, bytes := r.first, r.bytes
	viewers, recorder := s.share(c.StreamBytes, c.TotalBytes), s.share(c.RecordBytes, c.RecordTotal)
	for patient := s.patient(); keep < r.next; keep++ {
		e := r.at(keep)
		over := bytes > viewers || now.Sub(e.at) > c.StreamSpan
		if !over || keep >= patient && bytes <= recorder {
			break
		}
		bytes -= e.packet.Size()
	}
	s.drop(keep)
	s.flush.visible = max(s.flush.visible, r.first)
}

// share is what one stream may keep: its own limit, or an equal part of the
// total once all streams together exceed that. Streams whose publication is over
// count for as long as somebody reads the rest.
func (s *Stream) share(limit, total int) int {
	if s.registry.total.Load() <= int64(total) {
		return limit
	}
	return min(limit, total/max(1, int(s.registry.rings.Load())))
}

// needed is the oldest entry that the newest start or a cursor needs.
func (s *Stream) needed() uint64 {
	keep := s.patient()
	if st, ok := s.ring.newestStart(0, forever); ok {
		keep = min(keep, st.lead)
	}
	for c := range s.viewers {
		if c.publication != nil {
			keep = min(keep, c.next)
		}
	}
	return max(keep, s.ring.first)
}

// patient is the oldest entry that a recorder needs.
func (s *Stream) patient() uint64 {
	oldest := s.ring.next
	for _, c := range s.recorders {
		if c.publication != nil {
			oldest = min(oldest, c.next)
		}
	}
	return oldest
}
