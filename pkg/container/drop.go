package container

import (
	"fmt"
	"time"
)

// Drop is a gap that the recorder itself has noted in a file: the disk was too slow
// for longer than it could wait. Times are whole milliseconds.
type Drop struct {
	Offset int64         // of the note, or of what was written behind the gap
	At     time.Duration // time of the newest frame before it, from the start of the file
	Length time.Duration // from there to the frame with which it goes on, or to the last one lost
	Video  uint32        // frames lost
	Audio  uint32
}

// maxDrops bounds the list: each took a disk that stood still for as long as a
// recorder waits.
const maxDrops = 1 << 16

// Round returns the drop with whole milliseconds, none of them negative.
func (d Drop) Round() Drop {
	d.At, d.Length = max(0, d.At).Truncate(time.Millisecond), max(0, d.Length).Truncate(time.Millisecond)
	return d
}

// Merge returns a drop and the one behind it as one.
func (d Drop) Merge(next Drop) Drop {
	d.Length = max(d.Length, next.At+next.Length-d.At)
	d.Video += next.Video
	d.Audio += next.Audio
	return d
}

// AddDrop appends a drop. Beyond a limit of 65536 it extends the last one.
func (x *Index) AddDrop(d Drop) {
	if n := len(x.Drops); n >= maxDrops {
		x.Drops[n-1] = x.Drops[n-1].Merge(d)
		return
	}
	x.Drops = append(x.Drops, d)
}

// Dropped makes a finding with a code of each drop, whose notes take so many bytes.
// They are no faults of the file: it has all that came to be written.
func (x *Index) Dropped(code string, size int64) []Finding {
	var found []Finding
	for _, d := range x.Drops {
		found = append(found, Finding{Code: code, Severity: Note, Offset: d.Offset, End: d.Offset + size,
			Text: fmt.Sprintf("noted by the recorder: the disk was too slow, %.3f s are missing here, %d frames of video and %d of audio",
				d.Length.Seconds(), d.Video, d.Audio)})
	}
	return found
}
