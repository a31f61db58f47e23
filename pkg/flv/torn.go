package flv

import (
	"fmt"
	"time"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// unproven are the frames behind the last sync of a file that was not finished which no
// structure proves.
type unproven struct {
	from, to    int64
	first, last time.Duration
	frames      int
	bytes       int64 // of their bodies
}

// judge looks at the tags behind the newest mark of a file that was not finished: one of
// ours, as far as its head is there. A power cut may have kept any sector of them from
// the disk, which is zeros then: what such a sector touches is torn, and what has NAL
// units whose lengths do not add up. Frames without NAL units are unproven.
func (s *scanner) judge() {
	x := s.index
	if !x.Ours && !s.headless || x.claims.size > 0 || s.err != nil {
		return
	}
	t := newScanner(s.r, s.size)
	t.index.Ours, t.offset = x.Ours, max(s.first, x.synced)
	for tag := range t.walk {
		if isScript(tag.Type) {
			continue // those of recorders are known byte for byte
		}
		raw := t.at(tag.Offset, tag.end()-tag.Offset)
		tag.Body = raw[tagHeaderSize:][:len(tag.Body)]
		switch {
		case zeroSector(raw, tag.Offset) && !silence(tag):
			x.torn = append(x.torn, outcast{tag.Offset, "has a sector of zeros, as a power cut leaves one"})
		case !x.unitsFit(tag):
			x.torn = append(x.torn, outcast{tag.Offset, "has NAL units whose lengths do not add up, and was not synced"})
		}
		if len(x.torn) == maxRepairs {
			break
		}
	}
	s.err = t.err
}

// silence reports whether zeros in a tag may be what was published: sound of PCM, whose
// first byte is there to say so.
func silence(tag Tag) bool {
	return tag.Type == TagAudio && len(tag.Body) > 0 && tag.Body[0]>>4 == audioPCMLittle
}

// zeroSector reports whether a tag at an offset covers a sector of zeros.
func zeroSector(tag []byte, offset int64) bool {
	for skip := int(-offset & (sector - 1)); skip+sector <= len(tag); skip += sector {
		if isZero(tag[skip:][:sector]) {
			return true
		}
	}
	return false
}

// zeroEnd reports whether all that the last sector has of a tag at an offset is zeros,
// and more than its back pointer.
func zeroEnd(tag []byte, offset int64) bool {
	n := min(len(tag), int((offset+int64(len(tag))-1)%sector)+1)
	return n > backPointer && isZero(tag[len(tag)-n:])
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// unitsFit reports whether the lengths of all NAL units in a tag add up. A tag with
// frames of other codecs is noted as unproven.
func (x *Index) unitsFit(tag Tag) bool {
	p, err := classify(tag.Type, tag.Body)
	if err != nil || p.Role != media.Frame {
		return true
	}
	proven := true
	for f := range Samples(&p) {
		if !codec.HasUnits(f.Codec) {
			proven = false
		} else if !codec.UnitsFit(f.Codec, f.Data, x.naluLength(f)) {
			return false
		}
	}
	if u := &x.unproven; !proven {
		if u.frames == 0 {
			u.from, u.first = tag.Offset, tag.Time
		}
		u.to, u.last = tag.end(), tag.Time
		u.frames++
		u.bytes += int64(len(tag.Body))
	}
	return true
}

// naluLength is the size of the lengths of NAL units in a frame; 0 if it is not known.
func (x *Index) naluLength(f media.Sample) int {
	for _, t := range x.Tracks {
		if t.Kind == f.Kind && t.ID == f.Track {
			v, _ := codec.ParseVideo(t.Codec, t.Config)
			return v.NALULength
		}
	}
	return 0
}

// unprovenNote tells of what is kept though nothing proves it.
func (x *Index) unprovenNote() []container.Finding {
	u := x.unproven
	if u.frames == 0 {
		return nil
	}
	return []container.Finding{{Code: "F51", Severity: container.Note, Offset: u.from, End: u.to,
		Text: fmt.Sprintf("kept, but nothing proves %d frames, %d bytes, from %.3f s to %.3f s: not known to be synced, without NAL units",
			u.frames, u.bytes, u.first.Seconds(), u.last.Seconds())}}
}
