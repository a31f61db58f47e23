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
	headers     headers
	dropped     int // messages
	broken      int // headers
	log         zerolog.Logger
	warnings    *throttle
}

func (s *session) newPublisher(p *live.Publication) *publisher {
	return &publisher{
		publication: p,
		clock:       clock{epoch: p.Epoch(), wall: time.Now()},
		headers:     newHeaders(),
		log:         s.log().With().Str("stream", p.Stream().Name()).Logger(),
		warnings:    &s.server.warnings,
	}
}

func (p *publisher) name() string { return p.publication.Stream().Name() }

// message takes a media message from the wire into the stream's ring. Its last byte has not
// come before a time; zero: it comes now.
func (p *publisher) message(m rtmp.Message, came time.Time) error {
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
	now := time.Now()
	packet, err := flv.Parse(m.Type, m.Body)
	var broken error
	if err == nil {
		broken, err = p.headers.admit(packet, now)
	}
	if err != nil {
		p.tell(&p.dropped, "dropped a message; more of them are only counted", err)
		return nil
	}
	if broken != nil {
		p.tell(&p.broken, "a configuration is broken: it is relayed and recorded as it is; more of them are only counted", broken)
	}
	jumps := p.clock.jumps
	packet.DTS = p.clock.time(packet, m.Timestamp, now)
	if jumps == 0 && p.clock.jumps > 0 {
		p.warnings.warn(p.log, func(e *zerolog.Event) {
			e.Msg("the publisher's clock jumped: its time goes on without the jump; more jumps are only counted")
		})
	}
	packet.Frame = m.Frame(uint32(max(0, packet.DTS.Milliseconds())))
	if came.IsZero() {
		came = now
	}
	p.publication.Publish(packet, came)
	return nil
}

// tell counts what a publisher does wrong, and tells of the first time.
func (p *publisher) tell(count *int, what string, err error) {
	if *count++; *count == 1 {
		p.warnings.warn(p.log, func(e *zerolog.Event) { e.Err(err).Msg(what) })
	}
}

// end closes the publication. Its recorder finishes by itself.
func (p *publisher) end() {
	p.publication.Close()
	after, bytes := p.publication.Totals()
	event := p.log.Info().Stringer("after", after.Round(time.Second)).Uint64("bytes", bytes)
	if p.dropped+p.broken+p.clock.jumps > 0 {
		event = event.Int("dropped", p.dropped).Int("broken_configurations", p.broken).Int("clock_jumps", p.clock.jumps)
	}
	event.Msg("publishing ended")
}
