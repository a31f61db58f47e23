package rtmp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Conn is one RTMP connection. One goroutine reads; any number may write. Time
// limits are the business of the reader and writer it was made from.
type Conn struct {
	// Owned by the reading goroutine.
	br           *bufio.Reader
	streams      map[uint32]*chunkStream
	last         *chunkStream // the chunk stream of the newest chunk
	queue        []Message    // rest of an aggregate
	header       [11]byte
	clock        uint64 // chunks received; orders chunk streams by use
	inChunk      uint32 // the peer's chunk size
	window       uint32 // acknowledge at the latest after that many bytes
	acknowledged uint64
	reserved     int // bytes allocated for unfinished messages
	repeats      int // see skipRepeatedTimestamp
	quirks       int
	mediaAllowed bool
	received     uint64 // bytes after the handshake

	// BeforeWrite, if set, is called before every write that may wait: to renew a
	// deadline, for example. Set it before the first write.
	BeforeWrite func()

	// What a write that does not wait needs is together: there may be thousands of
	// connections, and what is touched of each is not in the processor's cache.
	sent      atomic.Uint64
	wmu       sync.Mutex  // guards what follows
	rest      net.Buffers // of TryWriteChunks; goes before all else
	try       TryWriter   // w, if it is one
	w         io.Writer
	out       []byte // scratch of WriteMessages
	outChunk  int
	outWindow uint32      // the window that we announced last
	vec       net.Buffers // scratch of WriteChunks
}

// BuffersWriter is a writer of its own kind for WriteChunks. It uses up the list of pieces,
// also when it fails. The pieces themselves never change, not even later.
type BuffersWriter interface {
	WriteBuffers(pieces *net.Buffers) (int64, error)
}

// TryWriter is a writer of its own kind for TryWriteChunks: it writes what it can
// without waiting and takes that from the pieces.
type TryWriter interface {
	TryWriteBuffers(pieces *net.Buffers) (int64, error)
}

// NewConn makes a connection of a reader and a writer. If the writer is a
// *net.TCPConn or a BuffersWriter, WriteChunks takes one call of it.
func NewConn(r io.Reader, w io.Writer) *Conn {
	try, _ := w.(TryWriter)
	return &Conn{
		br:       bufio.NewReaderSize(r, idleBuffer),
		streams:  make(map[uint32]*chunkStream),
		inChunk:  defaultChunkSize,
		window:   WindowSize,
		w:        w,
		try:      try,
		outChunk: defaultChunkSize,
	}
}

// AllowMedia lifts the limit for messages to that of audio and video, and reads
// in larger steps. Call it from the reading goroutine once a peer may publish.
func (c *Conn) AllowMedia() {
	if !c.mediaAllowed {
		c.mediaAllowed = true
		c.br = bufio.NewReaderSize(c.br, mediaBuffer)
	}
}

// Received and Sent count the bytes after the handshake. Received may be called
// by the reading goroutine only.
func (c *Conn) Received() uint64 { return c.received }

// Sent counts the bytes written after the handshake.
func (c *Conn) Sent() uint64 { return c.sent.Load() }

// Quirks counts what the peer did against the specification and was understood
// all the same. For the reading goroutine only.
func (c *Conn) Quirks() int { return c.quirks }

// WriteMessages writes messages in one call of the writer. A TypeSetChunkSize
// among them takes effect for those after it.
func (c *Conn) WriteMessages(messages ...Message) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.out = c.out[:0]
	for _, m := range messages {
		c.out = AppendMessage(c.out, m, c.outChunk)
		switch m.Type {
		case TypeSetChunkSize:
			c.outChunk = int(binary.BigEndian.Uint32(m.Body))
		case TypeWindowAckSize:
			c.outWindow = binary.BigEndian.Uint32(m.Body)
		}
	}
	if err := c.writeRest(); err != nil {
		return err
	}
	c.beforeWrite()
	n, err := c.w.Write(c.out)
	c.sent.Add(uint64(n))
	if cap(c.out) > idleBuffer {
		c.out = nil
	}
	return err
}

// WriteChunks writes pieces made by AppendChunks, whole frames only, in one
// vectored write. The connection must have announced ChunkSize. The pieces stay
// as they are; the list of them is used up.
func (c *Conn) WriteChunks(pieces [][]byte) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	if err := c.writeRest(); err != nil {
		return err
	}
	c.vec = pieces
	defer func() { c.vec = nil }()
	return c.writeAll(&c.vec)
}

// TryWriteChunks is WriteChunks that waits for nobody. It returns false if it did not
// write all, for whatever reason. Then WriteChunks must be called with what it has left of
// the pieces, none perhaps, before the array of them is used again.
func (c *Conn) TryWriteChunks(pieces *net.Buffers) bool {
	if c.try == nil || !c.wmu.TryLock() {
		return false
	}
	defer c.wmu.Unlock()
	if len(c.rest) > 0 {
		return false
	}
	n, err := c.try.TryWriteBuffers(pieces)
	c.sent.Add(uint64(n))
	if n > 0 { // no other message may come in between
		c.rest, *pieces = *pieces, nil
	}
	return err == nil && len(c.rest)+len(*pieces) == 0
}

// CanTry reports whether TryWriteChunks ever writes.
func (c *Conn) CanTry() bool { return c.try != nil }

// writeRest writes what TryWriteChunks has begun.
func (c *Conn) writeRest() error {
	if len(c.rest) == 0 {
		return nil
	}
	err := c.writeAll(&c.rest)
	c.rest = nil
	return err
}

func (c *Conn) writeAll(pieces *net.Buffers) error {
	for {
		c.beforeWrite()
		n, err := c.writeVec(pieces)
		c.sent.Add(uint64(n))
		// A peer that is slow but takes something has not stopped: the deadline is
		// for what it takes, not for all the pieces.
		if err == nil || n == 0 || len(*pieces) == 0 || !isTimeout(err) {
			return err
		}
	}
}

func (c *Conn) writeVec(pieces *net.Buffers) (int64, error) {
	if w, ok := c.w.(BuffersWriter); ok {
		return w.WriteBuffers(pieces)
	}
	return pieces.WriteTo(c.w)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func (c *Conn) beforeWrite() {
	if c.BeforeWrite != nil {
		c.BeforeWrite()
	}
}

// control applies a protocol control message and answers it.
func (c *Conn) control(m Message) error {
	if m.Type == TypeUserControl {
		return c.userControl(m.Body)
	}
	if len(m.Body) < 4 {
		return c.violation("control message of type %d has %d bytes, want 4", m.Type, len(m.Body))
	}
	v := binary.BigEndian.Uint32(m.Body)
	switch m.Type {
	case TypeSetChunkSize:
		if v < minChunkSize || v > 1<<31-1 {
			return c.violation("chunk size %d is out of range %d..%d", v, minChunkSize, 1<<31-1)
		}
		c.inChunk = min(v, maxChunkSize)
	case TypeAbort:
		if cs, ok := c.streams[v]; ok {
			c.release(cs)
		}
	case TypeWindowAckSize:
		if v > 0 {
			c.window = v
		}
	case TypeSetPeerBandwidth:
		return c.confirmBandwidth(v)
	}
	return nil
}

// confirmBandwidth answers Set Peer Bandwidth, unless the peer knows the window
// already (RTMP 5.4.5). It limits nothing: we never wait for acknowledgements.
func (c *Conn) confirmBandwidth(window uint32) error {
	c.wmu.Lock()
	known := window == c.outWindow
	c.wmu.Unlock()
	if known || window == 0 {
		return nil
	}
	return c.WriteMessages(controlMessage(TypeWindowAckSize, window))
}

func (c *Conn) userControl(body []byte) error {
	if len(body) < 6 || binary.BigEndian.Uint16(body) != EventPingRequest {
		return nil // nothing else needs an answer, unknown events included
	}
	return c.WriteMessages(UserControl(EventPingResponse, binary.BigEndian.Uint32(body[2:])))
}

// acknowledge reports received bytes at half the window, to leave slack for
// peers that stop at the whole one (RTMP 5.4.3).
func (c *Conn) acknowledge() error {
	if c.received-c.acknowledged < uint64(c.ackStep()) {
		return nil
	}
	c.acknowledged = c.received
	return c.WriteMessages(Ack(c.received))
}

// Detach ends reading, for a reader that goes on without messages: so many bytes have
// been received, those that were read ahead included, and an acknowledgement is due after
// step more at the latest.
func (c *Conn) Detach() (received uint64, step int) {
	return c.received + uint64(c.br.Buffered()), c.ackStep()
}

// ackStep is after how many bytes an acknowledgement is due.
func (c *Conn) ackStep() int { return max(int(c.window/2), minAckStep) }

// minAckStep keeps a tiny window from costing an answer for each chunk, in bytes.
const minAckStep = 16 << 10

func controlMessage(kind uint8, v uint32) Message {
	return Message{Type: kind, Body: binary.BigEndian.AppendUint32(nil, v)}
}

// Ack acknowledges that so many bytes were received after the handshake. On the wire the
// number wraps at 2^32 (RTMP 5.4.3).
func Ack(received uint64) Message { return controlMessage(TypeAck, uint32(received)) }

// SetChunkSize is the announcement of ChunkSize for what we send.
func SetChunkSize() Message { return controlMessage(TypeSetChunkSize, ChunkSize) }

// WindowAckSize is the announcement of WindowSize.
func WindowAckSize() Message { return controlMessage(TypeWindowAckSize, WindowSize) }

// SetPeerBandwidth asks for WindowSize with the dynamic limit type (RTMP 5.4.5).
func SetPeerBandwidth() Message {
	const dynamic = 2
	m := controlMessage(TypeSetPeerBandwidth, WindowSize)
	m.Body = append(m.Body, dynamic)
	return m
}

// UserControl is an event with a 4-byte value: a stream id or a time.
func UserControl(event uint16, value uint32) Message {
	body := binary.BigEndian.AppendUint16(nil, event)
	return Message{Type: TypeUserControl, Body: binary.BigEndian.AppendUint32(body, value)}
}
