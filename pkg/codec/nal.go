package codec

import (
	"bytes"

	"github.com/rtmptool/rtmptool/pkg/media"
)

const (
	// maxUnits is how many NAL units or OBUs may stand before the first slice or
	// frame. Real access units have about ten there.
	maxUnits = 256
	// maxScan is how far start codes are looked for, in bytes. In front of the
	// first slice stand parameter sets and SEI, a few KiB.
	maxScan = 64 << 10
	// maxSEI is how much of one SEI NAL unit is read, in bytes.
	maxSEI = 8 << 10
)

// nalWalk yields the NAL units of an access unit up to where its reader stops.
// It only ever looks at lengths and start codes, and does not allocate.
type nalWalk struct {
	rest   []byte
	length int // size of a length field; 0 means start codes (H.264, annex B)
	units  int
	cut    bool // rest is only the beginning of what there is
	broken bool // the walk ended before the access unit did
}

// newNALWalk begins a walk over an access unit whose units have lengths of n
// bytes in front. Broken hardware sends start codes all the same. A start code
// is a lawful length too, so it counts as one only if the lengths do not add up.
func newNALWalk(unit []byte, n int) nalWalk {
	if n < 1 || n > 4 {
		n = 4
	}
	w := nalWalk{rest: unit, length: n}
	if startCode(unit) == 0 {
		return w
	}
	for all := w; ; {
		if _, ok := all.next(); ok {
			continue
		}
		if !all.broken || all.units > maxUnits {
			return w
		}
		return nalWalk{rest: unit[:min(len(unit), maxScan)], cut: len(unit) > maxScan}
	}
}

// HasUnits reports whether frames of a codec are NAL units with lengths in front.
func HasUnits(c media.Codec) bool { return c == media.H264 || c == media.H265 || c == media.VVC }

// UnitsFit reports whether the lengths in front of the NAL units of an access unit of
// H.264, H.265 or VVC add up to it. So they do unless they are damaged, or the publisher
// has sent nonsense. naluLength is [Video.NALULength]; 0 means 4. Start codes have no
// lengths, other codecs no NAL units: they fit. So does what has more units than are read.
func UnitsFit(c media.Codec, frame []byte, naluLength int) bool {
	if !HasUnits(c) {
		return true
	}
	w := newNALWalk(frame, naluLength)
	if w.length == 0 {
		return true
	}
	for ok := true; ok; {
		_, ok = w.next()
	}
	return !w.broken || w.units > maxUnits
}

// next returns the next unit that is not empty. With start codes it goes on to
// the end of what is scanned, beyond the unit's own end: finding that end would
// mean to read a whole slice.
func (w *nalWalk) next() (nal []byte, ok bool) {
	for len(w.rest) > 0 && !w.broken {
		if w.units++; w.units > maxUnits {
			w.broken = true
			break
		}
		if w.length == 0 {
			nal = w.afterStartCode()
		} else {
			nal = w.afterLength()
		}
		if len(nal) > 0 {
			return nal, true
		}
	}
	return nil, false
}

func (w *nalWalk) afterLength() []byte {
	if len(w.rest) < w.length {
		w.broken = true
		return nil
	}
	var size uint64
	for _, b := range w.rest[:w.length] {
		size = size<<8 | uint64(b)
	}
	body := w.rest[w.length:]
	if size > uint64(len(body)) {
		w.broken = true
		return nil
	}
	w.rest = body[size:]
	return body[:size]
}

// afterStartCode looks for the next start code from the last one on.
func (w *nalWalk) afterStartCode() []byte {
	i := bytes.Index(w.rest, []byte{0, 0, 1})
	if i < 0 {
		w.rest, w.broken = nil, w.cut
		return nil
	}
	w.rest = w.rest[i+3:]
	if startCode(w.rest) != 0 {
		return nil // an empty unit
	}
	return w.rest
}

// startCode returns the size of the start code that b begins with, or 0.
func startCode(b []byte) int {
	switch {
	case bytes.HasPrefix(b, []byte{0, 0, 1}):
		return 3
	case bytes.HasPrefix(b, []byte{0, 0, 0, 1}):
		return 4
	}
	return 0
}
