package flv

import (
	"bytes"
	"encoding/binary"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
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

	// noteBegun is the type of a note that is not all there: one of encrypted tags.
	noteBegun = filterBit | TagScriptAMF3
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

// isNamed reports whether a body begins with the name of a note.
func isNamed(body []byte) bool {
	return bytes.HasPrefix(body, appendNoteBody(nil, noteHead)[:noteHead-4])
}

// setAside makes notes of a range of at least minTag bytes. They depend on nothing
// but the range, so that a repair that was cut short goes on alike: its first byte
// tells that a note was begun, its last write makes that a whole one.
func setAside(from, to int64) (plan container.Plan) {
	for from < to {
		n := min(to-from, maxNote)
		if rest := to - from - n; rest > 0 && rest < minTag {
			n -= minTag // enough for one more
		}
		size := int(n - minTag)
		begin := appendNoteBody(appendTagHeader(nil, noteBegun, size, 0), size)
		plan = append(plan,
			container.Edit{Op: container.Write, Offset: from, Data: begin},
			pointer(from, int64(size)),
			container.Edit{Op: container.Write, Offset: from, Data: []byte{TagScriptAMF3}})
		from += n
	}
	return plan
}

// pointer writes the back pointer of a tag whose body has a size.
func pointer(offset, size int64) container.Edit {
	size += tagHeaderSize
	return container.Edit{Op: container.Write, Offset: offset + size, Data: binary.BigEndian.AppendUint32(nil, uint32(size))}
}
