package flv

import (
	"bytes"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

// A mark tells up to which offset a file was synced when it was written, in a script
// tag of AMF3 as a note is. What lies before that no power cut has touched:
//
//	00                               AMF0 follows
//	02 0006 "onSync"
//	00 offset
const syncName = "onSync"

func appendSyncBody(dst []byte, offset int64) []byte {
	return amf.Append(append(dst, 0), syncName, float64(offset))
}

// syncSize is the length of its body.
var syncSize = len(appendSyncBody(nil, 0))

// parseSync reads a mark; false if the tag is not byte for byte one that a recorder
// writes there.
func parseSync(tag Tag) (offset int64, ok bool) {
	if tag.Type != TagScriptAMF3 || len(tag.Body) != syncSize || tag.Body[0] != 0 {
		return 0, false
	}
	values, err := amf.Parse(tag.Body[1:])
	if err != nil || len(values) != 2 {
		return 0, false
	}
	n, _ := amf.Number(values[1])
	if !(n >= headSize && n <= float64(tag.Offset)) {
		return 0, false
	}
	return int64(n), bytes.Equal(tag.Body, appendSyncBody(nil, int64(n)))
}

// Synced tells the writer that everything before an offset is on the disk. The next
// Flush that has something to write notes it. It may be called from another goroutine.
func (w *Writer) Synced(offset int64) { w.synced.Store(offset) }

// mark notes up to where the file is synced.
func (w *Writer) mark() {
	synced := w.synced.Load()
	if synced <= w.index.synced {
		return
	}
	w.buf = appendTag(w.buf, TagScriptAMF3, w.clock.time(), appendSyncBody(nil, synced))
	w.index.synced, w.index.End = synced, w.offset+int64(len(w.buf))
}
