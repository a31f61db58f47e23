package flv

import (
	"cmp"
	"io"
	"iter"
	"slices"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Scan rebuilds the index of a file of a size, in one walk over its tags. Where the
// chain of tags breaks, a finding says so and the walk goes on at the next tag that
// is proven; only what follows the last one is a torn end. The error is one of
// reading.
func Scan(r io.ReaderAt, size int64) (*Index, []container.Finding, error) {
	return scanFile(r, size, true)
}

// Rescan is Scan for who has written the file, with the power on since then: what is
// whole is as it was written.
func Rescan(r io.ReaderAt, size int64) (*Index, []container.Finding, error) {
	return scanFile(r, size, false)
}

// scanFile finds out which tags give way, and scans without them.
func scanFile(r io.ReaderAt, size int64, judge bool) (*Index, []container.Finding, error) {
	s := newScanner(r, size)
	s.scan()
	if judge {
		s.judge()
	}
	if len(s.index.torn) > 0 {
		s = s.again(r, size)
	}
	if len(s.short) > 0 && !s.index.immovable {
		s = s.again(r, size)
	}
	for i, f := range s.findings {
		if f.Repair == "" && f.Severity > container.Note {
			s.findings[i].Repair = s.index.remedy(f.Code)
		}
	}
	return s.index, s.findings, s.err
}

// scanner walks a file of any state.
type scanner struct {
	Reader
	probe    window // for what is far ahead of the Reader's
	index    *Index
	findings []container.Finding
	first    int64     // where the tags begin
	last     int64     // the newest tag; 0 if there was none
	short    []outcast // tags before damage that has no room for a note
	giveWay  []outcast // by offset
	settled  bool      // no more tags give way
	headless bool      // there is no FLV header
	budget   int64     // bytes that may still be read to prove tags
}

// outcast is a tag that is taken for damaged though its envelope is right: an earlier
// walk has found out why.
type outcast struct {
	offset int64
	why    string
}

// givesWay tells whether a tag is an outcast, and why.
func (s *scanner) givesWay(at int64) (why string, ok bool) {
	i, ok := slices.BinarySearchFunc(s.giveWay, at, func(o outcast, at int64) int { return cmp.Compare(o.offset, at) })
	if ok {
		why = s.giveWay[i].why
	}
	return why, ok
}

// again scans once more, without those tags.
func (s *scanner) again(r io.ReaderAt, size int64) *scanner {
	t := newScanner(r, size)
	t.index.torn, t.index.unproven = s.index.torn, s.index.unproven
	t.giveWay = slices.Concat(s.index.torn, s.short)
	slices.SortFunc(t.giveWay, func(a, b outcast) int { return cmp.Compare(a.offset, b.offset) })
	t.settled = len(s.short) > 0
	t.scan()
	return t
}

func newScanner(r io.ReaderAt, size int64) *scanner {
	file := &source{r: r, size: size}
	return &scanner{
		Reader: Reader{window: window{source: file, ahead: readAhead}},
		probe:  window{source: file, ahead: probeAhead},
		index:  &Index{},
		budget: proofFactor*size + proofExtra,
	}
}

func (s *scanner) scan() {
	for tag := range s.tags() {
		s.index.addTag(tag, tag.Offset == s.first)
	}
}

// tags yields the whole tags, but for the head of a file of ours and notes, and goes
// over what is damaged.
func (s *scanner) tags() iter.Seq[Tag] {
	return func(yield func(Tag) bool) {
		s.begin()
		s.walk(yield)
	}
}

// begin reads the head and stands before the first tag.
func (s *scanner) begin() {
	start, reason := s.start()
	x := s.index
	x.Ours = s.head()
	if s.err != nil {
		return
	}
	if x.Ours && s.size >= headSize {
		if reason == "" && !beginsLikeOurs(s.at(0, headerSize)) {
			reason = "not one of ours"
		}
		start, s.clock.begun = headSize, true // they begin at 0
	} else if reason != "" {
		start = min(headerSize, s.size)
	}
	if s.headless = reason != ""; s.headless {
		s.find("F02", container.Error, 0, min(headerSize, s.size), formatError("header", 0, reason).Error())
	}
	s.offset, s.first, x.End = start, start, start
}

// walk yields the tags from where the scanner stands.
func (s *scanner) walk(yield func(Tag) bool) {
	for s.err == nil && s.offset < s.size {
		e, state := s.envelope(s.offset)
		if fault := s.check(e, state); fault != nil {
			s.damaged(fault)
			continue
		}
		tag, err := s.take(e)
		if err != nil {
			return
		}
		s.last, s.index.End = e.offset, e.end()
		if e.isNote(tag.Body) {
			s.note(e)
		} else if !yield(tag) {
			return
		}
	}
}

// addTag adds a tag to the index.
func (x *Index) addTag(tag Tag, first bool) {
	if d, ok := parseDrop(tag.Type, tag.Body); ok && x.Ours {
		d.At, d.Offset = tag.Time, tag.Offset
		x.AddDrop(d)
		return
	}
	if synced, ok := parseSync(tag); ok && x.Ours {
		x.synced, x.End = max(x.synced, synced), tag.end()
		return
	}
	if isScript(tag.Type) {
		values := scriptValues(tag)
		if first {
			x.claims = readClaims(values)
			x.claims.end = tag.end()
		}
		x.learn(values)
		return
	}
	p, err := classify(tag.Type, tag.Body)
	if err != nil {
		p = media.Packet{Kind: media.Video, Role: media.Other}
	}
	x.add(&p, tag.Time, tag.Offset, tag.end())
	x.list(&p, tag)
}

// scriptValues reads a script tag as far as it can be read.
func scriptValues(tag Tag) []any {
	parse := amf.Parse
	if tag.Type == TagScriptAMF3 {
		parse = amf.ParseMessage3
	}
	values, _ := parse(tag.Body)
	return values
}

// learn takes from onMetaData what the media cannot tell.
func (x *Index) learn(values []any) {
	if x.FrameRate == 0 {
		x.FrameRate = frameRate(values)
	}
	if x.Created.IsZero() {
		x.Created = created(values)
	}
}
