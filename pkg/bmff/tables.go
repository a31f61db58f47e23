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
	for range durations(t, step) {
		c.timeRuns++
	}
	for v := range compositions(t) {
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
			if !first && !yield(r.DTS-before) {
				return
			}
			first, before = false, r.DTS
		}
		if !first {
			yield(step)
		}
	})
}

func compositions(t *container.Track) iter.Seq[runLength] {
	return runs(func(yield func(int64) bool) {
		for r := range t.Rows() {
			if !yield(int64(r.CTS)) {
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
	buf [8]byte
	err error
}

func (w *tableWriter) bytes(b []byte) {
	if w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

func (w *tableWriter) uint32(values ...uint32) {
	for _, v := range values {
		binary.BigEndian.PutUint32(w.buf[:], v)
		w.bytes(w.buf[:4])
	}
}

// table begins a full box with its entry count.
func (w *tableWriter) table(kind string, version byte, entrySize, entries, extra int) {
	w.uint32(uint32(fullHeader + 4 + extra + entrySize*entries))
	w.bytes([]byte(kind))
	w.bytes([]byte{version, 0, 0, 0})
}

// write writes the tables of a track (BMFF 8.6.1, 8.7).
func (c *tableCounts) write(out io.Writer, t *container.Track) error {
	w := &tableWriter{w: out}
	w.table("stts", 0, 8, c.timeRuns, 0)
	w.uint32(uint32(c.timeRuns))
	for r := range durations(t, c.step) {
		w.uint32(r.count, uint32(r.value))
	}
	if c.composed {
		w.table("ctts", 1, 8, c.compositionRuns, 0) // version 1: offsets may be negative
		w.uint32(uint32(c.compositionRuns))
		for r := range compositions(t) {
			w.uint32(r.count, uint32(r.value))
		}
	}
	if c.keys < c.samples {
		w.table("stss", 0, 4, c.keys, 0)
		w.uint32(uint32(c.keys))
		number := uint32(0)
		for r := range t.Rows() {
			if number++; r.Key {
				w.uint32(number)
			}
		}
	}
	w.table("stsc", 0, 12, c.chunkRun, 0)
	w.uint32(uint32(c.chunkRun))
	number, last := uint32(0), uint32(0)
	for ch := range chunks(t) {
		if number++; ch.samples != last {
			w.uint32(number, ch.samples, 1)
			last = ch.samples
		}
	}
	w.table("stsz", 0, 4, c.samples, 4)
	w.uint32(0, uint32(c.samples))
	for r := range t.Rows() {
		w.uint32(r.Size)
	}
	c.writeOffsets(w, t)
	return w.err
}

func (c *tableCounts) writeOffsets(w *tableWriter, t *container.Track) {
	kind, width := "stco", 4
	if c.large {
		kind, width = "co64", 8
	}
	w.table(kind, 0, width, c.chunks, 0)
	w.uint32(uint32(c.chunks))
	for ch := range chunks(t) {
		if c.large {
			w.uint32(uint32(ch.offset >> 32))
		}
		w.uint32(uint32(ch.offset))
	}
}
