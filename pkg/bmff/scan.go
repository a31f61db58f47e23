package bmff

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// State is how far a file has come.
type State uint8

// The states of a file.
const (
	Empty      State = iota // ours or not, without one whole sample
	Open                    // fragmented; ours is not closed yet
	Committing              // ours, the closing moov is there, the head is not changed yet
	Closed                  // a plain file
	Broken                  // ours, closed, but its moov is missing or damaged
)

// Scan rebuilds the index of a file: from the moov of a plain one, else from its
// fragments. A fragment of ours that was not synced counts only if its CRC proves
// it. What is not whole is a finding; behind it the walk goes on at the next
// fragment that is proven. The error is one of reading.
func Scan(r io.ReaderAt, size int64) (*Index, State, []container.Finding, error) {
	s := &scanner{window: window{r: r, size: size}, index: &Index{}}
	state := s.scan()
	return s.index, state, s.findings, s.window.err
}

type scanner struct {
	window   window
	header   header
	index    *Index
	findings []container.Finding
	next     []int64     // DTS that would follow, a track
	pending  []*fragment // read, but not yet proven
	synced   int64
}

// maxPending is how many fragments wait for a later one to prove them before they
// are read to prove themselves.
const maxPending = 4096

func (s *scanner) find(code string, severity container.Severity, offset, end int64, format string, args ...any) {
	s.findings = append(s.findings, container.Finding{Code: code, Severity: severity, Offset: offset, End: end, Text: fmt.Sprintf(format, args...)})
}

func (s *scanner) scan() State {
	size := s.window.size
	head := s.window.at(0, headSize)
	if len(head) < headSize {
		s.find("M01", container.Error, 0, size, "file of %d bytes: it ends before its header", size)
		return Empty
	}
	closed := string(head[ftypSize+4:ftypSize+8]) == "mdat" && string(head[4:8]) == "ftyp"
	if closed {
		mdat, err := s.window.box(ftypSize, size)
		if err == nil && s.closedMoov(mdat.end()) {
			return Closed
		}
		if !s.initAt(headSize) {
			return s.plain()
		}
		s.find("M06", container.Error, min(mdat.offset+max(mdat.size, 0), size), size, "the closing moov is missing or damaged")
		return s.fragments(headSize, Broken)
	}
	return s.plain()
}

// closedMoov takes the index from the closing moov of a file, if it is whole.
func (s *scanner) closedMoov(offset int64) bool {
	b, ok := s.payload(offset, "moov")
	if !ok {
		return false
	}
	h, err := parseMoov(b)
	if err != nil || h.fragmented {
		return false
	}
	return s.fromTables(h, offset)
}

// payload reads the payload of a box of a kind at an offset into memory of its own.
func (s *scanner) payload(offset int64, kind string) ([]byte, bool) {
	b, err := s.window.box(offset, s.window.size)
	if err != nil || b.kind != kind {
		return nil, false
	}
	body := s.window.at(b.payload(), b.size-b.header)
	return bytes.Clone(body), int64(len(body)) == b.size-b.header
}

// initAt takes the tracks from the moov of a fragmented file.
func (s *scanner) initAt(offset int64) bool {
	b, err := s.window.box(offset, s.window.size)
	if err != nil || b.kind != "moov" || b.size > maxInit {
		return false
	}
	body, ok := s.payload(offset, "moov")
	if !ok {
		return false
	}
	h, err := parseMoov(body)
	if err != nil || !h.fragmented {
		return false
	}
	s.begin(h)
	s.index.End = b.end()
	return true
}

// begin starts an index with the tracks of a moov.
func (s *scanner) begin(h header) {
	s.header = h
	s.index = &Index{FileID: h.fileID}
	s.index.Created = h.created
	s.next = make([]int64, len(h.tracks))
	for _, t := range h.tracks {
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
		if b.kind == "moov" {
			if s.initAt(at) {
				return s.fragments(at, Open)
			}
			if s.closedMoov(at) {
				return Closed
			}
			s.find("M08", container.Error, at, b.end(), "the moov cannot be read")
			return Empty
		}
		at = b.end()
	}
	s.find("M03", container.Error, 0, size, "there is no moov")
	return Empty
}

// fragments walks the fragments behind the init moov.
func (s *scanner) fragments(moov int64, state State) State {
	first, _ := s.window.box(moov, s.window.size) // initAt has read it
	at := first.end()
	for at < s.window.size {
		f, end, reason := s.fragment(at)
		if f != nil {
			s.add(f)
			at = end
			continue
		}
		if reason == "" { // another box that is whole
			if b, _ := s.window.box(at, s.window.size); b.kind == "moov" {
				if s.prove(); s.closing(at) {
					return max(state, Committing)
				}
			}
			at = end
			continue
		}
		if next, ok := s.resync(at + 1); ok {
			s.find("M22", container.Error, at, next, "damaged: %s", reason)
			at = next
			continue
		}
		s.prove()
		s.find("M20", container.Warning, at, s.window.size, "cut: %s", reason)
		return s.done(state)
	}
	s.prove()
	return s.done(state)
}

func (s *scanner) done(state State) State {
	for _, t := range s.index.Tracks {
		if t.Samples > 0 {
			return state
		}
	}
	if state == Broken {
		return Broken
	}
	return Empty
}

// closing reports whether the moov there is the whole closing one of this file.
func (s *scanner) closing(at int64) bool {
	body, ok := s.payload(at, "moov")
	if !ok {
		return false
	}
	h, err := parseMoov(body)
	return err == nil && !h.fragmented && h.fileID == s.header.fileID
}

// fragment reads the fragment at an offset. Without one and without a reason
// there is another whole box, which ends at end.
func (s *scanner) fragment(at int64) (f *fragment, end int64, reason string) {
	size := s.window.size
	b, err := s.window.box(at, size)
	if err != nil {
		return nil, 0, err.Error()
	}
	if b.kind != "moof" {
		if !knownBox(b.kind) {
			return nil, 0, fmt.Sprintf("unknown box %q", b.kind)
		}
		return nil, b.end(), ""
	}
	if b.size > maxMoof {
		return nil, 0, fmt.Sprintf("moof of %d bytes", b.size)
	}
	f, reason = s.header.parseMoof(s.window.at(at, b.size), at, func(track int) int64 { return s.next[track] })
	if reason != "" {
		return nil, 0, reason
	}
	if s.header.ours && (!f.marked || f.mark.fileID != s.header.fileID) {
		return nil, 0, "a fragment without this file's mark"
	}
	mdat, err := s.window.box(b.end(), size)
	if err != nil || mdat.kind != "mdat" {
		return nil, 0, "the samples of the fragment are not whole"
	}
	f.data, f.end = mdat.payload(), mdat.end()
	for _, run := range f.runs {
		for _, row := range run.rows {
			if row.Offset < 0 || row.End() > size || s.header.ours && (row.Offset < f.data || row.End() > f.end) {
				return nil, 0, "a sample lies outside its mdat"
			}
		}
	}
	return f, f.end, ""
}

// knownBox lists what may stand between fragments.
func knownBox(kind string) bool {
	return slices.Contains([]string{"moov", "free", "skip", "styp", "sidx", "mfra", "emsg", "prft", "uuid", "udta", "meta", "mdat", "wide"}, kind)
}

// add queues a fragment until it is proven: a later one says that it was synced,
// or its CRC does. Those of other makers have no proof.
func (s *scanner) add(f *fragment) {
	for _, run := range f.runs {
		if n := len(run.rows); n > 0 {
			s.next[run.track] = run.rows[n-1].DTS
			if n > 1 {
				s.next[run.track] += run.rows[n-1].DTS - run.rows[n-2].DTS
			}
		}
	}
	if !s.header.ours {
		s.take(f)
		return
	}
	s.pending = append(s.pending, f)
	if f.mark.synced <= f.offset {
		s.synced = max(s.synced, f.mark.synced)
	}
	if len(s.pending) >= maxPending || s.synced >= s.pending[0].end {
		s.settle(len(s.pending) >= maxPending)
	}
}

// prove settles everything that is pending.
func (s *scanner) prove() { s.settle(true) }

// settle takes the pending fragments that were synced; all of them after reading
// the others, if it must.
func (s *scanner) settle(all bool) {
	for len(s.pending) > 0 {
		f := s.pending[0]
		if f.end > s.synced {
			if !all {
				return
			}
			if !s.intact(f) {
				s.find("M46", container.Warning, f.offset, f.end, "a fragment that was not synced does not match its CRC")
				s.pending = s.pending[1:]
				continue
			}
		}
		s.take(f)
		s.pending = s.pending[1:]
	}
}

// intact compares a fragment with its CRC.
func (s *scanner) intact(f *fragment) bool {
	b := make([]byte, f.end-f.offset)
	if n, err := s.window.r.ReadAt(b, f.offset); int64(n) < int64(len(b)) {
		if err != io.EOF && s.window.err == nil {
			s.window.err = err
		}
		return false
	}
	header := f.data - f.offset
	moof := header - boxHeader
	return f.checksum(b[:moof], b[header:]) == f.crc
}

// take enters a fragment's samples into the index.
func (s *scanner) take(f *fragment) {
	for _, run := range f.runs {
		for _, row := range run.rows {
			s.index.Tracks[run.track].Add(row)
		}
	}
	s.index.Fragments++
	s.index.InBand |= f.mark.inBand
	s.index.End = max(s.index.End, f.end)
}

// resync looks for the next fragment of this file that its CRC proves.
func (s *scanner) resync(from int64) (int64, bool) {
	if !s.header.ours {
		return 0, false
	}
	const step = 1 << 20
	buf := make([]byte, min(step, s.window.size-from))
	for at := from; at < s.window.size; at += step - boxHeader {
		n, err := s.window.r.ReadAt(buf[:min(int64(len(buf)), s.window.size-at)], at)
		if err != nil && err != io.EOF && s.window.err == nil {
			s.window.err = err
			return 0, false
		}
		for i := 0; ; {
			j := bytes.Index(buf[i:n], []byte("moof"))
			if j < 0 {
				break
			}
			i += j + 4
			candidate := at + int64(i) - boxHeader
			if candidate < from {
				continue
			}
			if f, _, _ := s.fragment(candidate); f != nil && s.intact(f) {
				return candidate, true
			}
		}
	}
	return 0, false
}
