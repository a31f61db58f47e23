package bmff

import (
	"encoding/binary"
	"io"
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

// count measures a track in one pass.
func count(t *container.Track, step int64) tableCounts {
	c := tableCounts{samples: t.Samples, keys: t.Keys, step: step}
	c.shift = max(0, -int64(t.First.CTS)) // no edit can begin before the media does
	times := durations{runs: runs{emit: func(uint32, int64) { c.timeRuns++ }}}
	offsets := runs{emit: func(_ uint32, offset int64) {
		c.compositionRuns++
		c.composed = c.composed || offset != 0
	}}
	perChunk := runs{emit: func(uint32, int64) { c.chunkRun++ }}
	places := chunks{emit: func(offset int64, samples uint32) {
		c.chunks++
		perChunk.add(int64(samples))
		c.large = c.large || offset > math.MaxUint32
	}}
	cts := int64(t.First.CTS) // of the sample before, which lasts up to the DTS of this one
	for r := range t.Rows() {
		c.presented = max(c.presented, r.DTS+cts)
		cts = int64(r.CTS)
		times.add(r.DTS)
		offsets.add(cts + c.shift)
		places.add(r.Offset, r.Size)
	}
	c.presented = max(c.presented, t.Last.DTS+cts+step)
	times.end(step)
	offsets.end()
	places.end()
	perChunk.end()
	return c
}

// runs groups equal values in a row.
type runs struct {
	emit  func(count uint32, value int64)
	count uint32
	value int64
}

func (r *runs) add(value int64) {
	if value != r.value {
		r.end()
		r.value = value
	}
	r.count++
}

func (r *runs) end() {
	if r.count > 0 {
		r.emit(r.count, r.value)
	}
	r.count = 0
}

// durations groups the durations of samples: each is told by the next one.
type durations struct {
	runs   runs
	before int64 // DTS
	begun  bool
}

func (d *durations) add(dts int64) {
	if d.begun {
		d.runs.add(min(max(0, dts-d.before), math.MaxInt32))
	}
	d.before, d.begun = dts, true
}

// end takes the duration of the last sample.
func (d *durations) end(step int64) {
	if d.begun {
		d.runs.add(step)
	}
	d.runs.end()
}

// chunks groups samples of a track that lie one behind the other.
type chunks struct {
	emit    func(offset int64, samples uint32)
	samples uint32
	offset  int64
	behind  int64 // the last sample
}

func (c *chunks) add(offset int64, size uint32) {
	if offset != c.behind || c.samples == 0 {
		c.end()
		c.offset = offset
	}
	c.samples++
	c.behind = offset + int64(size)
}

func (c *chunks) end() {
	if c.samples > 0 {
		c.emit(c.offset, c.samples)
	}
	c.samples = 0
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

// run writes an entry of stts or ctts.
func (w *tableWriter) run(count uint32, value int64) {
	w.uint32(count)
	w.uint32(uint32(value))
}

// write writes the tables of a track (BMFF 8.6.1, 8.7), in a pass each.
func (c *tableCounts) write(out io.Writer, t *container.Track) error {
	w := &tableWriter{w: out, buf: make([]byte, 0, tableBuffer)}
	w.table("stts", 0, 8, c.timeRuns)
	times := durations{runs: runs{emit: w.run}}
	for r := range t.Rows() {
		times.add(r.DTS)
	}
	times.end(c.step)
	if c.composed {
		w.table("ctts", 1, 8, c.compositionRuns) // version 1: offsets may be negative
		offsets := runs{emit: w.run}
		for r := range t.Rows() {
			offsets.add(int64(r.CTS) + c.shift)
		}
		offsets.end()
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
	number := uint32(1) // of the chunk
	perChunk := runs{emit: func(count uint32, samples int64) {
		w.uint32(number)
		w.uint32(uint32(samples))
		w.uint32(1) // sample description
		number += count
	}}
	eachChunk(t, func(_ int64, samples uint32) { perChunk.add(int64(samples)) })
	perChunk.end()
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
		eachChunk(t, func(offset int64, _ uint32) { w.uint32(uint32(offset)) })
		return
	}
	w.table("co64", 0, 8, c.chunks)
	eachChunk(t, func(offset int64, _ uint32) {
		w.uint32(uint32(offset >> 32))
		w.uint32(uint32(offset))
	})
}

func eachChunk(t *container.Track, emit func(offset int64, samples uint32)) {
	c := chunks{emit: emit}
	for r := range t.Rows() {
		c.add(r.Offset, r.Size)
	}
	c.end()
}
