package flv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Tag is one tag of a file.
type Tag struct {
	Type   uint8
	Time   time.Duration // unwrapped
	Offset int64
	Body   []byte // valid until the next call
}

// Reader walks the tags of a file in order.
type Reader struct {
	r      *bufio.Reader
	offset int64
	size   int64
	head   [headerSize]byte
	body   []byte
	clock  int64 // ms, of the newest tag
}

// readAhead is the buffer of a walk, in bytes.
const readAhead = 256 << 10

// NewReader checks the file header and stands before the first tag.
func NewReader(r io.ReaderAt, size int64) (*Reader, error) {
	t := &Reader{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), int(min(size, readAhead))), size: size}
	if size < headerSize {
		return nil, formatError("header", 0, fmt.Sprintf("file of %d bytes, want at least %d", size, headerSize))
	}
	head, err := t.next(headerSize)
	if err != nil {
		return nil, err
	}
	if string(head[:4]) != signature {
		return nil, formatError("header", 0, fmt.Sprintf("signature % x, want % x", head[:4], signature))
	}
	start := int64(binary.BigEndian.Uint32(head[5:])) + backPointer
	if start < headerSize || start > size {
		return nil, formatError("header", 5, fmt.Sprintf("data offset %d outside the file", start-backPointer))
	}
	t.r.Reset(io.NewSectionReader(r, start, size-start))
	t.offset = start
	return t, nil
}

// Next returns the next whole tag. At the end of the file the error is io.EOF;
// a *container.FormatError says what is wrong with the tag there, and wraps
// nothing that could follow: the walk ends. One that ends with the file is torn.
func (t *Reader) Next() (Tag, error) {
	begin := t.offset
	left := t.size - begin
	if left == 0 {
		return Tag{}, io.EOF
	}
	if left < tagHeaderSize+backPointer {
		return Tag{}, tornError(begin, left, tagHeaderSize+backPointer)
	}
	h, err := t.next(tagHeaderSize)
	if err != nil {
		return Tag{}, err
	}
	kind, size := h[0]&tagTypeMask, int64(uint24(h[1:]))
	stamp := uint24(h[4:]) | uint32(h[7])<<24
	switch kind {
	case TagAudio, TagVideo, TagScript, TagScriptAMF3:
	default:
		return Tag{}, formatError("tag", begin, fmt.Sprintf("type %d", h[0]))
	}
	if want := tagHeaderSize + size + backPointer; left < want {
		return Tag{}, tornError(begin, left, want)
	}
	if int64(cap(t.body)) < size {
		t.body = make([]byte, size)
	}
	body := t.body[:size]
	if err := t.fill(body); err != nil {
		return Tag{}, err
	}
	back, err := t.next(backPointer)
	if err != nil {
		return Tag{}, err
	}
	if got := int64(binary.BigEndian.Uint32(back)); got != tagHeaderSize+size {
		return Tag{}, formatError("tag", begin, fmt.Sprintf("back pointer %d, want %d", got, tagHeaderSize+size))
	}
	t.offset = begin + tagHeaderSize + size + backPointer
	// Writers keep 31 or 32 bits: the nearest time modulo 2^31 is right for both.
	const span = timestampMask + 1
	t.clock += (int64(stamp)-t.clock+span/2)&timestampMask - span/2
	return Tag{Type: kind, Time: time.Duration(t.clock) * time.Millisecond, Offset: begin, Body: body}, nil
}

// next returns a few bytes, valid until the next call.
func (t *Reader) next(n int) ([]byte, error) {
	b := t.head[:n]
	return b, t.fill(b)
}

// fill reads bytes that the file has by its size: io.EOF is for its end alone.
func (t *Reader) fill(b []byte) error {
	_, err := io.ReadFull(t.r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// ErrTorn is what the error of a tag that the end of the file cuts wraps.
var ErrTorn = errors.New("cut by the end of the file")

func tornError(at, have, want int64) error {
	return fmt.Errorf("%w: %w", formatError("tag", at, fmt.Sprintf("have %d bytes, want %d", have, want)), ErrTorn)
}

func formatError(structure string, at int64, reason string) error {
	return &container.FormatError{Format: "flv", Structure: structure, Offset: at, Reason: reason}
}

// Unreadable is the code of a finding that the file could not be read any further:
// what it holds there is not known, so that nothing must be cut.
const Unreadable = "C09"

// Scan rebuilds the index of a file from its tags, up to the first one that is
// not whole; a finding says what is wrong there.
func Scan(r io.ReaderAt, size int64) (Index, []container.Finding) {
	var x Index
	tags, err := NewReader(r, size)
	if err != nil {
		return x, []container.Finding{{Code: "F02", Severity: container.Error, End: min(size, headerSize), Text: err.Error()}}
	}
	x.End = tags.offset
	findings := x.walk(tags)
	return x, findings
}

// walk adds all tags from where the reader stands.
func (x *Index) walk(tags *Reader) []container.Finding {
	for {
		tag, err := tags.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			code := "F05"
			var broken *container.FormatError
			switch {
			case errors.Is(err, ErrTorn):
				code = "F04"
			case !errors.As(err, &broken):
				code = Unreadable
			}
			return []container.Finding{{Code: code, Severity: container.Error, Offset: x.End, End: tags.size, Text: err.Error()}}
		}
		x.addTag(tag, tags.offset)
	}
}

func (x *Index) addTag(tag Tag, end int64) {
	x.End = end
	if tag.Type != TagAudio && tag.Type != TagVideo {
		x.learn(tag)
		return
	}
	p, err := Parse(tag.Type, tag.Body)
	if err != nil {
		p = &media.Packet{Kind: media.Video, Role: media.Other}
	}
	x.add(p, tag.Time, tag.Offset, end)
}

// learn takes from onMetaData what the media cannot tell.
func (x *Index) learn(script Tag) {
	parse := amf.Parse
	if script.Type == TagScriptAMF3 {
		parse = amf.ParseMessage3
	}
	values, _ := parse(script.Body)
	if x.FrameRate == 0 {
		x.FrameRate = frameRate(values)
	}
	if x.Created.IsZero() {
		x.Created = created(values)
	}
}
