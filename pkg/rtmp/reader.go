package rtmp

import (
	"encoding/binary"
	"fmt"
	"io"
)

// chunkStream is what is remembered of one chunk stream: the header that later
// chunks leave out (RTMP 5.3.1.2), and the message that is being received.
type chunkStream struct {
	id        uint32
	timestamp uint32 // of the newest message, ms
	delta     uint32 // what a type-3 chunk adds when it begins a message, ms
	full      bool   // the last header was a full one: delta is its timestamp
	length    uint32 // of the newest message, bytes
	kind      uint8
	streamID  uint32
	extended  bool   // the last header had an extended timestamp
	extValue  uint32 // and this was its value

	open    bool   // a message is being received
	room    []byte // headroom and the part of the body that is here
	largest int    // largest body so far: what is worth allocating at once
	used    uint64 // reader.clock when a chunk came last
}

func (cs *chunkStream) received() int { return len(cs.room) - headroom }

// reserved is how long a body there is room for.
func (cs *chunkStream) reserved() int { return max(0, cap(cs.room)-headroom) }

// ReadMessage returns the next message. Control messages have taken effect
// when it returns them. The error is io.EOF when the peer closed between two
// messages, a *ProtocolError when it broke the protocol.
func (c *Conn) ReadMessage() (Message, error) {
	for {
		if len(c.queue) > 0 {
			m := c.queue[0]
			c.queue[0] = Message{} // the body is the caller's alone
			c.queue = c.queue[1:]
			return m, nil
		}
		cs, err := c.readChunk()
		if err != nil {
			return Message{}, err
		}
		if cs.open && cs.received() < int(cs.length) {
			continue
		}
		m := c.finish(cs)
		if m.Type == TypeAggregate {
			c.queue = c.splitAggregate(m)
			continue
		}
		if isControl(m.Type) {
			if err := c.control(m); err != nil {
				return Message{}, err
			}
		}
		return m, nil
	}
}

func (c *Conn) finish(cs *chunkStream) Message {
	m := Message{Type: cs.kind, StreamID: cs.streamID, Timestamp: cs.timestamp, Body: cs.room[headroom:], room: cs.room}
	cs.largest = max(cs.largest, len(m.Body))
	c.release(cs)
	return m
}

// readChunk reads one chunk into its chunk stream.
func (c *Conn) readChunk() (*chunkStream, error) {
	cs, format, err := c.readBasicHeader()
	if err != nil {
		return nil, err
	}
	if err := c.readMessageHeader(cs, format); err != nil {
		return nil, unexpected(err)
	}
	n := min(int(cs.length)-cs.received(), int(c.inChunk))
	if err := c.readBody(cs, n); err != nil {
		return nil, unexpected(err)
	}
	return cs, nil
}

// readBasicHeader reads the format and the chunk stream id (RTMP 5.3.1.1). It
// takes the longer encodings of small ids too.
func (c *Conn) readBasicHeader() (*chunkStream, byte, error) {
	b, err := c.br.ReadByte()
	if err != nil {
		if c.reserved > 0 { // between two chunks of a message
			err = unexpected(err)
		}
		return nil, 0, err
	}
	c.received++
	format, id := b>>6, uint32(b&0x3F)
	if id < 2 {
		ext, err := c.readHeader(int(id) + 1)
		if err != nil {
			return nil, 0, unexpected(err)
		}
		id = 64 + uint32(ext[0])
		if len(ext) == 2 {
			id += uint32(ext[1]) << 8
		}
	}
	cs, err := c.stream(id, format)
	return cs, format, err
}

// stream finds a chunk stream or begins one. The first chunk should carry a full
// header; librtmp begins with type 1, which means a time from 0 and stream 0.
func (c *Conn) stream(id uint32, format byte) (*chunkStream, error) {
	c.clock++
	if cs := c.last; cs != nil && cs.id == id {
		cs.used = c.clock
		return cs, nil
	}
	cs, ok := c.streams[id]
	if !ok {
		if format > 1 {
			return nil, c.violation("chunk stream %d begins with a type-%d chunk, which needs an earlier one", id, format)
		}
		if len(c.streams) >= maxCSIDs && !c.forgetIdle() {
			return nil, c.violation("more than %d chunk streams with unfinished messages", maxCSIDs)
		}
		cs = &chunkStream{id: id}
		c.streams[id] = cs
	}
	cs.used = c.clock
	c.last = cs
	return cs, nil
}

// forgetIdle makes room for a chunk stream: the least recently used one without
// an unfinished message goes.
func (c *Conn) forgetIdle() bool {
	var oldest *chunkStream
	for _, cs := range c.streams {
		if !cs.open && (oldest == nil || cs.used < oldest.used) {
			oldest = cs
		}
	}
	if oldest == nil {
		return false
	}
	delete(c.streams, oldest.id)
	return true
}

// readMessageHeader reads what the format carries, inherits the rest, and opens
// the message unless the chunk continues one (RTMP 5.3.1.2).
func (c *Conn) readMessageHeader(cs *chunkStream, format byte) error {
	if format == 3 {
		return c.continueOrRepeat(cs)
	}
	h, err := c.readHeader([3]int{11, 7, 3}[format])
	if err != nil {
		return err
	}
	next := *cs
	stamp := uint24(h)
	if format <= 1 {
		next.length, next.kind = uint24(h[3:]), h[6]
	}
	if format == 0 {
		next.streamID = binary.LittleEndian.Uint32(h[7:])
	}
	if next.extended = stamp == extendedMark; next.extended {
		if h, err = c.readHeader(4); err != nil {
			return err
		}
		stamp = binary.BigEndian.Uint32(h)
		next.extValue = stamp
	}
	if cs.open {
		if next.length == cs.length && next.kind == cs.kind {
			return nil // a sender that gives every chunk a header (FFmpeg, Red5)
		}
		c.quirks++
		c.release(cs)
		next.room = nil
	}
	next.delta, next.full = stamp, format == 0
	if next.full {
		next.timestamp = stamp
	} else {
		next.timestamp += stamp
	}
	*cs = next
	return c.begin(cs)
}

// continueOrRepeat handles a type-3 chunk: the next part of a message, or a new
// message with the header of the one before.
func (c *Conn) continueOrRepeat(cs *chunkStream) error {
	pending := int(cs.length)
	if cs.open {
		pending -= cs.received()
	}
	if cs.extended {
		if err := c.skipRepeatedTimestamp(cs, min(pending, int(c.inChunk))); err != nil {
			return err
		}
	}
	if cs.open {
		return nil
	}
	// After a full header the delta is that header's timestamp (RTMP 5.3.1.2.4).
	// Far from 0 no sender means that: it repeats the time.
	if cs.full && cs.delta > rebaseJump {
		c.quirks++
	} else {
		cs.timestamp += cs.delta
	}
	return c.begin(cs)
}

// skipRepeatedTimestamp settles whether the peer repeats the extended timestamp
// in type-3 chunks: the current specification does, older senders do not. The
// bytes tell: equal to the last value means repeated. Two equal observations
// settle it for the connection. pending is how many payload bytes the chunk has;
// no more than those are waited for while they differ from the timestamp. Payload
// that begins with the timestamp is taken for it.
func (c *Conn) skipRepeatedTimestamp(cs *chunkStream, pending int) error {
	if c.repeats >= latchAfter {
		_, err := c.readHeader(4)
		return err
	}
	if c.repeats <= -latchAfter {
		return nil
	}
	var value, absolute [4]byte
	binary.BigEndian.PutUint32(value[:], cs.extValue)
	binary.BigEndian.PutUint32(absolute[:], cs.timestamp)
	equal := false
	for n := min(pending, 4); ; n = 4 {
		b, err := c.br.Peek(n)
		if err == io.EOF && c.repeats <= 0 {
			return nil // too few bytes for a timestamp: they are payload
		}
		if err != nil {
			return err
		}
		equal = string(b) == string(value[:n]) || string(b) == string(absolute[:n])
		if !equal || n == 4 {
			break
		}
	}
	if !equal {
		c.repeats = min(c.repeats, 0) - 1
		return nil
	}
	c.repeats = max(c.repeats, 0) + 1
	_, err := c.readHeader(4)
	return err
}

// begin opens a message. A declared length allocates eagerBody, or twice what the
// chunk stream had before so that nothing is copied later; whatever the peer
// declares, that is little for all its unfinished messages together.
func (c *Conn) begin(cs *chunkStream) error {
	if limit := c.limit(cs.kind); int(cs.length) > limit {
		return c.violation("message of type %d declares %d bytes, at most %d are allowed", cs.kind, cs.length, limit)
	}
	size := 0
	if c.mediaAllowed {
		size = min(max(eagerBody, 2*cs.largest), eagerTotal-c.reserved)
	}
	size = max(size, smallBody)
	cs.open = true
	return c.reserve(cs, min(int(cs.length), size))
}

// limit is how long a message of a type may be.
func (c *Conn) limit(kind uint8) int {
	switch {
	case !c.mediaAllowed:
		return maxEarly
	case kind == TypeAudio:
		return maxAudio
	case kind == TypeVideo, kind == TypeAggregate:
		return maxVideo
	}
	return maxCommand
}

// reserve gives the message room for a body of n bytes and keeps what is there.
func (c *Conn) reserve(cs *chunkStream, n int) error {
	limit := maxPartial
	if !c.mediaAllowed {
		limit = earlyPartial
	}
	if c.reserved += n - cs.reserved(); c.reserved > limit {
		return c.violation("unfinished messages take more than %d bytes", limit)
	}
	room := make([]byte, max(headroom, len(cs.room)), headroom+n)
	copy(room, cs.room)
	cs.room = room
	return nil
}

// release ends the message that is being received, if there is one.
func (c *Conn) release(cs *chunkStream) {
	c.reserved -= cs.reserved()
	cs.open, cs.room = false, nil
}

// readBody appends n bytes to the message. Beyond the first allocation the body
// grows with what was received. Acknowledgements are due within a chunk too: it
// may be longer than the window.
func (c *Conn) readBody(cs *chunkStream, n int) error {
	for {
		if err := c.acknowledge(); n == 0 || err != nil {
			return err
		}
		if len(cs.room) == cap(cs.room) {
			if err := c.reserve(cs, min(int(cs.length), 2*cs.reserved())); err != nil {
				return err
			}
		}
		at := len(cs.room)
		step := min(n, cap(cs.room)-at, c.ackStep())
		cs.room = cs.room[:at+step]
		if _, err := io.ReadFull(c.br, cs.room[at:]); err != nil {
			return err
		}
		c.received += uint64(step)
		n -= step
	}
}

// readHeader reads n <= 11 bytes that are valid until the next read.
func (c *Conn) readHeader(n int) ([]byte, error) {
	b := c.header[:n]
	if _, err := io.ReadFull(c.br, b); err != nil {
		return nil, err
	}
	c.received += uint64(n)
	return b, nil
}

func (c *Conn) violation(format string, args ...any) error {
	return &ProtocolError{Offset: c.received, Reason: fmt.Sprintf(format, args...)}
}

// unexpected turns the end of the stream inside a message into an error that
// cannot be taken for a clean end.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func uint24(b []byte) uint32 {
	return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
}

func putUint24(b []byte, v uint32) {
	b[0], b[1], b[2] = byte(v>>16), byte(v>>8), byte(v)
}

// splitAggregate takes the messages out of an aggregate (RTMP 7.1.6): records
// like FLV tags, whose times count from the first one. Back pointers are not
// looked at and a cut record ends it. Records of control messages, of aggregates
// and of messages that are too long are left out. Each body is a copy: one that
// is kept must not keep the whole aggregate.
func (c *Conn) splitAggregate(m Message) []Message {
	const recordHeader, backPointer = 11, 4
	var out []Message
	var first uint32
	for rest := m.Body; len(rest) > 0 && len(out) < maxRecords; {
		if len(rest) < recordHeader || int(uint24(rest[1:])) > len(rest)-recordHeader {
			c.quirks++
			break
		}
		kind, size := rest[0], int(uint24(rest[1:]))
		stamp := uint24(rest[4:]) | uint32(rest[7])<<24
		if len(rest) == len(m.Body) {
			first = stamp
		}
		if isControl(kind) || kind == TypeAggregate || size > c.limit(kind) {
			c.quirks++
		} else {
			room := append(make([]byte, headroom, headroom+size), rest[recordHeader:recordHeader+size]...)
			out = append(out, Message{Type: kind, StreamID: m.StreamID, Timestamp: m.Timestamp + stamp - first, Body: room[headroom:], room: room})
		}
		rest = rest[min(len(rest), recordHeader+size+backPointer):]
	}
	return out
}
