package flv

import (
	"fmt"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// maxRepairs and maxFindings bound the memory that a hostile file can take.
const (
	maxRepairs  = 1 << 16
	maxFindings = 1 << 16
)

// check says why there is no whole tag at the scanner's offset. Where no more than
// the envelope of one is wrong it notes how to mend that.
func (s *scanner) check(e envelope, state state) error {
	ours := s.index.Ours
	why, out := s.givesWay(e.offset)
	switch {
	case s.err != nil:
		return s.err
	case out:
		return formatError("tag", e.offset, why)
	case state == whole && ours && isScript(e.kind) && !e.isOurs(s.body(e)):
		return formatError("tag", e.offset, fmt.Sprintf("type %d, of which recorders write none", e.kind))
	case state == whole && ours && e.reserved:
		s.mend("F08", e, "encryption or stream id, which recorders do not set")
	case state == mismatch && s.closes(e, 0):
		s.mend("F07", e, fmt.Sprintf("back pointer %d, want %d", e.back, tagHeaderSize+e.size))
	case state == pointerCut && s.plausible(e) && s.pointerBegins(e) && (!ours || s.hasRoom(e)):
		s.complete(e)
	case state != whole:
		return s.fault(e, state)
	}
	return nil
}

// damaged goes over what begins at the scanner's offset and is no whole tag.
func (s *scanner) damaged(fault error) {
	if s.err != nil {
		return
	}
	from := s.offset
	next, found := s.behind(from)
	s.offset = next
	switch {
	case s.err != nil:
	case s.budget < 0:
		s.find("F05", container.Error, from, s.size, fault.Error()+"; what follows looks like tags far too often")
		s.offset, s.index.immovable = s.size, true
	case !found:
		s.find("F04", container.Error, from, next, fault.Error())
	default:
		s.find("F05", container.Error, from, next, fault.Error())
		s.setAside(from, next)
	}
}

// setAside makes notes of what is damaged. Where that is too short for one the tag
// before it has to give way, unless others need it.
func (s *scanner) setAside(from, to int64) {
	switch {
	case !s.index.Ours:
	case to-from >= minTag:
		s.repair(setAside(from, to)...)
	case !s.settled && s.last > 0 && !s.isConfig(s.last) && len(s.short) < maxRepairs:
		s.short = append(s.short, outcast{s.last, fmt.Sprintf("the damage behind it, at %d, has no room for a tag of its own", from)})
	default:
		s.index.immovable = true
	}
}

// isConfig reports whether a tag is a decoder configuration.
func (s *scanner) isConfig(at int64) bool {
	e, _ := s.probe.envelope(at)
	p, err := classify(e.kind, s.probe.body(e))
	return err == nil && p.Role == media.Decoder
}

// mend keeps a tag whose envelope is wrong.
func (s *scanner) mend(code string, e envelope, reason string) {
	s.find(code, container.Error, e.offset, e.end(), formatError("tag", e.offset, reason).Error())
	if e.reserved {
		h := appendTagHeader(nil, e.kind, int(e.size), time.Duration(e.stamp)*time.Millisecond)
		s.repair(container.Edit{Op: container.Write, Offset: e.offset, Data: h})
	} else {
		s.repair(pointer(e.offset, e.size))
	}
}

// complete keeps the last tag, of which the end of the file cuts nothing but the
// back pointer.
func (s *scanner) complete(e envelope) {
	s.find("F04", container.Error, e.offset, s.size, s.fault(e, pointerCut).Error())
	s.findings[len(s.findings)-1].Repair = "complete its back pointer"
	s.repair(pointer(e.offset, e.size))
}

// hasRoom reports whether the back pointer of the last tag ends in the sector that the
// file ends in. Else a disk that is full might have no room for it, and the file could
// not be finished: such a tag was not written to its end, and is cut off.
func (s *scanner) hasRoom(e envelope) bool { return (e.end()-1)/sector == (s.size-1)/sector }

func (s *scanner) repair(edits ...container.Edit) {
	x := s.index
	if len(x.repairs)+len(edits) > maxRepairs {
		x.immovable = true
	}
	if x.Ours && !x.immovable {
		x.repairs = append(x.repairs, edits...)
	}
}

// note goes over what an earlier repair has set aside.
func (s *scanner) note(e envelope) {
	from := e.offset
	if n := len(s.findings) - 1; n >= 0 && s.findings[n].Severity == container.Note && s.findings[n].End == from {
		from = s.findings[n].Offset
		s.findings = s.findings[:n]
	}
	s.find("F05", container.Note, from, e.end(), fmt.Sprintf("%d bytes were damaged and are set aside", e.end()-from))
}

// find adds a finding, or extends the last one if that is of the same kind and ends
// there.
func (s *scanner) find(code string, severity container.Severity, offset, end int64, text string) {
	if n := len(s.findings) - 1; n >= 0 {
		last := &s.findings[n]
		if last.Code == code && last.Severity == severity && last.End == offset || n >= maxFindings {
			last.Severity, last.End = max(last.Severity, severity), end
			return
		}
	}
	s.findings = append(s.findings, container.Finding{Code: code, Severity: severity, Offset: offset, End: end, Text: text})
}
