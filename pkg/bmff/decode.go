package bmff

import (
	"encoding/binary"
	"fmt"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// table reads the entries of a full box with a count (BMFF 8.6.1, 8.7). Entries
// beyond its payload do not exist.
type table struct {
	b     []byte
	width int
	left  int
}

func newTable(b []byte, width int) table {
	if len(b) < 8 {
		return table{}
	}
	count := int64(binary.BigEndian.Uint32(b[4:]))
	return table{b[8:], width, int(min(count, int64(len(b)-8)/int64(width)))}
}

// next moves to an entry; field reads one of its words.
func (t *table) next() bool {
	if t.left == 0 {
		return false
	}
	t.left--
	return true
}

func (t *table) uint32() uint32 {
	v := binary.BigEndian.Uint32(t.b)
	t.b = t.b[4:]
	return v
}

// repeated yields the values of run-length coded entries, then the last one on.
type repeated struct {
	table table
	count uint32
	value uint32
	total int64 // of the counts so far
}

func (r *repeated) next() uint32 {
	for r.count == 0 && r.table.next() {
		r.count, r.value = r.table.uint32(), r.table.uint32()
		r.total += int64(r.count)
	}
	if r.count > 0 {
		r.count--
	}
	return r.value
}

// fromTables takes the index from the sample tables of a plain file's moov. It
// returns how they contradict each other or the file.
func (s *scanner) fromTables(h header, moov int64) (reason string) {
	restore := s.kept()
	s.begin(h)
	s.index.End = moov
	for i, t := range h.tracks {
		if reason := s.trackTables(i, t); reason != "" {
			restore()
			return fmt.Sprintf("track %d: %s", i+1, reason)
		}
		if len(t.entry) > boxHeader && isInBand(string(t.entry[4:boxHeader])) {
			s.index.InBand |= 1 << i
		}
	}
	return ""
}

// moovSamples takes the samples that the moov of a fragmented file has tables of: FFmpeg
// writes the first fragment so, unless it is told to begin with an empty moov. The
// fragments go on behind them.
func (s *scanner) moovSamples(moov int64) {
	for i, t := range s.header.tracks {
		if tables, ok := newTableReader(t.stbl, s.window.size); !ok || tables.left == 0 {
			continue
		}
		if reason := s.trackTables(i, t); reason != "" {
			s.find("M08", container.Error, moov, s.index.End, "track %d of the moov: %s", i+1, reason)
		}
		for row := range s.index.Tracks[i].Rows() {
			s.listed = max(s.listed, row.End())
		}
	}
}

func isInBand(name string) bool {
	for _, n := range inBandNames {
		if n == name {
			return true
		}
	}
	return false
}

// trackTables reads the samples of a track (BMFF 8.6.1, 8.7).
func (s *scanner) trackTables(i int, h *headerTrack) (reason string) {
	t, samples, ok := s.index.Tracks[i], tableReader{}, false
	if samples, ok = newTableReader(h.stbl, s.window.size); !ok {
		return "stsz is missing or cut"
	}
	if s.room -= samples.left; s.room < 0 {
		return fmt.Sprintf("%d samples: more than the file can have", samples.left)
	}
	s.index.details[i].said.unsigned = samples.unsigned
	row := container.Row{DTS: s.start[i]}
	for samples.left > 0 {
		if !samples.next(&row) {
			return "stsc and stco have fewer samples than stsz"
		}
		if row.Offset < 0 || row.End() > s.window.size {
			return fmt.Sprintf("sample %d lies outside the file", t.Samples+1)
		}
		t.Add(row)
		row.DTS += int64(samples.times.next())
		s.next[i] = row.DTS - s.start[i] // of a fragment that tells no time
		if row.DTS > maxTicks {
			return "durations beyond any file"
		}
	}
	s.index.details[i].said.disagreement = samples.disagreement()
	return ""
}

// tableReader walks the sample tables of a track side by side.
type tableReader struct {
	left     int64
	fixed    uint32 // size of all samples, or 0
	sizes    []byte
	times    repeated
	offsets  repeated
	keys     table
	allKeys  bool
	number   uint32 // of the sample
	nextKey  uint32
	place    *places
	unsigned bool
}

func newTableReader(stbl []byte, fileSize int64) (tableReader, bool) {
	sizes := find(stbl, "stsz")
	if len(sizes) < 12 {
		return tableReader{}, false
	}
	stss, ctts := find(stbl, "stss"), find(stbl, "ctts")
	r := tableReader{
		fixed:    binary.BigEndian.Uint32(sizes[4:]),
		left:     int64(binary.BigEndian.Uint32(sizes[8:])),
		sizes:    sizes[12:],
		times:    repeated{table: newTable(find(stbl, "stts"), 8)},
		offsets:  repeated{table: newTable(ctts, 8)},
		keys:     newTable(stss, 4),
		allKeys:  stss == nil,
		place:    newPlaces(stbl),
		unsigned: len(ctts) > 0 && ctts[0] == 0,
	}
	r.advanceKey()
	if r.fixed == 0 {
		return r, r.left*4 <= int64(len(r.sizes))
	}
	return r, r.left*int64(r.fixed) <= fileSize
}

func (r *tableReader) advanceKey() {
	r.nextKey = 0
	if r.keys.next() {
		r.nextKey = r.keys.uint32()
	}
}

// next reads the place, the composition offset and the key flag of a sample.
func (r *tableReader) next(row *container.Row) (ok bool) {
	if row.Size = r.fixed; r.fixed == 0 {
		row.Size = binary.BigEndian.Uint32(r.sizes)
		r.sizes = r.sizes[4:]
	}
	r.left--
	r.number++
	row.Offset, ok = r.place.next(row.Size)
	row.CTS = int32(r.offsets.next())
	row.Key = r.allKeys || r.number == r.nextKey
	if r.number == r.nextKey {
		r.advanceKey()
	}
	return ok
}

// disagreement says which table, read to the last sample, does not end there.
func (r *tableReader) disagreement() string {
	n := int64(r.number)
	switch {
	case r.times.total != n || r.times.table.left > 0:
		return fmt.Sprintf("stts and stsz disagree: stsz has %d samples", n)
	case r.offsets.total != 0 && (r.offsets.total != n || r.offsets.table.left > 0):
		return fmt.Sprintf("ctts and stsz disagree: stsz has %d samples", n)
	case r.nextKey != 0 || r.keys.left > 0:
		return fmt.Sprintf("stss is not in order, or goes beyond sample %d", n)
	}
	return ""
}

// places yields the offsets of samples from stsc and stco or co64 (BMFF 8.7.4, 8.7.5).
type places struct {
	chunks  table
	wide    bool
	stsc    table
	number  uint32 // of the chunk
	per     uint32 // samples of a chunk
	change  uint32 // the chunk from which another stsc entry counts; 0: none
	nextPer uint32
	left    uint32
	offset  int64
}

func newPlaces(stbl []byte) *places {
	p := &places{stsc: newTable(find(stbl, "stsc"), 12)}
	if b := find(stbl, "co64"); b != nil {
		p.chunks, p.wide = newTable(b, 8), true
	} else {
		p.chunks = newTable(find(stbl, "stco"), 4)
	}
	p.advance()
	return p
}

// advance reads the next stsc entry.
func (p *places) advance() {
	p.per, p.change = p.nextPer, 0
	if p.stsc.next() {
		p.change, p.nextPer = p.stsc.uint32(), p.stsc.uint32()
		p.stsc.uint32()
	}
}

func (p *places) next(size uint32) (int64, bool) {
	for p.left == 0 {
		if !p.chunks.next() {
			return 0, false
		}
		p.number++
		p.offset = int64(p.chunks.uint32())
		if p.wide {
			p.offset = p.offset<<32 | int64(p.chunks.uint32())
		}
		if p.number == p.change {
			p.advance()
		}
		p.left = p.per
	}
	p.left--
	at := p.offset
	p.offset += int64(size)
	return at, at >= 0
}
