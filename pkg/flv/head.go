package flv

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

// claims is what a file says of itself before its media.
type claims struct {
	present   bool // it begins with onMetaData
	damaged   bool // which is not whole, in a file of ours
	flags     byte // of the tracks
	duration  float64
	size      float64   // -1: it does not say
	times     []float64 // of the keyframe index
	positions []float64
	spacer    []float64
	end       int64 // of the tag
}

// readClaims reads what onMetaData says.
func readClaims(values []any) (c claims) {
	c.size = -1
	for _, v := range values {
		if v == metadataName {
			c.present = true
		}
		number := func(key string, to *float64) {
			if value, ok := amf.Get(v, key); ok {
				*to, _ = amf.Number(value)
			}
		}
		number("duration", &c.duration)
		number("filesize", &c.size)
		if index, ok := amf.Get(v, "keyframes"); ok {
			c.times, c.positions, c.spacer = numberList(index, "times"), numberList(index, "filepositions"), numberList(index, "spacer")
		}
	}
	return c
}

func numberList(object any, key string) (list []float64) {
	v, _ := amf.Get(object, key)
	values, _ := v.(amf.StrictArray)
	for _, v := range values {
		n, _ := amf.Number(v)
		list = append(list, n)
	}
	return list
}

// lists reports whether the keyframe index is that of some points.
func (c *claims) lists(points []point) bool {
	if len(points) < 2 { // such an index is left out
		points = nil
	}
	if len(c.times) != len(points) || len(c.positions) != len(points) {
		return false
	}
	for i, p := range points {
		if c.times[i] != p.time.Seconds() || c.positions[i] != float64(p.offset) {
			return false
		}
	}
	return true
}

// isPlausible reports whether the keyframe index can be one of a file with a size. In
// one that a power cut has torn stands in some sectors what was there before: zeros,
// for the most part, or names that are not at their place.
func (c *claims) isPlausible(size int64) bool {
	if len(c.times) != len(c.positions) || len(c.times) > 0 && len(c.spacer) == 0 {
		return false
	}
	for i, at := range c.positions {
		if at < headSize || at >= float64(size) || i > 0 && (at <= c.positions[i-1] || c.times[i] < c.times[i-1]) {
			return false
		}
	}
	return !slices.ContainsFunc(c.spacer, func(n float64) bool { return n != 0 })
}

// isOurs reports whether the values of onMetaData say that rtmptool wrote them.
func isOurs(values []any) bool {
	for _, v := range values {
		if encoder, _ := amf.Get(v, "encoder"); encoder == metadataEncoder {
			return true
		}
	}
	return false
}

// commonHead is what all heads of ours begin with, but for the flags of the tracks.
func commonHead() []byte {
	head := appendTagHeader(appendFileHeader(nil, 0), TagScript, scriptSize, 0)
	return amf.Append(head, metadataName)
}

// beginsLikeOurs compares the first bytes of a file, as many as there are, with the
// heads of ours.
func beginsLikeOurs(head []byte) bool {
	want := commonHead()
	n := min(len(head), len(want))
	if n > flagsOffset {
		want[flagsOffset] = head[flagsOffset]
	}
	return n > 0 && bytes.Equal(head[:n], want[:n])
}

// endsLikeOurs compares the last bytes of a head.
func endsLikeOurs(head []byte) bool {
	back := binary.BigEndian.AppendUint32(nil, tagHeaderSize+scriptSize)
	for n := range len(blanks) + 1 {
		padding := amf.Append(nil, amf.Object{{Key: "padding", Value: blanks[:n]}})[1:]
		if bytes.HasSuffix(head, append(padding, back...)) {
			return true
		}
	}
	return false
}

// head reads the head of a file and reports whether it is ours. What is damaged in
// it does not matter, as it is written anew: it is enough that it begins or ends
// like ours and that no tag begins inside.
func (s *scanner) head() bool {
	head := bytes.Clone(s.at(0, headSize))
	if len(head) < headSize {
		if !beginsLikeOurs(head) || s.tagsWithin(int64(len(head))) {
			return false
		}
		if len(head) > headerSize+tagHeaderSize {
			values, _ := amf.Parse(head[headerSize+tagHeaderSize:]) // as far as it goes
			s.index.claims = readClaims(values)
		}
		return true
	}
	if !bytes.HasPrefix(head[headerSize:], commonHead()[headerSize:]) && !endsLikeOurs(head) {
		return false
	}
	e, state := s.envelope(headerSize)
	values, err := amf.Parse(head[headerSize+tagHeaderSize : headSize-backPointer])
	intact := state == whole && e.end() == headSize && err == nil
	if intact && !isOurs(values) || !intact && s.tagsWithin(headSize) {
		return false
	}
	x := s.index
	x.claims = readClaims(values)
	x.claims.damaged, x.claims.flags, x.claims.end = !intact, head[flagsOffset], headSize
	x.learn(values)
	return true
}

// tagsWithin reports whether a tag begins where the head should be.
func (s *scanner) tagsWithin(end int64) bool {
	return s.search(headerSize+1, end, func(e envelope, state state) bool { return state == whole && s.plausible(e) }) < end
}
