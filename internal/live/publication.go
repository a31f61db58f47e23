package live

import (
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// Without video for so long, a stream is taken for audio only: viewers can begin
// at an audio packet, one every startEvery.
const (
	audioOnlyAfter = time.Second
	startEvery     = time.Second
)

// Publication is one session of a publisher on a stream. One goroutine
// publishes.
type Publication struct {
	stream *Stream
	evict  func()
	since  time.Time
	epoch  time.Duration // where its clock begins on the stream's
	first  uint64        // its first entry
	before frames        // those before that

	// Guarded by the stream's mutex.
	end       uint64 // the entry after its last one, forever while it lasts
	upTo      frames // those before that
	lastFrame time.Duration
	newest    time.Time // arrival of the newest packet
	bytes     uint64
	codecs    [media.Video + 1]media.Codec
	configs   []*media.Packet // current ones; replaced as a whole, so that starts share it
	sawVideo  bool
	sawAudio  bool
	audioOnly bool
	lastStart time.Duration // DTS of the newest start, or of the first audio
}

// Epoch is where the publication's clock begins, so that viewers who stayed see
// time go on.
func (p *Publication) Epoch() time.Duration { return p.epoch }

// Stream returns the stream that is published.
func (p *Publication) Stream() *Stream { return p.stream }

// Publish hands a packet to everybody who reads the stream. It waits for nobody. The packet
// has not come before a time: a recorder counts from there. After the end of the
// publication Publish does nothing.
func (p *Publication) Publish(pkt *media.Packet, came time.Time) {
	if p.push(pkt, came) {
		p.stream.fan.serve()
	}
}

// push reports whether viewers shall read now.
func (p *Publication) push(pkt *media.Packet, came time.Time) bool {
	s := p.stream
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publication != p {
		return false
	}
	p.newest = now
	if pkt.Kind != media.Data {
		p.bytes += uint64(len(pkt.Body))
	}
	if pkt.Config() {
		p.remember(pkt)
	}
	if pkt.Role == media.Frame {
		p.lastFrame = max(p.lastFrame, pkt.DTS)
	}
	atStart := p.markStart(pkt)
	s.push(pkt, came)
	s.lastTime = max(s.lastTime, pkt.DTS)
	s.trim(now, atStart)
	if pkt.Kind == media.Video && pkt.Role == media.Frame {
		return s.complete(now)
	}
	s.holdAudio(came, now)
	return false
}

// Ended reports whether the publication is over.
func (p *Publication) Ended() bool {
	s := p.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publication != p
}

// Totals returns how long the publication has lasted, and the bytes of audio and
// video that it has brought.
func (p *Publication) Totals() (time.Duration, uint64) {
	s := p.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.newest.Sub(p.since), p.bytes
}

// Patience is how long what comes may wait until it is published, as nobody waits for it: not at
// all if there are viewers.
func (p *Publication) Patience() time.Duration {
	s := p.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.publication != p, len(s.viewers) > 0:
		return 0
	case len(s.recorders) > 0:
		return RecordPatience
	}
	return idlePatience
}

// Close ends the publication: its readers see the end after its last packet.
func (p *Publication) Close() { p.stream.registry.unpublish(p) }

// Cursor returns a cursor of a recorder: it reads this publication only, from its
// first packet, and the ring keeps more for it than for viewers.
func (p *Publication) Cursor() *Cursor {
	s := p.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Cursor{stream: s, patient: true, next: p.first, frames: p.before}
	c.enter(p)
	s.recorders = append(s.recorders, c)
	return c
}

// remember keeps the newest packet of each role and track for those who join.
func (p *Publication) remember(pkt *media.Packet) {
	if pkt.Kind <= media.Video && pkt.Role == media.Decoder && pkt.Track == 0 {
		p.codecs[pkt.Kind] = pkt.Codec
	}
	configs := make([]*media.Packet, 0, len(p.configs)+1)
	for _, c := range p.configs {
		if c.Slot() != pkt.Slot() {
			configs = append(configs, c)
		}
	}
	if len(configs) < maxConfigs && len(pkt.Body) <= maxConfigBody {
		configs = append(configs, pkt)
	}
	slices.SortStableFunc(configs, func(a, b *media.Packet) int { return joinOrder(a) - joinOrder(b) })
	p.configs = configs
}

// joinOrder is the order in which players expect what comes before the first
// frame, whenever the publisher sent it again: metadata, video, audio.
func joinOrder(p *media.Packet) int {
	switch {
	case p.Role == media.Metadata:
		return 0
	case p.Kind == media.Video:
		return 1
	}
	return 2
}

// What is kept for joiners is bounded, as it outlives the ring: metadata, and 16
// tracks of each kind with one more packet for each, of a size that no encoder comes
// near.
const (
	maxConfigs    = 1 + 2*16*2
	maxConfigBody = 64 << 10
)

// markStart notes whether the packet, which is about to be pushed, is a place to
// begin at.
func (p *Publication) markStart(pkt *media.Packet) bool {
	if pkt.Role != media.Frame || pkt.Kind == media.Data {
		return false
	}
	if p.codecs[pkt.Kind] == 0 {
		p.codecs[pkt.Kind] = pkt.Codec
	}
	if pkt.Kind == media.Video {
		return p.markVideo(pkt)
	}
	return p.markAudio(pkt)
}

// markVideo: viewers begin at keyframes. Those who waited for the publication
// also get the sound before the first one.
func (p *Publication) markVideo(pkt *media.Packet) bool {
	r := &p.stream.ring
	first := !p.sawVideo
	if first {
		p.sawVideo = true
		r.starts = slices.DeleteFunc(r.starts, func(st start) bool { return st.seq >= p.first })
	}
	if !pkt.Key || pkt.Track != 0 {
		return false
	}
	if first && !p.audioOnly {
		p.addStart(p.first)
	} else {
		p.addStart(r.next)
	}
	return true
}

// markAudio: without video, viewers begin at a packet every startEvery.
func (p *Publication) markAudio(pkt *media.Packet) bool {
	switch {
	case p.sawVideo:
		return false
	case !p.sawAudio:
		p.sawAudio, p.lastStart = true, pkt.DTS
		return false
	case !p.audioOnly && pkt.DTS-p.lastStart >= audioOnlyAfter:
		p.audioOnly, p.lastStart = true, pkt.DTS
		p.addStart(p.first) // whoever waited misses nothing
		return true
	case p.audioOnly && pkt.DTS-p.lastStart >= startEvery:
		p.lastStart = pkt.DTS
		p.addStart(p.stream.ring.next)
		return true
	}
	return false
}

// addStart makes the packet that is about to be pushed a place to begin at. A
// joining viewer gets what precedes it from the lead on as well.
func (p *Publication) addStart(lead uint64) {
	r := &p.stream.ring
	r.starts = append(r.starts, start{r.next, lead, p.configs})
}
