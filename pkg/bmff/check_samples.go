package bmff

import (
	"fmt"
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// place is the first of several samples with the same fault.
type place struct {
	row   container.Row
	count int
}

func (p *place) add(r container.Row) {
	if p.count++; p.count == 1 {
		p.row = r
	}
}

// samples reports a fault of some samples, at the first one.
func (c *checker) samples(code string, severity container.Severity, name string, t *container.Track, p place, what string) {
	if p.count > 0 {
		c.find(code, severity, p.row.Offset, p.row.End(), "%s: %d of %d samples %s, the first one at %s",
			name, p.count, t.Samples, what, t.Time(p.row.DTS).Truncate(time.Millisecond))
	}
}

// giant is the step of a 32-bit number that was meant to be negative.
const giant = 1 << 31

// deltas finds samples that last nothing, or forever (M13).
func (c *checker) deltas(name string, t *container.Track) {
	var zero, huge place
	before, begun := container.Row{}, false
	for r := range t.Rows() {
		if step := r.DTS - before.DTS; begun && step <= 0 {
			zero.add(r)
		} else if begun && step >= giant {
			huge.add(r)
		}
		before, begun = r, true
	}
	c.samples("M13", c.odd, name, t, zero, "are not later than the one before")
	c.samples("M13", container.Warning, name, t, huge, "follow on a duration that cannot be")
}

// Composition offsets beyond oddOffset are unlikely, those beyond absurdOffset more
// than two can differ in RTMP's signed 24 bits of milliseconds.
const (
	oddOffset    = 10 * time.Second
	absurdOffset = 1 << 24 * time.Millisecond
)

// compositions finds absurd composition offsets (M16).
func (c *checker) compositions(name string, i int, t *container.Track) {
	var odd, absurd, negative place
	for r := range t.Rows() {
		switch offset := max(r.CTS, -r.CTS); {
		case r.CTS < 0 && c.index.details[i].said.unsigned:
			negative.add(r)
		case t.Time(int64(offset)) > absurdOffset || offset < 0:
			absurd.add(r)
		case t.Time(int64(offset)) > oddOffset:
			odd.add(r)
		}
	}
	c.samples("M16", container.Warning, name, t, negative, "have a negative composition offset in a table that has none")
	c.samples("M16", container.Warning, name, t, absurd, "have an absurd composition offset")
	c.samples("M16", container.Note, name, t, odd, "are shown more than 10 s from their decoding")
}

// reorder is how many samples a picture is held back at most, by any codec.
const reorder = 32

// presentation finds samples that are shown at the same time as another (M17).
func (c *checker) presentation(name string, t *container.Track) {
	var p place
	var recent [reorder]int64
	n := 0
	for r := range t.Rows() {
		at := r.DTS + int64(r.CTS)
		if slices.Contains(recent[:min(n, reorder)], at) {
			p.add(r)
		}
		recent[n%reorder] = at
		n++
	}
	c.samples("M17", container.Note, name, t, p, "are shown at the time of another one")
}

// empty finds samples of no bytes (M43).
func (c *checker) empty(name string, t *container.Track) {
	var p place
	for r := range t.Rows() {
		if r.Size == 0 {
			p.add(r)
		}
	}
	c.samples("M43", c.odd, name, t, p, "are empty")
}

// firstKey finds a track that no decoder can start at (M19).
func (c *checker) firstKey(name string, t *container.Track) {
	switch {
	case t.Keys == 0:
		c.find("M19", c.odd, t.First.Offset, max(t.First.End(), t.Last.End()), "%s: no sync sample in %d", name, t.Samples)
	case !t.First.Key:
		c.find("M19", c.odd, t.First.Offset, t.First.End(), "%s: the first sample is no sync sample", name)
	}
}

const (
	keyProbes   = 32      // sync samples that are read, and as many others
	maxKeyProbe = 2 << 20 // a longer sample is not read
)

// keys compares the sync flags of some samples with their bitstream (M19).
func (c *checker) keys(name string, t *container.Track) {
	v, _ := codec.ParseVideo(t.Codec, t.Config)
	var falseKey, missed place
	every := [2]int{max(1, (t.Samples-t.Keys)/keyProbes), max(1, t.Keys/keyProbes)}
	seen := [2]int{}
	var buf []byte
	for r := range t.Rows() {
		kind := 0
		if r.Key {
			kind = 1
		}
		seen[kind]++
		if (seen[kind]-1)%every[kind] != 0 || r.Size == 0 || r.Size > maxKeyProbe {
			continue
		}
		if buf = slices.Grow(buf[:0], int(r.Size))[:r.Size]; !c.read(buf, r.Offset) {
			return
		}
		switch key := codec.IsKey(t.Codec, buf, v.NALULength, r.Key); {
		case r.Key && !key:
			falseKey.add(r)
		case !r.Key && key:
			missed.add(r)
		}
	}
	c.samples("M19", c.odd, name, t, falseKey, "are marked as sync samples and are none")
	c.samples("M19", container.Note, name, t, missed, "are sync samples and not marked")
}

func (c *checker) read(b []byte, offset int64) bool {
	n, err := c.r.ReadAt(b, offset)
	if n == len(b) {
		return true
	}
	if c.err == nil {
		c.err = fmt.Errorf("mp4: read %d bytes at %d: %w", len(b), offset, err)
	}
	return false
}
