package bmff

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// A drop stands in the mark of the fragment that was written behind it:
//
//	0   time of the newest frame before it, ms from the start of the file
//	8   from there to the frame with which it goes on, ms
//	12  frames of video lost
//	16  frames of audio lost
//
// and, behind the offset of that fragment, in the closing moov's uuid box of drops.
const (
	dropSize   = 20
	dropEntry  = 8 + dropSize
	dropsBox   = uuidHeader
	maxDropped = math.MaxUint32 * time.Millisecond
)

func appendDrop(dst []byte, d container.Drop) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(d.At.Milliseconds()))
	dst = binary.BigEndian.AppendUint32(dst, uint32(min(d.Length, maxDropped).Milliseconds()))
	dst = binary.BigEndian.AppendUint32(dst, d.Video)
	return binary.BigEndian.AppendUint32(dst, d.Audio)
}

// parseDrop reads what appendDrop has written. A time that no file has is 0.
func parseDrop(b []byte, offset int64) container.Drop {
	d := container.Drop{Offset: offset, Video: binary.BigEndian.Uint32(b[12:]), Audio: binary.BigEndian.Uint32(b[16:])}
	d.Length = time.Duration(binary.BigEndian.Uint32(b[8:])) * time.Millisecond
	if ms := binary.BigEndian.Uint64(b); ms < uint64(math.MaxInt64/time.Millisecond) {
		d.At = time.Duration(ms) * time.Millisecond
	}
	return d
}

// appendDrops appends the payload of the closing moov's box.
func appendDrops(dst []byte, drops []container.Drop) []byte {
	dst = append(dst, uuidDrops[:]...)
	for _, d := range drops {
		dst = appendDrop(binary.BigEndian.AppendUint64(dst, uint64(d.Offset)), d)
	}
	return dst
}

// parseDrops reads the payload of a uuid box of a moov, if it is that one.
func (h *header) parseDrops(b []byte) {
	if len(b) < len(uuidDrops) || [16]byte(b[:16]) != uuidDrops {
		return
	}
	var x container.Index // which has the limit
	for b = b[16:]; len(b) >= dropEntry; b = b[dropEntry:] {
		x.AddDrop(parseDrop(b[8:], int64(binary.BigEndian.Uint64(b))))
	}
	h.drops = x.Drops
}

// Drop notes in the next fragment, or in one of its own at the end of the file, that
// frames are missing in front of what is written next. What waits is flushed first.
func (w *Writer) Drop(d container.Drop) error {
	w.endGroups()
	if err := w.Flush(); err != nil {
		return err
	}
	d = d.Round()
	if w.drop != nil {
		d = w.drop.Merge(d)
	}
	d.Length = min(d.Length, maxDropped)
	w.drop = &d
	return nil
}
