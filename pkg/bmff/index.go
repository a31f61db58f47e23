package bmff

import (
	"github.com/rtmptool/rtmptool/pkg/container"
)

// Index is what is known of an MP4 file without its media.
type Index struct {
	container.Index
	FileID    [16]byte
	Fragments int
	InBand    uint16 // a bit a track: parameter sets in the samples differ from the configuration

	details []detail // of the tracks
}

// defaultStep is how long the only sample of a video track is taken to last.
const defaultStep = videoTimescale / 30

// lastStep is the duration of a track's last sample, in ticks.
func (x *Index) lastStep(track int) int64 {
	if step := x.Tracks[track].Step(); step > 0 {
		return step
	}
	return x.details[track].step
}

// describe makes the closing moov's view of the tracks: a few passes over the rows
// of each.
func (x *Index) describe() (tracks []moovTrack, counts []tableCounts) {
	for i, t := range x.Tracks {
		m := moovTrack{detail: x.details[i], kind: t.Kind, timescale: t.Timescale, differs: x.InBand&(1<<i) != 0}
		step := x.lastStep(i)
		c := count(t, step)
		if t.Samples > 0 {
			m.duration = t.Last.DTS - t.First.DTS + step
			m.first, m.firstCTS = t.First.DTS, int64(t.First.CTS)
			m.presentation = c.presented - (m.first + m.firstCTS)
		}
		tracks, counts = append(tracks, m), append(counts, c)
	}
	return tracks, counts
}
