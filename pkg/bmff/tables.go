package bmff

import (
	"encoding/binary"
	"io"
	"iter"
	"math"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// tableCounts is how long the sample tables of a track will be.
type tableCounts struct {
	samples, keys    int
	timeRuns         int // entries of stts
	compositionRuns  int // entries of ctts
	composed         bool
	chunks, chunkRun int // entries of co64 or stco, and of stsc
	large            bool
	shift            int64 // added to all composition offsets
	presented        int64 // latest end of a presented sample, in ticks
	step             int64 // duration of the last sample
}

// chunk is samples of a track that lie one behind the other.
type chunk struct {
	offset  int64
	samples uint32
}

// count measures a track in one pass.
func count(t *container.Track, step int64) tableCounts {
	c := tableCounts{samples: t.Samples, keys: t.Keys, step: step}
	c.shift = max(0, -int64(t.First.CTS)) // no edit can begin before the media does
	for range durations(t, step) {
		c.timeRuns++
	}
	for v := range compositions(t, c.shift) {
		c.compositionRuns++
		c.composed = c.composed || v.value != 0
	}
	last := uint32(0)
	for ch := range chunks(t) {
		c.chunks++
		if ch.samples != last {
			c.chunkRun++
			last = ch.samples
		}
		c.large = c.large || ch.offset > math.MaxUint32
	}
	presented := func(r container.Row, duration int64) {
		c.presented = max(c.presented, r.DTS+int64(r.CTS)+duration)
	}
	before := t.First
	for r := range t.Rows() {
		presented(before, r.DTS-before.DTS)
		before = r
	}
	presented(before, step)
	return c
}

// runLength is equal values in a row.
type runLength struct {
	count uint32
	value int64
}

// runs groups equal values.
func runs(values iter.Seq[int64]) iter.Seq[runLength] {
	return func(yield func(runLength) bool) {
		var r runLength
		for v := range values {
			if r.count > 0 && v != r.value {
				if !yield(r) {
					return
				}
				r.count = 0
			}
			r.value = v
			r.count++
		}
		if r.count > 0 {
			yield(r)
		}
	}
}

func durations(t *container.Track, step int64) iter.Seq[runLength] {
	return runs(func(yield func(int64) bool) {
		first := true
		var before int64
		for r := range t.Rows() {
			if !first && !yield(min(max(0, r.DTS-before), math.MaxInt32)) {
				return
			}
			first, before = false, r.DTS
		}
		if !first {
			yield(step)
		}
	})
}

func compositions(t *container.Track, shift int64) iter.Seq[runLength] {
	return runs(func(yield func(int64) bool) {
		for r := range t.Rows() {
			if !yield(int64(r.CTS) + shift) {
				return
			}
		}
	})
}

func chunks(t *container.Track) iter.Seq[chunk] {
	return func(yield func(chunk) bool) {
		var c chunk
		var end int64
		for r := range t.Rows() {
			if c.samples > 0 && r.Offset != end {
				if !yield(c) {
					return
				}
				c.samples = 0
			}
			if c.samples == 0 {
				c.offset = r.Offset
			}
			c.samples++
			end = r.End()
		}
		if c.samples > 0 {
			yield(c)
		}
	}
}

// size is the length of the tables in bytes.
func (c *tableCounts) size() int64 {
	const perBox = fullHeader + 4
	total := int64(perBox + 8*c.timeRuns)    // stts
	total += int64(perBox + 12*c.chunkRun)   // stsc
	total += int64(perBox + 4 + 4*c.samples) // stsz
	if c.composed {
		total += int64(perBox + 8*c.compositionRuns)
	}
	if c.keys < c.samples {
		total += int64(perBox + 4*c.keys)
	}
	width := 4
	if c.large {
		width = 8
	}
	return total + int64(perBox+width*c.chunks)
}

// tableWriter writes big-endian words and keeps the first error.
type tableWriter struct {
	w   io.Writer
	buf []byte
	err error
}

// tableBuffer is how much is written at once, in bytes.
const tableBuffer = 16 << 10

func (w *tableWriter) flush() {
	if w.err == nil {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

func (w *tableWriter) uint32(v uint32) {
	if len(w.buf)+4 > cap(w.buf) {
		w.flush()
	}
	w.buf = binary.BigEndian.AppendUint32(w.buf, v)
}

// table begins a full box with its entry count.
func (w *tableWriter) table(kind string, version byte, entrySize, entries int) {
	w.uint32(uint32(fullHeader + 4 + entrySize*entries))
	w.uint32(binary.BigEndian.Uint32([]byte(kind)))
	w.uint32(uint32(version) << 24)
	w.uint32(uint32(entries))
}

// write writes the tables of a track (BMFF 8.6.1, 8.7).
func (c *tableCounts) write(out io.Writer, t *container.Track) error {
	w := &tableWriter{w: out, buf: make([]byte, 0, tableBuffer)}
	w.table("stts", 0, 8, c.timeRuns)
	for r := range durations(t, c.step) {
		w.uint32(r.count)
		w.uint32(uint32(r.value))
	}
	if c.composed {
		w.table("ctts", 1, 8, c.compositionRuns) // version 1: offsets may be negative
		for r := range compositions(t, c.shift) {
			w.uint32(r.count)
			w.uint32(uint32(r.value))
		}
	}
	if c.keys < c.samples {
		w.table("stss", 0, 4, c.keys)
		number := uint32(0)
		for r := range t.Rows() {
			if number++; r.Key {
				w.uint32(number)
			}
		}
	}
	c.writePlaces(w, t)
	w.flush()
	return w.err
}

// writePlaces writes where the samples are: stsc, stsz and stco or co64.
func (c *tableCounts) writePlaces(w *tableWriter, t *container.Track) {
	w.table("stsc", 0, 12, c.chunkRun)
	number, last := uint32(0), uint32(0)
	for ch := range chunks(t) {
		if number++; ch.samples != last {
			w.uint32(number)
			w.uint32(ch.samples)
			w.uint32(1) // sample description
			last = ch.samples
		}
	}
	w.uint32(uint32(fullHeader + 8 + 4*c.samples))
	w.uint32(binary.BigEndian.Uint32([]byte("stsz")))
	w.uint32(0) // version and flags
	w.uint32(0) // the sizes differ
	w.uint32(uint32(c.samples))
	for r := range t.Rows() {
		w.uint32(r.Size)
	}
	if !c.large {
		w.table("stco", 0, 4, c.chunks)
		for ch := range chunks(t) {
			w.uint32(uint32(ch.offset))
		}
		return
	}
	w.table("co64", 0, 8, c.chunks)
	for ch := range chunks(t) {
		w.uint32(uint32(ch.offset >> 32))
		w.uint32(uint32(ch.offset))
	}
}
