package flv

import (
	"bytes"
	"encoding/binary"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

const (
	// proofFactor and proofExtra bound what is read to prove tags: a file that is made
	// of false ones must not be read a thousand times.
	proofFactor = 4
	proofExtra  = 64 << 20

	// probeAhead is what a look at a place reads and counts at least, in bytes.
	probeAhead = 4 << 10
)

// spend reports whether so much more may be read to prove tags.
func (s *scanner) spend(n int64) bool {
	s.budget -= max(n, probeAhead)
	return s.budget >= 0
}

// behind looks for the tag where the walk goes on behind damage. It returns the end
// of the file if there is none.
func (s *scanner) behind(damage int64) (next int64, found bool) {
	next = damage + 1
	if h := s.at(damage, tagHeaderSize+noteHead); len(h) > 0 && s.index.Ours && h[0] == noteBegun {
		// What looks like a tag in the first bytes of a note is one by accident.
		next = damage + minTag
		if len(h) > tagHeaderSize && isNamed(h[tagHeaderSize:]) {
			next = damage + int64(len(h))
		}
	}
	next = s.search(next, s.size, s.stays)
	return min(next, s.size), next < s.size
}

// stays reports whether a tag is proven, or whole but for its envelope.
func (s *scanner) stays(e envelope, state state) bool {
	if _, out := s.givesWay(e.offset); out {
		return false
	}
	return s.proven(e, state) || state == mismatch && s.closes(e, 1)
}

// search looks for the first tag in a range that is good; it returns the end of the
// range if there is none, or if too much of the file was read for that.
func (s *scanner) search(from, to int64, good func(envelope, state) bool) int64 {
	for from < to {
		b := s.some(from, to-from+tagHeaderSize-1)
		n := candidate(b)
		if from += int64(n); n+tagHeaderSize > len(b) {
			if len(b) < tagHeaderSize {
				break
			}
			continue
		}
		budget := s.budget
		if from >= to || !s.spend(0) {
			break
		}
		if e, state := s.probe.envelope(from); good(e, state) {
			s.budget = budget // what is found is read once more at most
			return from
		}
		from++
	}
	return to
}

// candidate is where in b something looks like the header of a tag; where that could
// be cut by the end of b if nothing does.
func candidate(b []byte) int {
	n := max(0, len(b)-tagHeaderSize+1)
	for i := range n {
		if isTagType(b[i]) && b[i+8]|b[i+9]|b[i+10] == 0 { // stream id
			return i
		}
	}
	return n
}

// proven reports whether a tag is whole and the file goes on behind it.
func (s *scanner) proven(e envelope, state state) bool {
	return state == whole && s.plausible(e) && s.links(e.end(), 1) >= 0
}

// closes reports whether a tag is whole but for its back pointer: the next two, of
// which the file must have some at least, follow where its size says, and none is
// proven before.
func (s *scanner) closes(e envelope, some int) bool {
	if s.index.Ours && e.kind == TagScriptAMF3 && e.size >= noteHead && s.plausible(e) {
		return true // a note that has its name, or that of a drop
	}
	if e.end() == s.size && e.back == 0 { // what a power cut leaves: the body before it may be cut as well
		return false
	}
	return s.links(e.end(), 2) >= some && s.plausible(e) && !zeroEnd(s.probe.at(e.offset, minTag+e.size), e.offset) && s.search(e.offset+1, e.end(), s.proven) == e.end()
}

// links counts the tags that follow each other from an offset on, whatever their
// back pointers, up to a number or to one that the end of the file cuts. It is
// negative if there is anything else.
func (s *scanner) links(at int64, up int) int {
	for n := range up {
		if at == s.size {
			return n
		}
		e, state := s.probe.envelope(at)
		switch {
		case state == unknown || e.reserved || s.err != nil:
			return -1
		case state == torn || state == pointerCut:
			return n
		case !s.plausible(e):
			return -1
		}
		at = e.end()
	}
	return up
}

// plausible reports whether the header of a tag has no bits that it should not have,
// and its body can be read.
func (s *scanner) plausible(e envelope) bool {
	if e.reserved || !s.spend(e.size) {
		return false
	}
	body := s.probe.body(e)
	switch {
	case s.err != nil:
		return false
	case !isScript(e.kind):
		_, err := classify(e.kind, body)
		return err == nil
	case s.index.Ours || e.isNote(body):
		return e.isOurs(body)
	case e.kind == TagScriptAMF3 && len(body) > 0:
		body = body[1:]
	}
	name, _, _ := amf.ParseValue(body)
	_, ok := name.(string)
	return ok
}

// pointerBegins reports whether what the file has of a cut back pointer is right.
func (s *scanner) pointerBegins(e envelope) bool {
	want := binary.BigEndian.AppendUint32(nil, uint32(tagHeaderSize+e.size))
	at := e.end() - backPointer
	return bytes.HasPrefix(want, s.at(at, s.size-at))
}
