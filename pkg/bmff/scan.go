package bmff

import (
	"fmt"
	"io"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Scan rebuilds the index of a file: from the moov of a plain one, else from its
// fragments. A fragment of ours that was not synced counts only if its CRC proves
// it. What is not whole is a finding; behind it the walk goes on at the next
// fragment that is proven. The error is one of reading.
//
// r may be a Peeker, if parts of it were read before.
func Scan(r io.ReaderAt, size int64) (*Index, []container.Finding, error) {
	s := &scanner{window: newWindow(r, size), index: &Index{}}
	s.budget = proofFactor*size + proofExtra
	state := s.scan()
	if state == Empty {
		s.orphans()
	}
	x := s.index
	x.State, x.Synced = state, s.synced
	for _, t := range s.header.tracks {
		t.stbl = nil // the tracks stay, the moov need not
	}
	s.verdict()
	return x, s.findings, s.window.err
}

type scanner struct {
	window   window
	header   header
	index    *Index
	findings []container.Finding
	room     int64       // samples that the file may still have
	next     []int64     // DTS that would follow, a track
	start    []int64     // DTS in the movie of tfdt 0, a track; others have edit lists
	pending  []*fragment // read, but not yet proven
	free     []*fragment // for reuse
	synced   int64
	said     int64 // where a closed head says that the media ends; 0 if there is none
	anyID    bool  // a fragment's file id is not compared
	listed   int64 // offset behind the samples that the moov of a fragmented file lists
	orphaned bool  // there are fragments, but nothing tells what is in them
	budget   int64 // bytes that may still be read to prove fragments
	buf      []byte
}

func (s *scanner) find(code string, severity container.Severity, offset, end int64, format string, args ...any) {
	s.findings = append(s.findings, container.Finding{Code: code, Severity: severity, Offset: offset, End: end, Text: fmt.Sprintf(format, args...)})
}

// scan looks for the three shapes of a file of ours, then walks that of anybody.
func (s *scanner) scan() State {
	size := s.window.size
	head := s.window.at(0, headSize)
	if len(head) < headSize {
		s.index.Ours = isOpenHead(head)
		return Empty
	}
	s.initAt(headSize)
	ours, opened, closed, mdat := s.header.ours, isOpenHead(head), false, size
	if string(head[4:8]) == "ftyp" && string(head[ftypSize+4:ftypSize+8]) == "mdat" {
		b, err := s.window.box(ftypSize, size)
		closed, mdat = string(head) == string(closedHead(b.end())), ftypSize+b.size
		if err == nil && (closed || !ours) && s.closedMoov(b.end(), ours) == "" {
			return s.done(Closed)
		}
	}
	if !opened && s.committed() {
		return s.done(Broken)
	}
	switch {
	case ours && !s.header.damaged:
	case (ours || opened || isClosedHead(head)) && s.initCopy():
		ours = true
	case ours:
		s.find("M02", container.Error, headSize, s.index.End, "the init moov is damaged")
	}
	if !ours {
		s.index.Ours = opened
		if state := s.plain(); state != Empty || opened || !s.initCopy() {
			return state
		}
	}
	if opened {
		return s.fragments(Open, size)
	}
	if closed {
		s.said = mdat
	} else {
		s.find("M02", container.Error, 0, headSize, "the first %d bytes are damaged", headSize)
	}
	return s.fragments(Broken, mdat)
}

// isClosedHead reports whether a file begins as our closed ones do, whatever its length.
func isClosedHead(head []byte) bool {
	const size = headSize - 8 // the length follows
	return string(head[:size]) == string(closedHead(0)[:size])
}

// committed takes the index from the closing moov that the commit record at the end
// of the file leads to, where the head does not: then only the head is to be written
// again. What the damage did to the media behind it, the fragments there tell.
func (s *scanner) committed() bool {
	size, id, hidden := s.window.size, s.header.fileID, s.header.ours && !s.header.damaged
	at, ok := s.window.commitRecord()
	if !ok {
		return false
	}
	restore := s.kept()
	if b, err := s.window.box(at, size); err != nil || b.end() != size || s.closedMoov(at, true) != "" {
		return false
	}
	if !s.header.ours || hidden && s.header.fileID != id {
		restore()
		return false
	}
	s.index.sealed = true
	if hidden {
		s.find("M02", container.Error, 0, headSize, "the first %d bytes are damaged", headSize)
		return true
	}
	end, ok := s.resync(headSize)
	if !ok {
		end = at
	}
	unproven := 0
	for _, t := range s.index.Tracks {
		for row := range t.Rows() {
			if row.Offset < end {
				unproven++
			}
		}
	}
	s.find("M02", container.Error, 0, end, "the head and the init moov are damaged; %d samples in front of the first intact fragment may be damaged too", unproven)
	return true
}

// isOpenHead reports whether a file begins as our open ones do, as far as it goes.
func isOpenHead(head []byte) bool {
	want := openHead()
	n := min(len(head), len(want))
	return n > 0 && string(head[:n]) == string(want[:n])
}

// closeRepair is what Finalize does.
const closeRepair = "append moov, patch 48 bytes"

// verdict adds what the state means, in front of the details.
func (s *scanner) verdict() {
	x, size := s.index, s.window.size
	f := container.Finding{Offset: min(headSize, size), End: size, Severity: container.Warning}
	switch {
	case s.orphaned:
		return
	case x.State == Empty && x.Ours:
		f.Code, f.Severity, f.Offset = "M01", container.Error, 0
		f.Text = "holds nothing: the recorder was stopped before one sample was written"
		if s.said > 0 {
			f.Text = "holds nothing any more: not one sample is whole"
		}
	case x.State == Empty && len(s.findings) == 0:
		f.Code, f.Severity, f.Offset = "M01", container.Error, 0
		f.Text = fmt.Sprintf("holds nothing: a file of %d bytes without one whole sample", size)
	case x.State == Open && x.Ours:
		f.Code, f.Text, f.Repair = "M04", "no closing moov: the recorder was stopped before it could finish", closeRepair
	case x.State == Open:
		f.Code, f.Severity = "M04", container.Note
		f.Text, f.Repair = "fragmented: players open it slowly, and editors may not take it", "write a plain copy"
	case x.State == Committing:
		f.Code, f.Text = "M05", "not committed: the closing moov is there, the head was not changed yet"
		f.Repair = closeRepair
	case x.State == Broken && !x.sealed:
		f.Code, f.Text = "M06", "the closing moov is missing, cut or damaged: the fragments inside the mdat replace it"
		f.Repair = closeRepair
	default:
		return
	}
	s.findings = append([]container.Finding{f}, s.findings...)
}

// closedMoov takes the index from a moov with sample tables. It returns what is
// wrong with it. One of ours must match its CRC.
func (s *scanner) closedMoov(offset int64, ours bool) (reason string) {
	b, all, ok := s.window.whole(offset, "moov", maxMoov)
	if !ok {
		return fmt.Sprintf("no whole moov of at most %d bytes", maxMoov)
	}
	h, err := parseMoov(all[b.header:])
	if err != nil {
		return err.Error()
	}
	if h.fragmented {
		return "a moov of fragments"
	}
	if (ours || h.ours) && !sealed(all) {
		return "its CRC does not match"
	}
	return s.fromTables(h, offset)
}

// initAt takes the tracks from the moov of a fragmented file.
func (s *scanner) initAt(offset int64) bool {
	b, all, ok := s.window.whole(offset, "moov", maxInit)
	if !ok {
		return false
	}
	h, err := parseMoov(all[b.header:])
	if err != nil || !h.fragmented {
		return false
	}
	h.damaged = h.summed && !summed(all)
	s.begin(h)
	s.index.End = b.end()
	return true
}

// kept returns what takes back a begin: what is known of the tracks as it is now.
func (s *scanner) kept() (restore func()) {
	header, index, room, next, start := s.header, s.index, s.room, s.next, s.start
	return func() { s.header, s.index, s.room, s.next, s.start = header, index, room, next, start }
}

// begin starts an index with the tracks of a moov.
func (s *scanner) begin(h header) {
	s.header = h
	s.index = &Index{Ours: h.ours, FileID: h.fileID, said: h.said}
	s.index.Created = h.created
	if h.ours && !h.fragmented {
		s.index.Drops = h.drops
	}
	s.room = min(maxSamples, s.window.size) // no sample of a sane file is empty
	s.next, s.start = make([]int64, len(h.tracks)), make([]int64, len(h.tracks))
	for i, t := range h.tracks {
		s.start[i] = t.said.edits.start(h.said.timescale, t.Timescale)
		s.index.Tracks = append(s.index.Tracks, &t.Track)
		s.index.details = append(s.index.details, t.detail)
	}
}

// plain walks the boxes of a file of any maker to its moov.
func (s *scanner) plain() State {
	size := s.window.size
	for at := int64(0); at < size; {
		b, err := s.window.box(at, size)
		if err != nil {
			s.find("M36", container.Error, at, size, "%v", err)
			return Empty
		}
		if b.kind != "moov" {
			at = b.end()
			continue
		}
		if s.initAt(at) {
			s.moovSamples(at)
			return s.fragments(Open, size)
		}
		if reason := s.closedMoov(at, false); reason != "" {
			s.find("M08", container.Error, at, b.end(), "the moov cannot be read: %s", reason)
			return Empty
		}
		return s.done(Closed)
	}
	s.find("M03", container.Error, 0, size, "there is no moov")
	return Empty
}

// done is a state, unless there is no sample.
func (s *scanner) done(state State) State {
	if s.index.samples() == 0 {
		return Empty
	}
	return state
}
