package rtmp

import "fmt"

// Message types (RTMP 5.4, 6.2, 7.1).
const (
	TypeSetChunkSize     = 1
	TypeAbort            = 2
	TypeAck              = 3
	TypeUserControl      = 4
	TypeWindowAckSize    = 5
	TypeSetPeerBandwidth = 6
	TypeAudio            = 8
	TypeVideo            = 9
	TypeDataAMF3         = 15
	TypeCommandAMF3      = 17
	TypeDataAMF0         = 18
	TypeCommandAMF0      = 20
	TypeAggregate        = 22
)

// User control events (RTMP 7.1.7).
const (
	EventStreamBegin  = 0
	EventStreamEOF    = 1
	EventPingRequest  = 6
	EventPingResponse = 7
)

// Chunk stream ids of what we send. All are below 64, so that a basic header is
// one byte, and at most 8, as old servers demand.
const (
	csidControl = 2
	csidCommand = 3
	csidAudio   = 4
	csidData    = 5
	csidVideo   = 6
)

// Sizes of the wire format and of what we announce, in bytes.
const (
	defaultChunkSize = 128      // RTMP 5.4.1: until the first Set Chunk Size
	extendedMark     = 0xFFFFFF // RTMP 5.3.1.3: the timestamp follows in 4 bytes

	// ChunkSize is what we announce and send with. Larger sizes are refused by
	// some clients; FFmpeg adopts it for what it sends to us.
	ChunkSize = 65536

	// WindowSize is the acknowledgement window that we announce.
	WindowSize = 2_500_000
)

// Limits for what a peer may send.
const (
	minChunkSize = 128       // smaller ones only cost CPU; no encoder uses them
	maxChunkSize = 1<<24 - 1 // larger values act as this one (RTMP 5.4.1)
	maxCSIDs     = 64        // chunk streams remembered for a connection
	maxPartial   = 32 << 20  // bytes allocated for unfinished messages of a connection
	maxCommand   = 1 << 20   // bytes of a command or data message
	maxAudio     = 1 << 20   // bytes of an audio message
	maxVideo     = 1<<24 - 1 // bytes of a video or aggregate message
	maxEarly     = 64 << 10  // bytes of any message before AllowMedia,
	earlyPartial = 256 << 10 // and allocated for unfinished ones then
	eagerBody    = 64 << 10  // bytes allocated on a declared length alone; see begin
	eagerTotal   = 512 << 10 // as long as all unfinished messages take no more than that many;
	smallBody    = 512       // else that many, and before AllowMedia
	rebaseJump   = 10_000    // ms; see continueOrRepeat
	latchAfter   = 2         // equal observations that settle a peer's habit
	idleBuffer   = 1 << 10   // bytes of read buffer until media is allowed, and of scratch that is kept
	mediaBuffer  = 64 << 10  // bytes of read buffer while media flows
	maxRecords   = 1 << 12   // records taken from an aggregate message
)

// isControl reports whether messages of a type are protocol control messages.
func isControl(kind uint8) bool {
	return kind >= TypeSetChunkSize && kind <= TypeSetPeerBandwidth
}

// ProtocolError says that the peer broke the protocol. The connection cannot go
// on: its byte stream is no longer understood.
type ProtocolError struct {
	Offset uint64 // bytes received before the offending part
	Reason string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("rtmp: at byte %d: %s", e.Offset, e.Reason)
}

// Message is one message as it stands on the wire.
type Message struct {
	Type      uint8
	StreamID  uint32 // message stream; 0 is the connection itself
	Timestamp uint32 // milliseconds, wraps
	Body      []byte

	room []byte // headroom bytes and Body in one array, when the reader made it
}
