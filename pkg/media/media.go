// Package media names what flows through rtmptool: packets, the samples inside
// them, and the codecs they carry. It does no I/O.
//
// A [Packet] is the unit of relay: one message of a publisher, classified once
// and immutable from then on. A [Sample] is the unit of storage and checking:
// one access unit of one track.
package media

import "time"

// Kind says what a packet carries.
type Kind uint8

// The kinds of packets.
const (
	Audio Kind = iota + 1
	Video
	Data // metadata, captions, cue points
)

// String returns "audio", "video" or "data".
func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	case Data:
		return "data"
	}
	return "unknown"
}

// Role says what a packet is for.
type Role uint8

// The roles of packets. A joining viewer needs the newest packet of each role
// from Metadata to Channels, a track at a time, before the first frame.
const (
	Frame    Role = iota // coded audio or video
	Metadata             // onMetaData
	Decoder              // a decoder configuration ("sequence header")
	Color                // HDR metadata of a video track
	Channels             // channel layout of an audio track
	End                  // end of a track's coded sequence
	Other                // commands, captions, cue points, unknown packets
)

// Config reports whether a joining viewer needs the packet before any frame.
func (p *Packet) Config() bool { return p.Role >= Metadata && p.Role <= Channels }

// Slot says what a configuration replaces: the newest one of each slot counts.
type Slot struct {
	Kind  Kind
	Role  Role
	Track uint8
}

// Slot is that of the packet.
func (p *Packet) Slot() Slot { return Slot{p.Kind, p.Role, p.Track} }

// Packet is one message of a publisher. Nobody changes a packet after it was
// published: relay, recorder and every viewer share it.
type Packet struct {
	Kind  Kind
	Codec Codec // of the first track inside; 0 for data
	Track uint8 // the first track inside; 0 unless the message is multitrack

	Role Role
	Key  bool // video that a decoder can start at

	// DTS is the decoding time on the stream's clock, in whole milliseconds. It
	// does not wrap, and may be negative for frames that precede the first one.
	DTS time.Duration

	// Body is exactly what the publisher sent, without the message header. It is
	// also the body of an FLV tag.
	Body []byte

	// Frame is the encoded form that all viewers share: the room in front of
	// Body with the RTMP header in it, and Body itself. See rtmp.Message.Frame.
	Frame []byte
}

// Size is what a packet costs in a buffer, in bytes.
func (p *Packet) Size() int { return len(p.Body) + packetOverhead }

// packetOverhead is about what a Packet and its place in a ring take.
const packetOverhead = 160

// Sample is one access unit of one track. Data aliases the packet's Body.
type Sample struct {
	Kind  Kind
	Codec Codec
	Track uint8
	Key   bool
	DTS   time.Duration
	CTS   time.Duration // composition offset: presentation time less DTS
	Data  []byte
}

// Track is one track of a stream or of a file, with its decoder configuration as
// the publisher sent it. What stands in its place for a codec that has none,
// codec.ParseVideo and codec.ParseAudio tell.
type Track struct {
	Kind   Kind
	Codec  Codec
	ID     uint8 // the publisher's number; 0 unless the stream is multitrack
	Config []byte
}
