package bmff

import (
	"fmt"
	"slices"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// fragments walks what follows the init moov. mdat is where the mdat of a closed
// file says that it ends: what is there is no fragment.
func (s *scanner) fragments(state State, mdat int64) State {
	size := s.window.size
	s.adoptID()
	at := s.index.End
	copied := uuidHeader + at - headSize // bytes of a copy of the init moov
	unit := at                           // at, or the copy of the init moov that the fragment there was written with
	for at < size {
		f, end, reason := s.fragment(at)
		switch {
		case f != nil:
			f.unit = unit
			if f.cut { // what was written of the next sample
				s.find("M20", container.Warning, f.samplesEnd(), size, "cut: the last fragment has only %d whole samples", f.rows)
			}
			s.add(f)
			at, unit = end, end
			continue
		case reason == "": // another box that is whole
			if at = end; !s.header.ours {
				unit = end
			}
			continue
		case s.header.ours && s.closing(at):
			s.prove()
			s.missing(unit)
			return s.done(max(state, Committing))
		}
		if next, ok := s.resync(at + 1); ok {
			if next-copied > at && s.window.isCopy(next-copied, next) {
				next -= copied
			}
			s.find("M22", container.Error, at, next, "damaged: %s", reason)
			at, unit = next, next
			continue
		}
		s.prove()
		if state != Broken || at < mdat { // else it is the moov that M06 is about
			s.find("M20", container.Warning, max(unit, s.listed), size, "cut: %s", reason)
		}
		s.missing(unit)
		return s.done(state)
	}
	s.prove()
	if unit < at {
		s.find("M20", container.Warning, unit, size, "cut: the fragment behind the copy of the init moov is missing")
	}
	s.missing(unit)
	return s.done(state)
}

// isCopy: the copy of the init moov begins there, whatever is in it. Of its two sizes one
// proves the other.
func (w *window) isCopy(at, end int64) bool {
	b, err := w.box(at, w.size)
	if err != nil || b.kind != "uuid" || b.end() != end || string(w.at(b.payload(), 16)) != string(uuidInit[:]) {
		return false
	}
	moov, err := w.box(at+uuidHeader, end)
	return err == nil && moov.end() == end
}

// missing finds that a file which was closed once has no fragments from an offset on
// that its head tells of.
func (s *scanner) missing(at int64) {
	if at < s.said {
		s.find("M07", container.Error, at, s.said, "closed once, and cut since: %d bytes are missing from the end", s.said-at)
	}
}

// adoptID takes the file id of an intact fragment right behind the init moov, where
// only a recorder writes, if that of the init differs: then a bit of it has flipped.
func (s *scanner) adoptID() {
	if !s.header.ours || s.header.summed && !s.header.damaged {
		return
	}
	step := s.window.step // it is read again, and teaches the window then
	s.anyID = true
	f, _, _ := s.fragment(s.index.End)
	s.anyID, s.window.step = false, step
	if f == nil {
		return
	}
	if id := f.mark.fileID; id != s.header.fileID && s.intact(f) {
		s.header.fileID, s.index.FileID = id, id
		s.find("M02", container.Error, headSize, s.index.End, "the file id in the init moov is damaged: that of the fragments counts")
	}
	s.free = append(s.free, f)
}

// closing reports whether the moov there is the whole closing one of this file.
func (s *scanner) closing(at int64) bool {
	b, all, ok := s.window.whole(at, "moov", maxMoov)
	if !ok || !sealed(all) {
		return false
	}
	h, err := parseMoov(all[b.header:])
	return err == nil && !h.fragmented && h.ours && h.fileID == s.header.fileID
}

// fragment reads the fragment at an offset. Without one and without a reason
// there is another whole box, which ends at end.
func (s *scanner) fragment(at int64) (f *fragment, end int64, reason string) {
	size := s.window.size
	b, err := s.window.box(at, size)
	if err != nil {
		return nil, 0, err.Error()
	}
	switch {
	case b.kind == "moof" && b.size <= maxMoof:
	case b.kind == "moof":
		return nil, 0, fmt.Sprintf("moof of %d bytes, at most %d are read", b.size, maxMoof)
	case s.header.ours && s.window.isCopy(at, b.end()):
		return nil, b.end(), ""
	case s.header.ours || !knownBox(b.kind):
		return nil, 0, fmt.Sprintf("%q where a fragment should begin", b.kind)
	default:
		return nil, b.end(), ""
	}
	f = s.spare()
	if reason = s.read(f, b); reason != "" {
		s.free = append(s.free, f)
		return nil, 0, reason
	}
	return f, f.end, ""
}

// read reads the moof b and the header of its mdat.
func (s *scanner) read(f *fragment, b box) (reason string) {
	size := s.window.size
	moof := s.window.moof(b)
	if int64(len(moof)) < b.size {
		return "the file ends early"
	}
	if reason := s.header.parseMoof(f, moof, b.offset, s.room, s.next); reason != "" {
		return reason
	}
	if s.header.ours && (!f.marked || f.mark.fileID != s.header.fileID && !s.anyID) {
		return "a fragment without this file's mark"
	}
	mdat, err := s.window.box(b.end(), size)
	f.cut = err != nil && !s.header.ours && f.keep(size)
	if err != nil && !f.cut || mdat.kind != "mdat" {
		return "the samples of the fragment are not whole"
	}
	f.data, f.end = mdat.payload(), min(mdat.end(), size)
	if s.header.ours {
		if !f.tiled() {
			return "the samples do not fill their mdat"
		}
		return ""
	}
	for _, run := range f.runs {
		for _, row := range run.rows {
			if row.Offset < 0 || row.End() > size {
				return "a sample lies outside the file"
			}
		}
	}
	return ""
}

// spare returns an empty fragment.
func (s *scanner) spare() *fragment {
	if n := len(s.free); n > 0 {
		f := s.free[n-1]
		s.free = s.free[:n-1]
		return f
	}
	return &fragment{}
}

// knownBox lists what may stand between the fragments of others.
func knownBox(kind string) bool {
	return slices.Contains([]string{"moov", "free", "skip", "styp", "sidx", "ssix", "mfra", "emsg", "prft", "uuid", "udta", "meta", "mdat", "wide"}, kind)
}

// add queues a fragment until it is proven: a later one says that it was synced,
// or its CRC does. Those of other makers have no proof.
func (s *scanner) add(f *fragment) {
	for i := range f.runs {
		s.next[f.runs[i].track] = f.runs[i].next
	}
	s.room -= int64(f.rows)
	if !s.header.ours {
		s.take(f)
		return
	}
	s.pending = append(s.pending, f)
	if f.mark.synced <= f.offset {
		s.synced = max(s.synced, f.mark.synced)
	}
	full := len(s.pending) >= maxPending
	if full || s.synced >= s.pending[0].end {
		s.settle(full)
	}
}

// take enters a fragment's samples into the index.
func (s *scanner) take(f *fragment) {
	for i := range f.runs {
		run := &f.runs[i]
		t, start := s.index.Tracks[run.track], s.start[run.track]
		for _, row := range run.rows {
			row.DTS += start
			t.Add(row)
		}
	}
	s.index.Fragments++
	s.index.InBand |= f.mark.inBand
	if f.mark.drop != nil {
		s.index.AddDrop(*f.mark.drop)
	}
	s.index.End = max(s.index.End, f.end)
	s.free = append(s.free, f)
}
