package bmff

import (
	"encoding/binary"

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
	count := int(binary.BigEndian.Uint32(b[4:]))
	return table{b[8:], width, min(count, (len(b)-8)/width)}
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
}

func (r *repeated) next() uint32 {
	for r.count == 0 && r.table.next() {
		r.count, r.value = r.table.uint32(), r.table.uint32()
	}
	if r.count > 0 {
		r.count--
	}
	return r.value
}

// fromTables takes the index from the sample tables of a plain file's moov. It
// reports false when they contradict each other or the file.
func (s *scanner) fromTables(h header, moov int64) bool {
	before := s.index
	s.begin(h)
	s.index.End = moov
	for i, t := range h.tracks {
		if !s.trackTables(s.index.Tracks[i], t.stbl) {
			s.index = before
			return false
		}
	}
	for i, t := range h.tracks {
		if len(t.entry) > boxHeader && isInBand(string(t.entry[4:8])) {
			s.index.InBand |= 1 << i
		}
	}
	return true
}

func isInBand(name string) bool {
	for _, n := range inBandNames {
		if n == name {
			return true
		}
	}
	return false
}

func (s *scanner) trackTables(t *container.Track, stbl []byte) bool {
	sizes := find(stbl, "stsz")
	if len(sizes) < 12 {
		return false
	}
	fixed, samples := binary.BigEndian.Uint32(sizes[4:]), int64(binary.BigEndian.Uint32(sizes[8:]))
	sizes = sizes[12:]
	if fixed == 0 && samples*4 > int64(len(sizes)) || fixed > 0 && samples*int64(fixed) > s.window.size {
		return false
	}
	times := repeated{table: newTable(find(stbl, "stts"), 8)}
	offsets := repeated{table: newTable(find(stbl, "ctts"), 8)}
	stss := find(stbl, "stss")
	keys, allKeys, nextKey := newTable(stss, 4), stss == nil, uint32(0)
	if keys.next() {
		nextKey = keys.uint32()
	}
	place := newPlaces(stbl)
	row := container.Row{}
	for n := int64(1); n <= samples; n++ {
		row.Size = fixed
		if fixed == 0 {
			row.Size = binary.BigEndian.Uint32(sizes[4*(n-1):])
		}
		var ok bool
		if row.Offset, ok = place.next(row.Size); !ok || row.End() > s.window.size {
			return false
		}
		row.CTS = int32(offsets.next())
		row.Key = allKeys || uint32(n) == nextKey
		if row.Key && keys.next() {
			nextKey = keys.uint32()
		}
		t.Add(row)
		row.DTS += int64(times.next())
	}
	return true
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
