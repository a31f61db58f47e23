package flv

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Tag is one tag of a file.
type Tag struct {
	Type   uint8
	Time   time.Duration // unwrapped
	Offset int64
	Body   []byte // valid until the next call
}

// end is the offset behind the tag.
func (t Tag) end() int64 { return t.Offset + minTag + int64(len(t.Body)) }

// Reader walks the tags of a file in order.
type Reader struct {
	window
	offset int64
	clock  clock
}

// readAhead is how much a walk reads at once, in bytes.
const readAhead = 256 << 10

// NewReader checks the file header and stands before the first tag.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	t := &Reader{window: window{source: &source{r: r, size: size}, ahead: readAhead}}
	start, reason := t.start()
	if t.err != nil { // then the reason is another one
		return nil, t.err
	}
	if reason != "" {
		return nil, formatError("header", 0, reason)
	}
	t.offset = start
	return t, nil
}

// start is where the first tag begins, unless the header is damaged.
func (w *window) start() (start int64, reason string) {
	head := w.at(0, headerSize)
	if len(head) < headerSize {
		return 0, fmt.Sprintf("file of %d bytes, want at least %d", w.size, headerSize)
	}
	if string(head[:len(signature)]) != signature {
		return 0, fmt.Sprintf("signature % x, want % x", head[:len(signature)], signature)
	}
	start = int64(binary.BigEndian.Uint32(head[dataOffset:])) + backPointer
	if start < headerSize || start > w.size {
		return 0, fmt.Sprintf("data offset %d outside the file", start-backPointer)
	}
	return start, ""
}

// Next returns the next whole tag. At the end of the file the error is io.EOF;
// a *container.FormatError says what is wrong with the tag there: the walk ends.
func (t *Reader) Next() (Tag, error) {
	if t.offset == t.size {
		return Tag{}, io.EOF
	}
	e, state := t.envelope(t.offset)
	if state != whole {
		return Tag{}, t.fault(e, state)
	}
	return t.take(e)
}

// take goes on behind a tag.
func (t *Reader) take(e envelope) (Tag, error) {
	body := t.body(e)
	if t.err == nil && int64(len(body)) < e.size {
		t.err = formatError("tag", e.offset, "gone while it was read")
	}
	if t.err != nil {
		return Tag{}, t.err
	}
	t.offset = e.end()
	tag := Tag{Type: e.kind, Offset: e.offset, Body: body}
	if tag.Time = t.clock.time(); !e.isNote(body) { // which has none
		tag.Time = t.clock.at(e.stamp)
	}
	return tag, nil
}

// envelope is what surrounds the body of a tag.
type envelope struct {
	offset   int64
	kind     uint8
	size     int64  // of the body
	stamp    uint32 // ms, of 31 or 32 bits
	reserved bool   // bits are set that no tag of ours has: encryption, stream id
	back     uint32 // the back pointer
}

func (e envelope) end() int64 { return e.offset + minTag + e.size }

// state is how much of a tag there is.
type state uint8

const (
	whole      state = iota
	unknown          // no type of a tag
	torn             // the end of the file cuts its header or body
	pointerCut       // the end of the file cuts its back pointer alone
	mismatch         // the back pointer is not that of the tag
)

// envelope reads what surrounds the tag at an offset. A large body is not read for
// that: it may be none.
func (w *window) envelope(at int64) (envelope, state) {
	e := envelope{offset: at}
	h := w.at(at, tagHeaderSize)
	if len(h) > 0 {
		if e.kind = h[0] & tagTypeMask; !isTagType(e.kind) {
			e.kind = h[0]
			return e, unknown
		}
	}
	if len(h) < tagHeaderSize {
		return e, torn
	}
	e.size = int64(uint24(h[1:]))
	e.stamp = uint24(h[4:]) | uint32(h[7])<<24
	e.reserved = h[0]&^tagTypeMask|h[8]|h[9]|h[10] != 0
	switch left := w.size - e.end(); {
	case left < -backPointer:
		return e, torn
	case left < 0:
		return e, pointerCut
	}
	var back []byte
	if e.end() <= w.bufAt+int64(len(w.buf)) || e.size < int64(w.ahead) {
		back = w.at(at, minTag+e.size)
		back = back[max(0, len(back)-backPointer):]
	} else {
		back = w.peek(e.end() - backPointer)
	}
	switch {
	case w.err != nil:
		return e, torn
	case e.end() > w.size: // which is less by now
		return w.envelope(at)
	}
	e.back = binary.BigEndian.Uint32(back)
	if int64(e.back) != tagHeaderSize+e.size {
		return e, mismatch
	}
	return e, whole
}

func isTagType(kind uint8) bool {
	return kind == TagAudio || kind == TagVideo || isScript(kind)
}

func isScript(kind uint8) bool { return kind == TagScript || kind == TagScriptAMF3 }

// body reads the body of a tag.
func (w *window) body(e envelope) []byte { return w.at(e.offset+tagHeaderSize, e.size) }

// fault says why there is no whole tag.
func (w *window) fault(e envelope, s state) error {
	if w.err != nil {
		return w.err
	}
	switch s {
	case unknown:
		return formatError("tag", e.offset, fmt.Sprintf("type %d", e.kind))
	case mismatch:
		return formatError("tag", e.offset, fmt.Sprintf("back pointer %d, want %d", e.back, tagHeaderSize+e.size))
	}
	return formatError("tag", e.offset, fmt.Sprintf("have %d bytes, want %d: cut by the end of the file", w.size-e.offset, minTag+e.size))
}

func formatError(structure string, at int64, reason string) error {
	return &container.FormatError{Format: "flv", Structure: structure, Offset: at, Reason: reason}
}
