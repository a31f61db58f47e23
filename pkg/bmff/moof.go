package bmff

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// fragment is a moof that was read.
type fragment struct {
	offset   int64 // of the moof
	end      int64 // of the last box that belongs to it
	data     int64 // offset of the mdat's payload; 0 until it is known
	sequence uint32
	runs     []fragmentRun
	mark     mark
	marked   bool
	crc      uint32
	crcAt    int // in the moof, where the CRC stands
}

// fragmentRun is the samples of a track in a fragment.
type fragmentRun struct {
	track int
	rows  []container.Row
}

// parseMoof reads a whole moof box, header included. The sample offsets are those
// in the file. next tells where a track without tfdt goes on.
func (h *header) parseMoof(b []byte, offset int64, next func(track int) int64) (*fragment, string) {
	f := &fragment{offset: offset}
	at := boxHeader
	for c := range children(b[boxHeader:]) {
		switch c.kind {
		case "mfhd":
			r := reader{b: c.body}
			r.full()
			f.sequence = r.uint32()
		case "traf":
			if reason := h.parseTraf(f, c.body, next); reason != "" {
				return nil, reason
			}
		case "uuid":
			f.parseMark(c.body, at)
		}
		at += len(c.all)
	}
	if at != len(b) {
		return nil, "a box in the moof is malformed"
	}
	return f, ""
}

func (f *fragment) parseMark(b []byte, at int) {
	if len(b) < 16+markSize || [16]byte(b[:16]) != uuidFragment {
		return
	}
	m := b[16:]
	f.marked = true
	f.mark.inBand = binary.BigEndian.Uint16(m[markInBand:])
	copy(f.mark.fileID[:], m[markFileID:])
	f.mark.wall = time.UnixMilli(int64(binary.BigEndian.Uint64(m[markWall:])))
	f.mark.synced = int64(binary.BigEndian.Uint64(m[markSynced:]))
	f.crc = binary.BigEndian.Uint32(m[markCRC:])
	f.crcAt = at + uuidHeader + markCRC
}

// checksum is what the fragment's CRC should be.
func (f *fragment) checksum(moof, data []byte) uint32 {
	t := castagnoli()
	sum := crc32.Update(0, t, moof[:f.crcAt])
	sum = crc32.Update(sum, t, []byte{0, 0, 0, 0})
	sum = crc32.Update(sum, t, moof[f.crcAt+4:])
	return crc32.Update(sum, t, data)
}

// parseTraf reads the samples of a track (BMFF 8.8.7, 8.8.8, 8.8.12).
func (h *header) parseTraf(f *fragment, b []byte, next func(track int) int64) string {
	var t *headerTrack
	var d sampleDefaults
	index, base := 0, f.offset
	dts, known := int64(0), false
	offset := int64(-1) // where the next sample without a data offset lies
	for c := range children(b) {
		r := reader{b: c.body}
		version, flags := r.full()
		switch c.kind {
		case "tfhd":
			number := r.uint32()
			for i, candidate := range h.tracks {
				if candidate.number == number {
					index, t = i, candidate
				}
			}
			if t == nil {
				return "a traf of a track that the moov does not have"
			}
			d = t.trex
			if flags&tfhdBaseOffset != 0 {
				base = int64(r.uint64())
			}
			if flags&tfhdDescription != 0 {
				r.uint32()
			}
			for _, v := range []struct {
				flag uint32
				to   *uint32
			}{{tfhdDefaultDuration, &d.duration}, {tfhdDefaultSize, &d.size}, {tfhdDefaultFlags, &d.flags}} {
				if flags&v.flag != 0 {
					*v.to = r.uint32()
				}
			}
		case "tfdt":
			dts, known = int64(r.versioned(version)), true
		case "trun":
			if t == nil {
				return "a trun before its tfhd"
			}
			if !known {
				dts, known = next(index), true
			}
			if offset < 0 {
				offset = base
			}
			rows, reason := parseTrun(&r, version, flags, d, base, &offset, &dts)
			if reason != "" {
				return reason
			}
			f.runs = append(f.runs, fragmentRun{index, rows})
		}
		if r.cut {
			return c.kind + " is cut"
		}
	}
	return ""
}

func parseTrun(r *reader, version byte, flags uint32, d sampleDefaults, base int64, offset, dts *int64) ([]container.Row, string) {
	count := int(r.uint32())
	if flags&trunDataOffset != 0 {
		*offset = base + int64(int32(r.uint32()))
	}
	first := d.flags
	if flags&trunFirstFlags != 0 {
		first = r.uint32()
	}
	width := 0
	for _, flag := range []uint32{trunDurations, trunSizes, trunFlags, trunCTS} {
		if flags&flag != 0 {
			width += 4
		}
	}
	if r.cut || count > maxRuns || count*width > len(r.b) {
		return nil, "trun is cut, or has more samples than it may"
	}
	rows := make([]container.Row, 0, count)
	for i := range count {
		row := container.Row{Offset: *offset, Size: d.size, DTS: *dts}
		duration, sample := d.duration, d.flags
		if i == 0 {
			sample = first
		}
		if flags&trunDurations != 0 {
			duration = r.uint32()
		}
		if flags&trunSizes != 0 {
			row.Size = r.uint32()
		}
		if flags&trunFlags != 0 {
			sample = r.uint32()
		}
		if flags&trunCTS != 0 {
			row.CTS = int32(r.uint32())
		}
		row.Key = sample&nonSyncBit == 0
		*offset += int64(row.Size)
		*dts += int64(duration)
		rows = append(rows, row)
	}
	if *offset < 0 || *dts < 0 {
		return nil, "trun with sizes or durations beyond any file"
	}
	return rows, ""
}
