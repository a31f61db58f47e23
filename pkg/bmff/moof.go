package bmff

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// fragment is a moof that was read. It is used again for another one.
type fragment struct {
	offset int64 // of the moof
	unit   int64 // where what it was written with begins: there, or at the copy of the init moov
	moof   int64 // its size
	data   int64 // offset of the mdat's payload
	end    int64 // of the mdat
	rows   int   // samples in all
	cut    bool  // the file ends within its mdat
	runs   []fragmentRun
	mark   mark // but for the wall clock
	marked bool
	crc    uint32
	crcAt  int64 // offset of the CRC
}

// fragmentRun is the samples of one trun.
type fragmentRun struct {
	track int
	rows  []container.Row
	next  int64 // DTS of what follows
}

// addRun returns a run of so many rows, in the memory of an earlier one.
func (f *fragment) addRun(track, rows int) *fragmentRun {
	if n := len(f.runs); n < cap(f.runs) {
		f.runs = f.runs[:n+1]
	} else {
		f.runs = append(f.runs, fragmentRun{})
	}
	r := &f.runs[len(f.runs)-1]
	r.track, r.rows = track, slices.Grow(r.rows[:0], rows)[:rows]
	return r
}

// reset empties a fragment but keeps its memory.
func (f *fragment) reset(offset int64) { *f = fragment{offset: offset, runs: f.runs[:0]} }

// parseMoof reads a whole moof box, header included, of at most so many samples.
// Their offsets are those in the file. next has the DTS at which each track goes
// on, for a traf that does not tell.
func (h *header) parseMoof(f *fragment, b []byte, offset, samples int64, next []int64) (reason string) {
	f.reset(offset)
	f.moof = int64(len(b))
	t := trafReader{header: h, fragment: f, room: min(samples, maxRows), next: next}
	base := offset
	for rest := b[boxHeader:]; len(rest) > 0; {
		at := offset + int64(len(b)-len(rest))
		kind, body, behind := split(rest)
		switch kind {
		case "":
			return "a box in the moof is malformed"
		case "traf":
			t.trafState = trafState{base: base, offset: base}
			if reason := t.read(body); reason != "" {
				return reason
			}
			base = t.offset // of the next traf, if nothing else is said (BMFF 8.8.7.1)
		case "uuid":
			f.parseMark(body, at)
		}
		rest = behind
	}
	return ""
}

// parseMark reads our box, which stands at an offset of the file.
func (f *fragment) parseMark(b []byte, at int64) {
	if len(b) < 16+markSize || [16]byte(b[:16]) != uuidFragment {
		return
	}
	m := b[16:]
	f.marked = true
	f.mark.inBand = binary.BigEndian.Uint16(m[markInBand:])
	copy(f.mark.fileID[:], m[markFileID:])
	f.mark.synced = int64(binary.BigEndian.Uint64(m[markSynced:]))
	f.crc = binary.BigEndian.Uint32(m[markCRC:])
	f.crcAt = at + uuidHeader + markCRC
	if len(m) >= markSize+dropSize {
		d := parseDrop(m[markSize:], f.offset)
		f.mark.drop = &d
	}
}

// parseWall reads milliseconds since 1970; 0, or what no calendar has, is no time.
func parseWall(b []byte) time.Time {
	const year9999 = 253402300799
	if ms := binary.BigEndian.Uint64(b); ms > 0 && ms/1000 < year9999 {
		return time.UnixMilli(int64(ms)).UTC()
	}
	return time.Time{}
}

// tiled reports whether the samples fill the mdat from its first byte to its last,
// one behind the other, as in every fragment of ours.
func (f *fragment) tiled() bool {
	at := f.data
	for i := range f.runs {
		for _, row := range f.runs[i].rows {
			if row.Offset != at {
				return false
			}
			at = row.End()
		}
	}
	return at == f.end
}

// keep drops the samples that do not lie within a file of a size, and reports whether
// any is left.
func (f *fragment) keep(size int64) bool {
	f.rows = 0
	for i := range f.runs {
		run := &f.runs[i]
		whole := 0
		for whole < len(run.rows) && run.rows[whole].Offset >= 0 && run.rows[whole].End() <= size {
			whole++
		}
		run.rows = run.rows[:whole]
		f.rows += whole
	}
	return f.rows > 0
}

// samplesEnd is the offset behind the last sample.
func (f *fragment) samplesEnd() (end int64) {
	for _, run := range f.runs {
		for _, row := range run.rows {
			end = max(end, row.End())
		}
	}
	return end
}

// startsAfter reports whether a track begins later than in the fragment that follows.
func (f *fragment) startsAfter(next *fragment) bool {
	for i := range f.runs {
		for j := range next.runs {
			a, b := &f.runs[i], &next.runs[j]
			if a.track == b.track && len(a.rows) > 0 && len(b.rows) > 0 && a.rows[0].DTS > b.rows[0].DTS {
				return true
			}
		}
	}
	return false
}

// trafReader reads the trafs of a moof (BMFF 8.8.6).
type trafReader struct {
	header   *header
	fragment *fragment
	room     int64 // samples that the fragment may have
	next     []int64

	trafState
}

// trafState is what a traf has told so far.
type trafState struct {
	track    int
	found    bool // a tfhd has named the track
	defaults sampleDefaults
	base     int64 // what data offsets count from
	offset   int64 // of the next sample
	dts      int64
	timed    bool // dts is known
}

func (t *trafReader) read(b []byte) (reason string) {
	for {
		kind, body, rest := split(b)
		r := reader{b: body}
		switch kind {
		case "":
			return ""
		case "tfhd":
			reason = t.tfhd(&r)
		case "tfdt":
			version, _ := r.full()
			t.dts, t.timed = int64(r.versioned(version)), true
		case "trun":
			reason = t.trun(&r)
		}
		if r.cut {
			reason = kind + " is cut"
		}
		if reason != "" {
			return reason
		}
		b = rest
	}
}

// tfhd reads which track it is, and what its samples have in common (BMFF 8.8.7).
func (t *trafReader) tfhd(r *reader) (reason string) {
	_, flags := r.full()
	number := r.uint32()
	t.found = false
	for i, candidate := range t.header.tracks {
		if candidate.number == number {
			t.track, t.found = i, true
		}
	}
	if !t.found {
		return "a traf of a track that the moov does not have"
	}
	t.defaults = t.header.tracks[t.track].trex
	switch {
	case flags&tfhdBaseOffset != 0:
		t.base = int64(r.uint64())
	case flags&tfhdBaseIsMoof != 0:
		t.base = t.fragment.offset
	}
	t.offset = t.base
	if flags&tfhdDescription != 0 {
		r.uint32()
	}
	if flags&tfhdDefaultDuration != 0 {
		t.defaults.duration = r.uint32()
	}
	if flags&tfhdDefaultSize != 0 {
		t.defaults.size = r.uint32()
	}
	if flags&tfhdDefaultFlags != 0 {
		t.defaults.flags = r.uint32()
	}
	return ""
}

// trun reads samples (BMFF 8.8.8).
func (t *trafReader) trun(r *reader) (reason string) {
	if !t.found {
		return "a trun before its tfhd"
	}
	if !t.timed {
		t.dts, t.timed = t.next[t.track], true
	}
	_, flags := r.full()
	count := int64(r.uint32())
	if flags&trunDataOffset != 0 {
		t.offset = t.base + int64(int32(r.uint32()))
	}
	first := t.defaults.flags
	if flags&trunFirstFlags != 0 {
		first = r.uint32()
	}
	width := int64(0)
	for bit := uint32(trunDurations); bit <= trunCTS; bit <<= 1 {
		if flags&bit != 0 {
			width += 4
		}
	}
	f := t.fragment
	switch {
	case r.cut || count*width > int64(len(r.b)):
		return "trun is cut"
	case count > t.room-int64(f.rows):
		return "more samples than the file can have"
	case flags&trunSizes == 0 && t.defaults.size == 0 && count > 0:
		return "samples without a size"
	}
	f.rows += int(count)
	run := f.addRun(t.track, int(count))
	for i := range run.rows {
		sample := t.defaults.flags
		if i == 0 {
			sample = first
		}
		t.row(&run.rows[i], r, flags, sample)
	}
	if run.next = t.dts; t.offset < 0 || t.dts < 0 || t.dts > maxTicks {
		return "sizes or durations beyond any file"
	}
	return ""
}

// row reads one sample, and moves on to the next.
func (t *trafReader) row(row *container.Row, r *reader, flags, sample uint32) {
	duration, size, cts := t.defaults.duration, t.defaults.size, int32(0)
	if flags&trunDurations != 0 {
		duration = r.uint32()
	}
	if flags&trunSizes != 0 {
		size = r.uint32()
	}
	if flags&trunFlags != 0 {
		sample = r.uint32()
	}
	if flags&trunCTS != 0 {
		cts = int32(r.uint32())
	}
	*row = container.Row{Offset: t.offset, Size: size, DTS: t.dts, CTS: cts, Key: sample&nonSyncBit == 0}
	t.offset += int64(size)
	t.dts += int64(duration)
}

// castagnoli is the CRC-32C table, which the processor computes in hardware. The
// library makes it once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }
