package container

import (
	"time"
	"unsafe"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// Index is what is known of a recording without its media: what it takes to
// finish it. A Writer fills it, Scan rebuilds it, Finalize consumes it.
type Index struct {
	Created time.Time // wall clock of the first frame; zero if unknown
	Tracks  []*Track
	End     int64  // offset behind the last whole sample
	Drops   []Drop // in the order of the file
}

// Track is the sample table of one track. It takes about 5 bytes a sample of
// audio and 8 of video.
type Track struct {
	media.Track
	Timescale uint32 // ticks a second of DTS and CTS

	Samples int
	Keys    int
	First   Row // meaningful if Samples > 0
	Last    Row

	blocks [][]byte // packed
	open   block    // the rows behind them
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

// Add appends a row.
func (t *Track) Add(r Row) {
	if t.Samples == 0 {
		t.First = r
	}
	t.open.add(&r, t.Last.End(), t.Last.DTS)
	if t.open.rows == blockRows {
		t.blocks = append(t.blocks, t.open.pack())
		t.open.rows = 0
	}
	// Field by field: a copy of the whole would wait for r to be put together.
	t.Last.Offset, t.Last.Size, t.Last.DTS, t.Last.CTS, t.Last.Key = r.Offset, r.Size, r.DTS, r.CTS, r.Key
	t.pace.Add(r.DTS)
	t.Samples++
	if r.Key {
		t.Keys++
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
	return total + int(unsafe.Sizeof(t.open))
}
