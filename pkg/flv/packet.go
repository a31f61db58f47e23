package flv

import (
	"bytes"
	"iter"
	"time"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Parse classifies a message body of a tag type. The packet has no time yet. A
// malformed body is an error; a codec or packet type that nobody here knows is
// not, it makes a packet that is passed on as it is.
func Parse(tagType uint8, body []byte) (*media.Packet, error) {
	p, err := classify(tagType, body)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// classify is Parse without an allocation.
func classify(tagType uint8, body []byte) (media.Packet, error) {
	switch tagType {
	case TagVideo:
		return parseVideo(body)
	case TagAudio:
		return parseAudio(body)
	}
	return parseData(body), nil
}

func parseVideo(body []byte) (media.Packet, error) {
	h, err := ParseHeader(media.Video, body)
	if err != nil {
		return media.Packet{}, err
	}
	if h.isCommand() {
		return media.Packet{Kind: media.Video, Role: media.Other, Body: body}, nil
	}
	first, err := firstTrack(h, body)
	if err != nil {
		return media.Packet{}, err
	}
	p := media.Packet{Kind: media.Video, Codec: first.codec, Track: first.id, Role: media.Other, Body: body}
	if h.undefined() {
		return p, nil
	}
	switch h.Type {
	case SequenceStart, MPEG2TSSequence:
		p.Role = media.Decoder
	case CodedFrames, CodedFramesX:
		p.Role = media.Frame
		p.Key = codec.IsKey(first.codec, first.data, naluLength, h.flaggedKey())
	case SequenceEnd:
		p.Role = media.End
	case VideoMetadata:
		p.Role = media.Color
	}
	return p, nil
}

// naluLength is what practically every encoder uses; for another length the
// walk fails and the publisher's own flag counts.
const naluLength = 4

func parseAudio(body []byte) (media.Packet, error) {
	if len(body) == 0 { // silence, or a flush
		return media.Packet{Kind: media.Audio, Role: media.Other, Body: body}, nil
	}
	h, err := ParseHeader(media.Audio, body)
	if err != nil {
		return media.Packet{}, err
	}
	first, err := firstTrack(h, body)
	if err != nil {
		return media.Packet{}, err
	}
	p := media.Packet{Kind: media.Audio, Codec: first.codec, Track: first.id, Role: media.Other, Body: body}
	if h.undefined() {
		return p, nil
	}
	switch h.Type {
	case SequenceStart:
		if h.Enhanced || len(first.data) > 0 { // FFmpeg sends AAC headers without a configuration too
			p.Role = media.Decoder
		}
	case CodedFrames, CodedFramesX:
		p.Role = media.Frame
	case SequenceEnd:
		p.Role = media.End
	case MultichannelConfig:
		p.Role = media.Channels
	}
	return p, nil
}

func parseData(body []byte) media.Packet {
	p := media.Packet{Kind: media.Data, Role: media.Other, Body: body}
	if name, _, err := amf.ParseValue(body); err == nil && name == metadataName {
		p.Role = media.Metadata
	}
	return p
}

// Config returns what a packet tells a decoder of its first track: the configuration
// that one of role Decoder carries, or what [SampleConfig] finds in a frame. It is
// nil if the packet tells nothing. It aliases the body.
func Config(p *media.Packet) []byte {
	switch p.Role {
	case media.Decoder:
		for t := range Configs(p) {
			return t.Config
		}
	case media.Frame:
		for s := range Samples(p) {
			return SampleConfig(p, s)
		}
	}
	return nil
}

// SampleConfig returns what stands for a configuration that is missing: what the
// frame of a packet tells by itself, or for PCM and G.711 the first byte of the body,
// which has rate, size and channels (FLV E.4.2.1); nil if that is nothing.
func SampleConfig(p *media.Packet, s media.Sample) []byte {
	switch s.Codec {
	case media.PCM, media.ALaw, media.MuLaw:
		return p.Body[:1]
	}
	return codec.FrameConfig(s.Codec, s.Data, s.Key)
}

// Describes reports whether a track with a configuration goes on with a packet: it is
// also the packet's, or the packet has none. Sound without one tells in every frame
// what it is. So does a key frame of VP8 or VP9, but a decoder goes along with that.
func Describes(p *media.Packet, config []byte) bool {
	if p.Role == media.Frame && p.Kind == media.Video {
		return true
	}
	own := Config(p)
	if own == nil || bytes.Equal(own, config) {
		return true
	}
	if p.Role == media.Decoder {
		return false
	}
	was, _ := codec.ParseAudio(p.Codec, config)
	is, _ := codec.ParseAudio(p.Codec, own)
	return is == was
}

// payload returns what a packet carries for its first track.
func payload(p *media.Packet) []byte {
	h, err := ParseHeader(p.Kind, p.Body)
	if err != nil {
		return nil
	}
	first, err := firstTrack(h, p.Body)
	if err != nil {
		return nil
	}
	return first.data
}

// Samples yields the access units of a frame packet, one of each track.
func Samples(p *media.Packet) iter.Seq[media.Sample] {
	return func(yield func(media.Sample) bool) {
		if p.Role != media.Frame {
			return
		}
		h, err := ParseHeader(p.Kind, p.Body)
		if err != nil {
			return
		}
		// Parse has checked the body, so this ends without an error.
		_ = eachTrack(h, p.Body, func(t track) bool {
			key := p.Key
			if p.Kind == media.Video && t.id != p.Track {
				key = codec.IsKey(t.codec, t.data, naluLength, h.flaggedKey())
			}
			return yield(media.Sample{
				Kind: p.Kind, Codec: t.codec, Track: t.id, Key: key, DTS: p.DTS,
				CTS:  time.Duration(t.composition)*time.Millisecond + time.Duration(h.Nanos),
				Data: t.data,
			})
		})
	}
}

// track is the part of a body that belongs to one track.
type track struct {
	id          uint8
	codec       media.Codec
	composition int32 // ms
	data        []byte
}

// firstTrack returns the first track of a body after checking the bounds of all.
func firstTrack(h Header, body []byte) (track, error) {
	if h.Multitrack == Single {
		return h.track(0, h.Codec, body, h.Size, len(body))
	}
	var first track
	n := 0
	err := eachTrack(h, body, func(t track) bool {
		if n == 0 {
			first = t
		}
		n++
		return true
	})
	if err == nil && n == 0 {
		err = bodyError(h.Kind, h.Size, "multitrack without a track")
	}
	return first, err
}

// eachTrack calls visit for each track until it returns false (E-RTMP
// "processVideoBody", "processAudioBody").
func eachTrack(h Header, body []byte, visit func(track) bool) error {
	if h.Multitrack == Single {
		t, err := h.track(0, h.Codec, body, h.Size, len(body))
		if err == nil {
			visit(t)
		}
		return err
	}
	r := bodyReader{kind: h.Kind, b: body, at: h.Size}
	for n := 0; r.at < len(body); n++ {
		if n == maxTracks {
			r.fail("more than %d tracks", maxTracks)
		}
		c := h.Codec
		if h.Multitrack == ManyTracksManyCodecs {
			c = media.Codec(r.uint32())
		}
		id := r.uint8()
		size := len(body) - r.at
		if h.Multitrack != OneTrack {
			size = int(r.uint24())
		}
		begin := r.at
		r.skip(size)
		if r.err != nil {
			return r.err
		}
		t, err := h.track(id, c, body, begin, begin+size)
		if err != nil {
			return err
		}
		if !visit(t) {
			return nil
		}
	}
	return nil
}

// track takes the composition time off the payload between two offsets.
func (h *Header) track(id uint8, c media.Codec, body []byte, begin, end int) (track, error) {
	t := track{id: id, codec: c, data: body[begin:end]}
	if h.Type == CodedFrames && h.Kind == media.Video && hasComposition(c) {
		if len(t.data) < 3 {
			return track{}, bodyError(h.Kind, begin, "cut inside the composition time")
		}
		t.composition = int32(uint24(t.data)<<8) >> 8
		t.data = t.data[3:]
	}
	if c == media.H264 && !h.Enhanced && h.isH265(t.data) {
		t.codec = media.H265
	}
	return t, nil
}

// isH265: betas of OBS 29.1 sent H.265 by the number of H.264. Each message is
// judged by itself, so that whoever comes upon one later agrees.
func (h *Header) isH265(data []byte) bool {
	switch h.Type {
	case SequenceStart:
		return codec.IsHVCC(data)
	case CodedFrames:
		return codec.IsH265(data)
	}
	return false
}
