package server

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// publisher is a message stream that publishes.
type publisher struct {
	publication *live.Publication
	clock       clock
	malformed   int
	jumps       int
	log         zerolog.Logger
}

// message takes a media message from the wire into the stream's ring.
func (p *publisher) message(m rtmp.Message) error {
	switch m.Type {
	case rtmp.TypeDataAMF3:
		if len(m.Body) > 0 && m.Body[0] == 0 {
			m.Body = m.Body[1:] // the selector of the AMF version; what follows is AMF0
		}
		fallthrough
	case rtmp.TypeDataAMF0:
		body, ok := flv.StripDataFrame(m.Body)
		if !ok {
			return nil
		}
		m = rtmp.Message{Type: rtmp.TypeDataAMF0, Timestamp: m.Timestamp, Body: body}
	}
	packet, err := flv.Parse(m.Type, m.Body)
	if err != nil {
		p.drop(err)
		return nil
	}
	packet.DTS = p.clock.time(packet, m.Timestamp, time.Now())
	packet.Frame = m.Frame(uint32(max(0, packet.DTS.Milliseconds())))
	p.publication.Publish(packet)
	if p.clock.jumps > p.jumps {
		p.jumps = p.clock.jumps
		p.log.Warn().Int("jumps", p.jumps).Msg("the publisher's clock jumped: its time goes on without the jump")
	}
	return nil
}

// drop counts a malformed message and tells of the first one.
func (p *publisher) drop(err error) {
	if p.malformed++; p.malformed == 1 {
		p.log.Warn().Err(err).Msg("dropped a malformed message; more of them are only counted")
	}
}

// end closes the publication. Its recorder finishes by itself.
func (p *publisher) end() {
	p.publication.Close()
	after, bytes := p.publication.Totals()
	p.log.Info().Stringer("after", after.Round(time.Second)).Uint64("bytes", bytes).Int("malformed", p.malformed).Msg("publishing ended")
}
