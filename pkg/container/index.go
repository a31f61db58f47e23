package container

import (
	"encoding/binary"
	"iter"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// Index is what is known of a recording without its media: what it takes to
// finish it. A Writer fills it, Scan rebuilds it, Finalize consumes it.
type Index struct {
	Created time.Time // wall clock of the first frame; zero if unknown
	Tracks  []*Track
	End     int64 // offset behind the last whole sample
}

// Track is the sample table of one track. It takes about 6 bytes a sample of
// audio and 10 of video.
type Track struct {
	media.Track
	Timescale uint32 // ticks a second of DTS and CTS

	Samples int
	Keys    int
	First   Row // meaningful if Samples > 0
	Last    Row

	blocks [][]byte // rows, each after the one before it
	delta  int64    // between the DTS of the last two rows
	pace   Pace
}

// Row is one sample of a track.
type Row struct {
	Offset int64 // in the file
	Size   uint32
	DTS    int64 // in ticks
	CTS    int32 // presentation time less DTS, in ticks
	Key    bool
}

// End is the offset behind the sample.
func (r Row) End() int64 { return r.Offset + int64(r.Size) }

// A row is a byte of flags, the size, and what the flags say is there.
const (
	rowKey      = 1 << iota
	rowMoved    // the offset is not the end of the row before: the gap follows
	rowNewDelta // the step of the DTS is another one: it follows
	rowNewCTS   // the CTS is another one: it follows
)

const (
	firstBlock = 512 // and twice as much each time, up to blockSize
	blockSize  = 32 << 10
	maxRow     = 1 + 4*binary.MaxVarintLen64
)

// Add appends a row.
func (t *Track) Add(r Row) {
	if n := len(t.blocks); n == 0 || cap(t.blocks[n-1])-len(t.blocks[n-1]) < maxRow {
		t.blocks = append(t.blocks, make([]byte, 0, min(firstBlock<<min(n, 8), blockSize)))
	}
	if t.Samples == 0 {
		t.First = r
		t.Last = Row{} // rows count from nothing
	}
	b := &t.blocks[len(t.blocks)-1]
	gap, delta := r.Offset-t.Last.End(), r.DTS-t.Last.DTS
	flags := byte(0)
	for _, f := range []struct {
		set bool
		bit byte
	}{{r.Key, rowKey}, {gap != 0, rowMoved}, {delta != t.delta, rowNewDelta}, {r.CTS != t.Last.CTS, rowNewCTS}} {
		if f.set {
			flags |= f.bit
		}
	}
	*b = binary.AppendUvarint(append(*b, flags), uint64(r.Size))
	if flags&rowMoved != 0 {
		*b = binary.AppendVarint(*b, gap)
	}
	if flags&rowNewDelta != 0 {
		*b = binary.AppendVarint(*b, delta)
	}
	if flags&rowNewCTS != 0 {
		*b = binary.AppendVarint(*b, int64(r.CTS))
	}
	t.delta, t.Last = delta, r
	t.pace.Add(r.DTS)
	t.Samples++
	if r.Key {
		t.Keys++
	}
}

// Rows yields the rows in order.
func (t *Track) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		var r Row
		var delta int64
		for _, b := range t.blocks {
			for len(b) > 0 {
				flags := b[0]
				size, n := binary.Uvarint(b[1:])
				b = b[1+n:]
				next := func() int64 {
					v, n := binary.Varint(b)
					b = b[n:]
					return v
				}
				r.Offset = r.End()
				if flags&rowMoved != 0 {
					r.Offset += next()
				}
				if flags&rowNewDelta != 0 {
					delta = next()
				}
				if flags&rowNewCTS != 0 {
					r.CTS = int32(next())
				}
				r.DTS += delta
				r.Size, r.Key = uint32(size), flags&rowKey != 0
				if !yield(r) {
					return
				}
			}
		}
	}
}

// Pace tells how long the next samples may last.
func (t *Track) Pace() Pace { return t.pace }

// Step is the duration of the last sample, in ticks: that of the one before it, or
// 0 if there is none.
func (t *Track) Step() int64 { return t.pace.Step() }

// Duration is from the first sample to the end of the last one, in decoding time.
func (t *Track) Duration() time.Duration {
	if t.Samples == 0 {
		return 0
	}
	return t.Time(t.Last.DTS + t.Step() - t.First.DTS)
}

// Time turns ticks into a time, without overflow for a thousand years.
func (t *Track) Time(ticks int64) time.Duration {
	scale := int64(t.Timescale)
	return time.Duration(ticks/scale)*time.Second + time.Duration(ticks%scale)*time.Second/time.Duration(scale)
}

// Bytes is about how much memory the rows take.
func (t *Track) Bytes() (total int) {
	for _, b := range t.blocks {
		total += cap(b)
	}
	return total
}
