package flv

import (
	"encoding/binary"
	"io"
)

// Finished reports whether a file of ours was closed and has kept its length, by its
// head and its last tag alone. What is between them may still be damaged.
func Finished(r io.ReaderAt, size int64) bool {
	s := newScanner(r, size)
	s.ahead = probeAhead // no more than is looked at
	if size <= headSize+minTag || !beginsLikeOurs(s.at(0, int64(commonSize))) || !s.head() {
		return false
	}
	if c := &s.index.claims; c.damaged || c.size != float64(size) || !c.isPlausible(size) {
		return false
	}
	last := size - backPointer - int64(binary.BigEndian.Uint32(s.peek(size-backPointer)))
	if last < headSize {
		return false
	}
	e, state := s.probe.envelope(last)
	return state == whole && e.end() == size && s.plausible(e) && s.err == nil
}

// Ours reports whether a file begins as those of ours do.
func Ours(head []byte) bool { return len(head) >= commonSize && beginsLikeOurs(head[:commonSize]) }

// commonSize is how much all heads of ours have in common.
const commonSize = headerSize + tagHeaderSize + 3 + len(metadataName)
