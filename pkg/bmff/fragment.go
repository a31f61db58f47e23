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
	pace      container.Pace
	step      int64 // ticks that the newest sample is taken to last
	rows      []container.Row
	durations []int64 // of the rows; scratch
	data      [][]byte
}

// add queues a sample.
func (r *run) add(row container.Row, data []byte) {
	r.rows = append(r.rows, row)
	r.data = append(r.data, data)
	r.pace.Add(row.DTS)
	if step := r.pace.Step(); step > 0 {
		r.step = step
	}
}

// done forgets the samples.
func (r *run) done() {
	clear(r.data) // the bodies are somebody else's to free
	r.rows, r.data = r.rows[:0], r.data[:0]
}

// flags tells what a row of the trun carries. The durations are left out where all
// are the default.
func (r *run) flags() uint32 {
	flags := uint32(trunDataOffset | trunSizes)
	if r.video {
		flags |= trunFlags | trunCTS
	}
	r.durations = r.durations[:0]
	for i := 1; i < len(r.rows); i++ {
		r.durations = append(r.durations, r.rows[i].DTS-r.rows[i-1].DTS)
	}
	for _, d := range r.durations {
		if d != r.step {
			flags |= trunDurations
		}
	}
	r.durations = append(r.durations, r.step)
	return flags
}

// mark is our uuid box of a fragment.
type mark struct {
	inBand uint16 // a bit a track
	fileID [16]byte
	wall   time.Time
	synced int64
	drop   *container.Drop // or nil
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
	dst = appendWall(dst, m.wall)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.synced))
	dst = append(dst, 0, 0, 0, 0) // CRC
	if m.drop != nil {
		dst = appendDrop(dst, *m.drop)
	}
	return endBox(dst, at)
}

// appendWall appends milliseconds since 1970, or 0 for no time.
func appendWall(dst []byte, t time.Time) []byte {
	ms := int64(0)
	if !t.IsZero() {
		ms = max(0, t.UnixMilli())
	}
	return binary.BigEndian.AppendUint64(dst, uint64(ms))
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
