package rtmp

import "encoding/binary"

// A frame is a message encoded once for any number of receivers: one array with
// room for the headers in front of the body.
//
//	0      offset of the type-0 header: 12, or 8 with an extended timestamp
//	1..5   type-3 header that goes between the chunks: 1 byte, or 5
//	8..23  type-0 header, 12 or 16 bytes, ending where the body begins
//	24..   body
//
// The header carries an absolute time, message stream 1 and one chunk stream id
// a type, so that nothing in it depends on the receiver.
const (
	headroom      = 24
	fullHeader    = 12 // basic header of one byte and a type-0 message header
	extendedStamp = 4
	frameStreamID = 1
)

// Frame encodes the message for message stream 1 at a time in ms and returns the
// encoded form, which AppendChunks cuts into chunks. It writes into the room in
// front of a Body that ReadMessage made, and copies any other one. The message
// and its Body must not change afterwards.
func (m *Message) Frame(timestamp uint32) []byte {
	room := m.room
	if !m.inRoom() {
		room = make([]byte, headroom+len(m.Body))
		copy(room[headroom:], m.Body)
	}
	putFrameHeader(room, m.Type, frameStreamID, timestamp)
	return room
}

// inRoom reports whether Body still is what ReadMessage put behind the headroom.
func (m *Message) inRoom() bool {
	n := len(m.Body)
	return len(m.room) == headroom+n && (n == 0 || &m.room[headroom] == &m.Body[0])
}

func putFrameHeader(room []byte, kind uint8, streamID, timestamp uint32) {
	csid := chunkStreamOf(kind)
	start := headroom - fullHeader
	stamp := timestamp
	room[1] = 3<<6 | csid
	if timestamp >= extendedMark {
		start -= extendedStamp
		stamp = extendedMark
		binary.BigEndian.PutUint32(room[headroom-extendedStamp:], timestamp)
		binary.BigEndian.PutUint32(room[2:], timestamp)
	}
	room[0] = byte(start)
	h := room[start:]
	h[0] = csid
	putUint24(h[1:], stamp)
	putUint24(h[4:], uint32(len(room)-headroom))
	h[7] = kind
	binary.LittleEndian.PutUint32(h[8:], streamID)
}

// Retarget returns a copy of a frame for another message stream.
func Retarget(frame []byte, streamID uint32) []byte {
	out := append([]byte(nil), frame...)
	binary.LittleEndian.PutUint32(out[out[0]+8:], streamID)
	return out
}

// AppendChunks appends the pieces that put a frame on a connection whose chunk
// size is ChunkSize. The pieces alias the frame.
func AppendChunks(dst [][]byte, frame []byte) [][]byte {
	start := frame[0]
	if len(frame)-headroom <= ChunkSize {
		return append(dst, frame[start:])
	}
	between := frame[1:2]
	if start < headroom-fullHeader {
		between = frame[1:6]
	}
	dst = append(dst, frame[start:headroom+ChunkSize])
	for rest := frame[headroom+ChunkSize:]; len(rest) > 0; {
		n := min(len(rest), ChunkSize)
		dst = append(dst, between, rest[:n])
		rest = rest[n:]
	}
	return dst
}

// AppendMessage appends a message in chunks of a size: type 0, then type 3.
func AppendMessage(dst []byte, m Message, chunkSize int) []byte {
	var room [headroom]byte
	putFrameHeader(room[:], m.Type, m.StreamID, m.Timestamp)
	start := room[0]
	putUint24(room[start+4:], uint32(len(m.Body)))
	dst = append(dst, room[start:]...)
	between := room[1:2]
	if start < headroom-fullHeader {
		between = room[1:6]
	}
	for rest := m.Body; ; {
		n := min(len(rest), chunkSize)
		dst = append(dst, rest[:n]...)
		if rest = rest[n:]; len(rest) == 0 {
			return dst
		}
		dst = append(dst, between...)
	}
}

func chunkStreamOf(kind uint8) uint8 {
	switch kind {
	case TypeAudio:
		return csidAudio
	case TypeVideo:
		return csidVideo
	case TypeDataAMF0, TypeDataAMF3:
		return csidData
	case TypeCommandAMF0, TypeCommandAMF3:
		return csidCommand
	}
	return csidControl
}
