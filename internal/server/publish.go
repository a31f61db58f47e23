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
	log         zerolog.Logger
}

func (p *publisher) name() string { return p.publication.Stream().Name() }

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
		if !ok || len(body) == 0 {
			return nil
		}
		m = rtmp.Message{Type: rtmp.TypeDataAMF0, Timestamp: m.Timestamp, Body: body}
	}
	packet, err := flv.Parse(m.Type, m.Body)
	if err != nil {
		p.drop(err)
		return nil
	}
	jumps := p.clock.jumps
	packet.DTS = p.clock.time(packet, m.Timestamp, time.Now())
	if jumps == 0 && p.clock.jumps > 0 {
		p.log.Warn().Msg("the publisher's clock jumped: its time goes on without the jump; more jumps are only counted")
	}
	packet.Frame = m.Frame(uint32(max(0, packet.DTS.Milliseconds())))
	p.publication.Publish(packet)
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
	event := p.log.Info().Stringer("after", after.Round(time.Second)).Uint64("bytes", bytes)
	if p.malformed+p.clock.jumps > 0 {
		event = event.Int("malformed", p.malformed).Int("clock_jumps", p.clock.jumps)
	}
	event.Msg("publishing ended")
}
