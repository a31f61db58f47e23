package bmff

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// run is the samples of one track in a fragment.
type run struct {
	track     int // index
	video     bool
	step      int64 // ticks that the newest sample is taken to last
	rows      []container.Row
	durations []int64 // between the rows; scratch
	data      [][]byte
}

// layout is how a run is written: what a row carries.
func (r *run) flags() uint32 {
	flags := uint32(trunDataOffset | trunSizes)
	if r.video {
		flags |= trunFlags | trunCTS
	}
	r.durations = r.durations[:0]
	for i := 1; i < len(r.rows); i++ {
		r.durations = append(r.durations, r.rows[i].DTS-r.rows[i-1].DTS)
	}
	if n := len(r.durations); n > 0 {
		r.step = r.durations[n-1]
	}
	r.durations = append(r.durations, r.step)
	for _, d := range r.durations {
		if d != r.step {
			flags |= trunDurations
		}
	}
	return flags
}

// mark is our uuid box of a fragment.
type mark struct {
	inBand uint16 // a bit a track
	fileID [16]byte
	wall   time.Time
	synced int64
}

// appendFragment appends moof and mdat of the runs, and sets the offsets of their
// rows for a fragment that begins at an offset of the file.
func appendFragment(dst []byte, offset int64, sequence uint32, m mark, runs []*run) []byte {
	base := len(dst)
	dst = appendBox(dst, "moof")
	dst = appendFull(appendBox(dst, "mfhd"), 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, sequence)
	dst = endBox(dst, base+boxHeader)
	dataOffsets := make([]int, 0, maxTracks) // where each run's data offset stands
	for _, r := range runs {
		if len(r.rows) > 0 {
			var at int
			dst, at = appendTraf(dst, r)
			dataOffsets = append(dataOffsets, at)
		}
	}
	markAt := len(dst)
	dst = m.append(dst)
	dst = endBox(dst, base)

	mdat := len(dst)
	dst = appendBox(dst, "mdat")
	n := 0
	for _, r := range runs {
		if len(r.rows) == 0 {
			continue
		}
		binary.BigEndian.PutUint32(dst[dataOffsets[n]:], uint32(len(dst)-base))
		n++
		for i := range r.rows {
			r.rows[i].Offset = offset + int64(len(dst)-base)
			dst = append(dst, r.data[i]...)
		}
	}
	dst = endBox(dst, mdat)
	sum := crc32.Update(crc32.Checksum(dst[base:mdat], castagnoli()), castagnoli(), dst[mdat+boxHeader:])
	binary.BigEndian.PutUint32(dst[markAt+uuidHeader+markCRC:], sum)
	return dst
}

// castagnoli is the CRC-32C table, which the processor computes in hardware.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func appendTraf(dst []byte, r *run) (out []byte, dataOffset int) {
	traf := len(dst)
	flags := r.flags()
	dst = appendBox(dst, "traf")
	at := len(dst)
	dst = appendFull(appendBox(dst, "tfhd"), 0, tfhdBaseIsMoof|tfhdDefaultDuration|tfhdDefaultFlags)
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.track+1))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.step))
	if r.video {
		dst = binary.BigEndian.AppendUint32(dst, flagsNonSync)
	} else {
		dst = binary.BigEndian.AppendUint32(dst, flagsSync)
	}
	dst = endBox(dst, at)
	at = len(dst)
	dst = appendFull(appendBox(dst, "tfdt"), 1, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.rows[0].DTS))
	dst = endBox(dst, at)
	at = len(dst)
	dst = appendFull(appendBox(dst, "trun"), 1, flags)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.rows)))
	dataOffset = len(dst)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	for i, row := range r.rows {
		if flags&trunDurations != 0 {
			dst = binary.BigEndian.AppendUint32(dst, uint32(r.durations[i]))
		}
		dst = binary.BigEndian.AppendUint32(dst, row.Size)
		if r.video {
			dst = binary.BigEndian.AppendUint32(dst, sampleFlags(row.Key))
			dst = binary.BigEndian.AppendUint32(dst, uint32(row.CTS))
		}
	}
	return endBox(endBox(dst, at), traf), dataOffset
}

func sampleFlags(key bool) uint32 {
	if key {
		return flagsSync
	}
	return flagsNonSync
}

func (m mark) append(dst []byte) []byte {
	at := len(dst)
	dst = append(appendBox(dst, "uuid"), uuidFragment[:]...)
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, m.inBand)
	dst = append(dst, m.fileID[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.wall.UnixMilli()))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.synced))
	dst = append(dst, 0, 0, 0, 0) // CRC
	return endBox(dst, at)
}

// appendBox begins a box whose size endBox fills in.
func appendBox(dst []byte, kind string) []byte {
	return append(append(dst, 0, 0, 0, 0), kind...)
}

func appendFull(dst []byte, version byte, flags uint32) []byte {
	return append(dst, version, byte(flags>>16), byte(flags>>8), byte(flags))
}

func endBox(dst []byte, at int) []byte {
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at))
	return dst
}
