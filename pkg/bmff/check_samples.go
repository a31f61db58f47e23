package bmff

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// sampleRules is what each sample of a track is looked at for, all in one pass.
type sampleRules struct {
	check        *checker
	track        *container.Track
	steps        stepRule
	compositions compositionRule
	presentation presentationRule
	empty        place // samples of no bytes (M43)
	keys         keyRule
}

// place is the first of several samples with the same fault.
type place struct {
	row   container.Row
	count int
}

func (p *place) add(r *container.Row) {
	if p.count++; p.count == 1 {
		p.row = *r
	}
}

func newSampleRules(c *checker, i int) *sampleRules {
	t := c.index.Tracks[i]
	return &sampleRules{check: c, track: t,
		compositions: newCompositionRule(t, c.index.details[i].said.unsigned),
		presentation: presentationRule{latest: math.MinInt64},
		keys:         newKeyRule(t)}
}

func (s *sampleRules) row(r *container.Row) {
	s.steps.row(r)
	s.compositions.row(r)
	s.presentation.row(r)
	if r.Size == 0 {
		s.empty.add(r)
	}
	if s.track.Kind == media.Video {
		s.keys.row(r, s.check)
	}
}

// report tells what was found in a track that has samples.
func (s *sampleRules) report(name string) {
	c, t := s.check, s.track
	found := func(code string, severity container.Severity, p place, what string) {
		if p.count > 0 {
			c.find(code, severity, p.row.Offset, p.row.End(), "%s: %d of %d samples %s, the first one at %s",
				name, p.count, t.Samples, what, t.Time(p.row.DTS).Truncate(time.Millisecond))
		}
	}
	found("M13", c.odd, s.steps.zero, "are not later than the one before")
	found("M13", container.Warning, s.steps.huge, "follow on a duration that cannot be")
	found("M16", container.Warning, s.compositions.negative, "have a negative composition offset in a table that has none")
	found("M16", container.Warning, s.compositions.absurd, "have an absurd composition offset")
	found("M16", container.Note, s.compositions.odd, "are shown more than 10 s from their decoding")
	found("M17", container.Note, s.presentation.same, "are shown at the time of another one")
	found("M43", c.odd, s.empty, "are empty")
	if t.Kind == media.Video {
		c.firstKey(name, t)
		found("M19", c.odd, s.keys.wrong, "are marked as sync samples and are none")
		found("M19", container.Note, s.keys.missed, "are sync samples and not marked")
	}
}

// stepRule finds samples that last nothing, or forever (M13).
type stepRule struct {
	zero, huge place
	before     int64
	begun      bool
}

// giant is the step of a 32-bit number that was meant to be negative.
const giant = 1 << 31

func (s *stepRule) row(r *container.Row) {
	if step := r.DTS - s.before; s.begun && step <= 0 {
		s.zero.add(r)
	} else if s.begun && step >= giant {
		s.huge.add(r)
	}
	s.before, s.begun = r.DTS, true
}

// compositionRule finds absurd composition offsets (M16).
type compositionRule struct {
	negative, absurd, odd place
	unsigned              bool // the table is of version 0
	maxUsual, maxOdd      int64
}

// Composition offsets beyond oddOffset are unlikely, those beyond absurdOffset more
// than two can differ in RTMP's signed 24 bits of milliseconds.
const (
	oddOffset    = 10 * time.Second
	absurdOffset = 1 << 24 * time.Millisecond
)

func newCompositionRule(t *container.Track, unsigned bool) compositionRule {
	scale := int64(t.Timescale)
	return compositionRule{unsigned: unsigned, maxUsual: toTicks(oddOffset, scale), maxOdd: toTicks(absurdOffset, scale)}
}

func (c *compositionRule) row(r *container.Row) {
	switch offset := max(int64(r.CTS), -int64(r.CTS)); {
	case r.CTS < 0 && c.unsigned:
		c.negative.add(r)
	case offset > c.maxOdd || r.CTS == math.MinInt32:
		c.absurd.add(r)
	case offset > c.maxUsual:
		c.odd.add(r)
	}
}

// presentationRule finds samples that are shown at the same time as another (M17).
type presentationRule struct {
	same   place
	latest int64 // of all times
	recent [reorder]int64
	seen   int
}

// reorder is how many samples a picture is held back at most, by any codec.
const reorder = 32

func (p *presentationRule) row(r *container.Row) {
	at := r.DTS + int64(r.CTS)
	if at <= p.latest && slices.Contains(p.recent[:min(p.seen, reorder)], at) {
		p.same.add(r)
	}
	p.latest = max(p.latest, at)
	p.recent[p.seen%reorder] = at
	p.seen++
}

// firstKey finds a track that no decoder can start at (M19).
func (c *checker) firstKey(name string, t *container.Track) {
	switch {
	case t.Keys == 0:
		from, to := min(t.First.Offset, t.Last.Offset), max(t.First.End(), t.Last.End()) // in anybody's order
		c.find("M19", c.odd, from, to, "%s: no sync sample in %d", name, t.Samples)
	case !t.First.Key:
		c.find("M19", c.odd, t.First.Offset, t.First.End(), "%s: the first sample is no sync sample", name)
	}
}

// keyRule compares the sync flags of some samples with their bitstream (M19).
type keyRule struct {
	wrong, missed place
	codec         media.Codec
	naluLength    int
	sync, others  probes
	buf           []byte
}

// probes chooses samples that are evenly spread.
type probes struct{ every, wait int }

const (
	keyProbes   = 32      // sync samples that are read, and as many others
	maxKeyProbe = 2 << 20 // a longer sample is not read
)

func newKeyRule(t *container.Track) keyRule {
	v, _ := codec.ParseVideo(t.Codec, t.Config)
	return keyRule{codec: t.Codec, naluLength: v.NALULength,
		sync: probes{every: max(1, t.Keys/keyProbes)}, others: probes{every: max(1, (t.Samples-t.Keys)/keyProbes)}}
}

func (p *probes) next() bool {
	if p.wait > 0 {
		p.wait--
		return false
	}
	p.wait = p.every - 1
	return true
}

func (k *keyRule) row(r *container.Row, c *checker) {
	p := &k.others
	if r.Key {
		p = &k.sync
	}
	if !p.next() || r.Size == 0 || r.Size > maxKeyProbe || c.err != nil {
		return
	}
	k.buf = slices.Grow(k.buf[:0], int(r.Size))[:r.Size]
	if !c.read(k.buf, r.Offset) {
		return
	}
	switch key := codec.IsKey(k.codec, k.buf, k.naluLength, r.Key); {
	case r.Key && !key:
		k.wrong.add(r)
	case !r.Key && key:
		k.missed.add(r)
	}
}

func (c *checker) read(b []byte, offset int64) bool {
	n, err := c.r.ReadAt(b, offset)
	if n < len(b) {
		c.err = fmt.Errorf("mp4: read %d bytes at %d: %w", len(b), offset, err)
	}
	return n == len(b)
}
