package flv

import (
	"bytes"
	"math"
	"time"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// A drop is noted where it is, in a script tag of AMF3 as a note is, with the time of
// the newest frame before it:
//
//	00                               AMF0 follows
//	02 0006 "onDrop"
//	03 duration (seconds), video, audio (frames) 000009
const dropName = "onDrop"

func appendDropBody(dst []byte, d container.Drop) []byte {
	return amf.Append(append(dst, 0), dropName, amf.Object{
		{Key: "duration", Value: float64(d.Length.Milliseconds()) / 1000},
		{Key: "video", Value: float64(d.Video)},
		{Key: "audio", Value: float64(d.Audio)},
	})
}

// dropSize is the length of its body. Numbers of AMF have one size.
var dropSize = len(appendDropBody(nil, container.Drop{}))

// parseDrop reads the body of a tag which has a type; false if it is not byte for byte
// what a recorder writes.
func parseDrop(kind uint8, body []byte) (d container.Drop, ok bool) {
	if kind != TagScriptAMF3 || len(body) != dropSize || body[0] != 0 {
		return d, false
	}
	values, err := amf.Parse(body[1:])
	if err != nil || len(values) != 2 {
		return d, false
	}
	number := func(key string, most float64) float64 {
		v, _ := amf.Get(values[1], key)
		n, _ := amf.Number(v)
		if !(n >= 0 && n <= most) {
			return 0
		}
		return math.Round(n)
	}
	const maxLength = 1e9 // seconds; of what is beyond, the bytes below differ
	seconds, _ := amf.Get(values[1], "duration")
	if s, _ := amf.Number(seconds); s > 0 && s < maxLength {
		d.Length = time.Duration(math.Round(s*1000)) * time.Millisecond
	}
	d.Video, d.Audio = uint32(number("video", math.MaxUint32)), uint32(number("audio", math.MaxUint32))
	return d, bytes.Equal(body, appendDropBody(nil, d))
}

// Drop notes that frames are missing in front of what is written next.
func (w *Writer) Drop(d container.Drop) error {
	d = d.Round()
	d.At, d.Offset = w.clock.at(stamp(d.At)), w.offset+int64(len(w.buf))
	w.buf = appendTag(w.buf, TagScriptAMF3, d.At, appendDropBody(nil, d))
	w.index.AddDrop(d)
	w.index.End = w.offset + int64(len(w.buf))
	return nil
}

// isOurs reports whether a script tag of type 15 is one of those that recorders and
// repairs write.
func (e envelope) isOurs(body []byte) bool {
	if e.isNote(body) {
		return true
	}
	_, drop := parseDrop(e.kind, body)
	_, sync := parseSync(Tag{Type: e.kind, Offset: e.offset, Body: body})
	return drop || sync
}
