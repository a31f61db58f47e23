package flv

import (
	"fmt"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Header is what stands in front of the payload of an audio or video body.
type Header struct {
	Kind       media.Kind
	Enhanced   bool
	Legacy     uint8 // first byte of a legacy body
	FrameType  uint8 // video: 1 key, 2 inter, 3 disposable, 4 generated key, 5 command
	Type       PacketType
	Multitrack Multitrack
	Codec      media.Codec // 0 where every track names its own
	Nanos      uint32      // added to the presentation time
	Command    uint8       // of a video body of frame type 5, which has nothing else
	Size       int         // bytes before the payload, or before the first track
}

// ParseHeader reads the header of a body. An empty body is an error: it has no
// header (an empty audio message means silence).
func ParseHeader(kind media.Kind, body []byte) (Header, error) {
	if len(body) == 0 {
		return Header{}, bodyError(kind, 0, "empty")
	}
	r := bodyReader{kind: kind, b: body}
	b := r.uint8()
	enhanced := kind == media.Video && b&enhancedVideo != 0 || kind == media.Audio && b>>4 == audioEnhanced
	if !enhanced {
		return r.legacy(b)
	}
	h := Header{Kind: kind, Enhanced: true, Type: PacketType(b & 15), Multitrack: Single}
	if kind == media.Video {
		h.FrameType = b >> 4 & 7
	}
	r.extensions(&h)
	if h.isCommand() {
		h.Command = r.uint8()
		h.Size = r.at
		return h, r.err
	}
	r.multitrack(&h)
	if h.Multitrack != ManyTracksManyCodecs {
		h.Codec = media.Codec(r.uint32())
	}
	h.Size = r.at
	return h, r.err
}

// isCommand: such a video message has one byte of command, no codec, no payload.
func (h *Header) isCommand() bool {
	return h.Kind == media.Video && h.FrameType == frameCommand && !(h.Enhanced && h.Type == VideoMetadata)
}

// flaggedKey: the publisher says that a decoder can start here.
func (h *Header) flaggedKey() bool {
	return h.FrameType == frameKey || h.FrameType == frameGeneratedKey
}

func (r *bodyReader) legacy(b byte) (Header, error) {
	h := Header{Kind: r.kind, Legacy: b, Multitrack: Single, Type: CodedFramesX}
	id := b >> 4
	if r.kind == media.Video {
		h.FrameType, id = b>>4, b&15
	}
	h.Codec = legacyCodec(r.kind, id)
	switch {
	case h.isCommand():
		h.Command = r.uint8()
	case h.hasLegacyType():
		h.Type = PacketType(r.uint8())
		if h.Kind == media.Video && h.Type != CodedFrames { // there the composition time belongs to the sample
			r.skip(3)
		}
	}
	h.Size = r.at
	return h, r.err
}

// hasLegacyType: the second byte of a legacy AVC, HEVC or AAC body is its packet
// type (FLV E.4.2.2, E.4.3.2).
func (h *Header) hasLegacyType() bool {
	if h.Kind == media.Audio {
		return h.Legacy>>4 == audioAAC
	}
	return h.Legacy&15 == videoAVC || h.Legacy&15 == videoHEVC
}

// undefined: the form of the body does not have such a packet type.
func (h *Header) undefined() bool {
	if h.Enhanced {
		return h.Kind == media.Audio && h.Type == CodedFramesX
	}
	return h.hasLegacyType() && h.Type > SequenceEnd
}

// extensions reads the ModEx chain: data with a length, then the next packet type.
func (r *bodyReader) extensions(h *Header) {
	for n := 0; h.Type == modEx && r.err == nil; n++ {
		if n == maxModEx {
			r.fail("more than %d ModEx", maxModEx)
			return
		}
		size := int(r.uint8()) + 1
		if size == 256 {
			size = int(r.uint16()) + 1
		}
		data := r.skip(size)
		b := r.uint8()
		if r.err == nil && b>>4 == modExTimestampNanos && len(data) >= 3 {
			h.Nanos = min(uint24(data), maxNanos)
		}
		h.Type = PacketType(b & 15)
	}
}

func (r *bodyReader) multitrack(h *Header) {
	marker := videoMultitrack
	if h.Kind == media.Audio {
		marker = audioMultitrack
	}
	if h.Type != marker {
		return
	}
	b := r.uint8()
	h.Multitrack, h.Type = Multitrack(b>>4), PacketType(b&15)
	if h.Type == marker || h.Type == modEx {
		r.fail("packet type %d inside multitrack", h.Type)
	}
	if h.Multitrack > ManyTracksManyCodecs {
		r.fail("multitrack type %d", h.Multitrack)
	}
}

// Append appends the encoded header. A nanosecond offset is written as one
// extension, in three bytes as FFmpeg wants it, other extensions and the unused
// composition time of a legacy header are not; all else is as ParseHeader reads it.
func (h Header) Append(dst []byte) []byte {
	if !h.Enhanced {
		return h.appendLegacy(dst)
	}
	types := []byte{byte(h.Type)}
	if h.Multitrack != Single {
		marker := byte(videoMultitrack)
		if h.Kind == media.Audio {
			marker = byte(audioMultitrack)
		}
		types = []byte{marker, byte(h.Multitrack)<<4 | byte(h.Type)}
	}
	first := byte(audioEnhanced << 4)
	if h.Kind == media.Video {
		first = enhancedVideo | h.FrameType<<4
	}
	if h.Nanos > 0 {
		const size = 3
		dst = append(dst, first|byte(modEx), size-1, byte(h.Nanos>>16), byte(h.Nanos>>8), byte(h.Nanos))
		dst = append(dst, modExTimestampNanos<<4|types[0])
	} else {
		dst = append(dst, first|types[0])
	}
	dst = append(dst, types[1:]...)
	switch {
	case h.isCommand():
		return append(dst, h.Command)
	case h.Multitrack != ManyTracksManyCodecs:
		return appendCodec(dst, h.Codec)
	}
	return dst
}

func (h *Header) appendLegacy(dst []byte) []byte {
	dst = append(dst, h.Legacy)
	switch {
	case h.isCommand():
		return append(dst, h.Command)
	case !h.hasLegacyType():
		return dst
	}
	dst = append(dst, byte(h.Type))
	if h.Kind == media.Video && h.Type != CodedFrames {
		dst = append(dst, 0, 0, 0)
	}
	return dst
}

func appendCodec(dst []byte, c media.Codec) []byte {
	return append(dst, byte(c>>24), byte(c>>16), byte(c>>8), byte(c))
}

// bodyReader reads a body with a sticky error.
type bodyReader struct {
	kind media.Kind
	b    []byte
	at   int
	err  error
}

func (r *bodyReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = bodyError(r.kind, r.at, fmt.Sprintf(format, args...))
	}
}

// skip returns the next n bytes, or nil after an error.
func (r *bodyReader) skip(n int) []byte {
	if have := len(r.b) - r.at; n > have {
		r.fail("cut: have %d bytes, want %d", have, n)
	}
	if r.err != nil {
		return nil
	}
	b := r.b[r.at : r.at+n]
	r.at += n
	return b
}

func (r *bodyReader) uint8() uint8   { return uint8(r.bigEndian(1)) }
func (r *bodyReader) uint16() uint16 { return uint16(r.bigEndian(2)) }
func (r *bodyReader) uint24() uint32 { return r.bigEndian(3) }
func (r *bodyReader) uint32() uint32 { return r.bigEndian(4) }

func (r *bodyReader) bigEndian(n int) (v uint32) {
	for _, b := range r.skip(n) {
		v = v<<8 | uint32(b)
	}
	return v
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }

func bodyError(kind media.Kind, at int, reason string) error {
	return &container.FormatError{Format: "flv", Structure: kind.String() + " body", Offset: int64(at), Reason: reason}
}
