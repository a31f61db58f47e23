package flv

import (
	"bytes"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

// A note is a script tag that stands where bytes are damaged, and holds them: it
// makes the chain of tags whole again. It is one of AMF3, type 15, because players
// skip those of any size; FFmpeg makes a stream of an unknown one of type 18.
//
//	0F, size, time 0, stream id 0
//	00                               AMF0 follows
//	02 0008 "onDamage"               nulls (05) where there is no room for this
//	0C, length, the damaged bytes
//	back pointer
const noteName = "onDamage"

const (
	noteHead = 1 + 3 + 8 + 5 // bytes of body before the damaged ones, 8 of them the name
	maxNote  = minTag + noteHead + amf.MaxLongString
)

// appendNoteBody appends what the body of a note begins with if it has a size.
func appendNoteBody(dst []byte, size int) []byte {
	if size == 0 {
		return dst
	}
	dst = append(dst, 0)
	if size < noteHead {
		return append(dst, bytes.Repeat(amf.Append(nil, nil), size-1)...)
	}
	return amf.AppendLongString(amf.Append(dst, noteName), uint32(size-noteHead))
}

// isNote reports whether a tag is a note.
func (e envelope) isNote(body []byte) bool {
	return e.kind == TagScriptAMF3 && e.stamp == 0 && !e.reserved && bytes.HasPrefix(body, appendNoteBody(nil, len(body)))
}

// repair mends a tag where it stands: the bytes that it begins with, if they must
// change, and its back pointer.
type repair struct {
	offset int64
	begin  []byte
	size   int64 // of the body
}

// setAside makes notes of a range of at least minTag bytes. They depend on nothing
// but the range, so that a repair that was cut short goes on alike.
func setAside(from, to int64) (notes []repair) {
	for from < to {
		n := min(to-from, maxNote)
		if rest := to - from - n; rest > 0 && rest < minTag {
			n -= minTag // enough for one more
		}
		size := int(n - minTag)
		begin := appendTagHeader(make([]byte, 0, tagHeaderSize+noteHead), TagScriptAMF3, size, 0)
		notes = append(notes, repair{from, appendNoteBody(begin, size), int64(size)})
		from += n
	}
	return notes
}
