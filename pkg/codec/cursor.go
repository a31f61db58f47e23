package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
)

// cursor reads a structure field by field. The first failure sticks and later
// reads return zero, so a parser reads all its fields and looks at err once.
type cursor struct {
	name string // of the structure, for errors
	buf  []byte
	pos  int // in bits
	err  error
}

// offset is the byte that the next read begins in.
func (c *cursor) offset() int { return c.pos / 8 }

// left is the number of bits that remain.
func (c *cursor) left() int { return len(c.buf)*8 - c.pos }

// bits reads an unsigned number of 1 to 24 bits.
func (c *cursor) bits(n int, what string) int {
	if !c.has(n, what) {
		return 0
	}
	return int(bits.ReadBitsUnsafe(c.buf, &c.pos, n))
}

func (c *cursor) flag(what string) bool { return c.bits(1, what) == 1 }

func (c *cursor) skip(n int, what string) {
	if c.has(n, what) {
		c.pos += n
	}
}

func (c *cursor) has(n int, what string) bool {
	if c.err == nil && n > c.left() {
		c.failAt(c.offset(), what, "have %d bits, want %d", c.left(), n)
	}
	return c.err == nil
}

// expect reads a field that has one lawful value.
func (c *cursor) expect(n, value int, what string) {
	at := c.offset()
	if got := c.bits(n, what); c.err == nil && got != value {
		c.failAt(at, what, "is %#x, want %#x", got, value)
	}
}

// bytes returns the next n bytes, not copied, and the offset of the first one.
// The cursor stands at a byte border.
func (c *cursor) bytes(n int, what string) (b []byte, at int) {
	at = c.offset()
	if c.err == nil && n > len(c.buf)-at {
		c.failAt(at, what, "have %d bytes, want %d", len(c.buf)-at, n)
	}
	if c.err != nil {
		return nil, at
	}
	c.pos += n * 8
	return c.buf[at : at+n], at
}

// nal returns the next NAL unit behind a 16-bit length, as the records of
// ISO/IEC 14496-15 hold parameter sets, and the offset of its first byte.
func (c *cursor) nal(kind string, i int) (nal []byte, at int) {
	what := fmt.Sprintf("%s %d", kind, i)
	return c.bytes(c.bits(16, what), what)
}

// failAt keeps the first failure. A cause is handed over as ("%w", err).
func (c *cursor) failAt(at int, what, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("codec: %s: %s at %d: %w", c.name, what, at, fmt.Errorf(format, args...))
	}
}

// unmarshal lets mediacommon decode b. It is the one place that recovers: should
// hostile bytes make the library panic, they cost a configuration, not a server.
func unmarshal(dst interface{ Unmarshal([]byte) error }, b []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("mediacommon: %v", r)
		}
	}()
	return dst.Unmarshal(b)
}
