package server

import (
	"bytes"
	"net"
	"syscall"
)

// TryWriteBuffers is WriteBuffers that does not wait. Records that find no room are sent by
// the next write.
func (c *secureConn) TryWriteBuffers(pieces *net.Buffers) (n int64, err error) {
	if len(c.unsent) > 0 {
		return 0, syscall.EAGAIN
	}
	b := c.buffers.Get().(*sendBuffers)
	defer c.buffers.Put(b)
	for len(*pieces) > 0 {
		taken, err := c.encrypt(b, pieces)
		if err != nil {
			return n, err
		}
		n += taken
		vector := b.vector
		b.vector[0] = b.records
		_, _ = c.socket.TryWriteBuffers(&b.vector) // the next write finds an error again
		rest := bytes.Join(b.vector, nil)
		if b.vector = vector; len(rest) > 0 {
			c.unsent = rest
			return n, syscall.EAGAIN
		}
	}
	return n, nil
}
