package bmff

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// box is a box header and where it stands. go-mp4's readers trust sizes, so this
// walk is what everything that is read goes through first.
type box struct {
	kind   string
	offset int64
	header int64
	size   int64 // header included
}

func (b box) end() int64     { return b.offset + b.size }
func (b box) payload() int64 { return b.offset + b.header }

// parseBox reads a box header at an offset of something that ends at end. b holds
// at least the first 16 bytes there, or all that are left. Size 0 means up to end
// (BMFF 4.2).
func parseBox(b []byte, offset, end int64) (box, error) {
	if len(b) < boxHeader {
		return box{}, boxError(offset, fmt.Sprintf("header cut: have %d bytes, want %d", len(b), boxHeader))
	}
	x := box{kind: kindOf(b[4:8]), offset: offset, header: boxHeader, size: int64(binary.BigEndian.Uint32(b))}
	switch x.size {
	case 0:
		x.size = end - offset
	case 1:
		if len(b) < largeBox {
			return box{}, boxError(offset, fmt.Sprintf("header cut: have %d bytes, want %d", len(b), largeBox))
		}
		large := binary.BigEndian.Uint64(b[8:])
		if large > 1<<62 {
			return x, boxError(offset, fmt.Sprintf("%q of %d bytes", x.kind, large))
		}
		x.header, x.size = largeBox, int64(large)
	}
	switch {
	case x.size < x.header:
		return x, boxError(offset, fmt.Sprintf("%q of %d bytes, want at least %d", x.kind, x.size, x.header))
	case x.size > end-offset:
		return x, boxError(offset, fmt.Sprintf("%q of %d bytes, but only %d are left", x.kind, x.size, end-offset))
	}
	return x, nil
}

// kindOf is string(b), without an allocation for the boxes of a fragment.
func kindOf(b []byte) string {
	switch string(b) {
	case "moof":
		return "moof"
	case "mfhd":
		return "mfhd"
	case "traf":
		return "traf"
	case "tfhd":
		return "tfhd"
	case "tfdt":
		return "tfdt"
	case "trun":
		return "trun"
	case "uuid":
		return "uuid"
	case "mdat":
		return "mdat"
	}
	return string(b)
}

func boxError(offset int64, reason string) error {
	return &container.FormatError{Format: "mp4", Structure: "box", Offset: offset, Reason: reason}
}

// split cuts the first box off those in a payload. Without a kind there is none, or it
// is malformed.
func split(b []byte) (kind string, body, rest []byte) {
	if len(b) < boxHeader {
		return "", nil, nil
	}
	header, size := uint64(boxHeader), uint64(binary.BigEndian.Uint32(b))
	if size < boxHeader { // up to the end, or 64 bits
		x, err := parseBox(b, 0, int64(len(b)))
		if err != nil {
			return "", nil, nil
		}
		header, size = uint64(x.header), uint64(x.size)
	}
	if size > uint64(len(b)) {
		return "", nil, nil
	}
	return kindOf(b[4:boxHeader]), b[header:size], b[size:]
}

// child is a box in memory.
type child struct {
	kind string
	body []byte // payload
	all  []byte // header and payload
}

// children yields the boxes in a payload until one is malformed.
func children(b []byte) iter.Seq[child] {
	return func(yield func(child) bool) {
		for {
			kind, body, rest := split(b)
			if kind == "" || !yield(child{kind, body, b[:len(b)-len(rest)]}) {
				return
			}
			b = rest
		}
	}
}

// find returns the payload of the first box on a path, or nil.
func find(b []byte, path ...string) []byte {
	for _, kind := range path {
		var inner []byte
		for c := range children(b) {
			if c.kind == kind {
				inner = c.body
				break
			}
		}
		if inner == nil {
			return nil
		}
		b = inner
	}
	return b
}

// window reads a file forward, in steps as long as the headers of the fragments
// before: one read a fragment, and next to no media.
type window struct {
	r      io.ReaderAt
	size   int64
	offset int64
	bytes  []byte // what the file has there
	step   int64
	err    error // of the file, not of its format

	peeker Peeker // may be nil
	buf    []byte
}

func newWindow(r io.ReaderAt, size int64) window {
	w := window{r: r, size: size, step: maxWindow}
	w.peeker, _ = r.(Peeker)
	return w
}

const (
	minWindow = 64
	maxWindow = 4 << 10
)

// moof returns all of a moof, or what is left of it, after a read that mostly gets the
// header of its mdat too.
func (w *window) moof(b box) []byte {
	w.expect(b.size + 2*boxHeader)
	return w.at(b.offset, b.size)
}

// expect learns from a read how much the next ones are likely to need: as much, and
// slowly less.
func (w *window) expect(n int64) {
	const slowly = 16
	w.step = min(max(n, w.step-(w.step-n)/slowly, minWindow), maxWindow)
}

// at returns n bytes at an offset, or those that are left.
func (w *window) at(offset, n int64) []byte {
	n = min(n, w.size-offset)
	if n <= 0 {
		return nil
	}
	if offset < w.offset || offset+n > w.offset+int64(len(w.bytes)) {
		w.bytes, w.offset = w.read(offset, n), offset
	}
	have := w.bytes[offset-w.offset:]
	return have[:min(n, int64(len(have)))]
}

// read returns at least n bytes at an offset, if the file has them.
func (w *window) read(offset, n int64) []byte {
	if w.peeker != nil {
		if b := w.peeker.Peek(offset); int64(len(b)) >= n {
			return b
		}
	}
	want := min(max(n, w.step), w.size-offset)
	if int64(len(w.buf)) < want {
		w.buf = make([]byte, want)
	}
	got, err := w.r.ReadAt(w.buf[:want], offset)
	if err != nil && err != io.EOF {
		w.fail(offset, want, err)
	}
	return w.buf[:got]
}

func (w *window) fail(offset, n int64, err error) {
	if w.err == nil {
		w.err = fmt.Errorf("mp4: read %d bytes at %d: %w", n, offset, err)
	}
}

// whole reads a box of a kind into memory of its own, header included.
func (w *window) whole(offset int64, kind string, limit int64) (b box, all []byte, ok bool) {
	b, err := w.box(offset, w.size)
	if err != nil || b.kind != kind || b.size > limit {
		return b, nil, false
	}
	all = make([]byte, b.size)
	n, err := w.r.ReadAt(all, offset)
	if int64(n) < b.size {
		if err != io.EOF {
			w.fail(offset, b.size, err)
		}
		return b, nil, false
	}
	return b, all, true
}

// box reads a box header.
func (w *window) box(offset, end int64) (box, error) {
	return parseBox(w.at(offset, min(largeBox, end-offset)), offset, end)
}

// reader reads fields from a payload with a sticky failure.
type reader struct {
	b   []byte
	cut bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		r.cut = true
		r.b = nil
		return make([]byte, min(n, 16))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

// full reads version and flags.
func (r *reader) full() (version byte, flags uint32) {
	v := r.uint32()
	return byte(v >> 24), v & 0xFFFFFF
}

// versioned reads a number of 4 bytes, or of 8 in version 1.
func (r *reader) versioned(version byte) uint64 {
	if version == 1 {
		return r.uint64()
	}
	return uint64(r.uint32())
}
