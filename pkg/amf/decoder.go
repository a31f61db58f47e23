package amf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// decoder is a cursor over one message. The first error sticks: later reads
// return zero values, so that a structure checks once.
type decoder struct {
	b   []byte
	off int
	err error

	depth    int // objects and arrays that are open
	elements int // values so far
	repeated int // bytes of strings that references repeated

	references table // AMF0 2.9

	// AMF3 keeps its own tables for the whole message (AMF3 4.1).
	strings []string
	objects table
	traits  []traits
}

// fail records the first error.
func (d *decoder) fail(what string, at int, kind error, format string, args ...any) {
	if d.err == nil {
		d.err = &Error{What: what, Offset: at, Reason: fmt.Sprintf(format, args...), kind: kind}
	}
}

// keep reports whether v goes into the result: every value that was read
// whole, and the object or array that an error cut short.
func (d *decoder) keep(v any) bool {
	if d.err == nil {
		return true
	}
	switch v.(type) {
	case Object, ECMAArray, StrictArray, TypedObject:
		return true
	}
	return false
}

// element counts one value.
func (d *decoder) element(at int) {
	if d.elements++; d.elements > MaxElements {
		d.fail("value", at, ErrLimit, "more than %d values", MaxElements)
	}
}

// enter opens an object or array; who gets true leaves it with d.depth--.
func (d *decoder) enter(what string, at int) bool {
	if d.depth == MaxDepth {
		d.fail(what, at, ErrLimit, "nested deeper than %d", MaxDepth)
	}
	if d.err != nil {
		return false
	}
	d.depth++
	return true
}

// take returns the next n bytes.
func (d *decoder) take(what string, n uint32) []byte {
	have := len(d.b) - d.off
	if uint64(n) > uint64(have) {
		d.fail(what, d.off, ErrTruncated, "have %d bytes, want %d", have, n)
	}
	if d.err != nil {
		return nil
	}
	b := d.b[d.off : d.off+int(n)]
	d.off += int(n)
	return b
}

// text returns the next n bytes, at most limit.
func (d *decoder) text(what string, n, limit uint32) []byte {
	if n > limit {
		d.fail(what, d.off, ErrLimit, "%d bytes, limit %d", n, limit)
	}
	return d.take(what, n)
}

func (d *decoder) u8(what string) byte {
	if b := d.take(what, 1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16(what string) uint16 {
	if b := d.take(what, 2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32(what string) uint32 {
	if b := d.take(what, 4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) double(what string) float64 {
	if b := d.take(what, 8); b != nil {
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

// u29 reads an integer of one to four bytes; the fourth has 8 bits (AMF3 1.3.1).
func (d *decoder) u29(what string) uint32 {
	var u uint32
	for range 3 {
		c := d.u8(what)
		u = u<<7 | uint32(c&0x7F)
		if c < 0x80 {
			return u
		}
	}
	return u<<8 | uint32(d.u8(what))
}
