package bmff

import (
	"github.com/rtmptool/rtmptool/pkg/container"
)

// State is how far a file has come.
type State uint8

// The states of a file.
const (
	Empty      State = iota // without one whole sample
	Open                    // fragmented; ours is not closed yet
	Committing              // ours: the closing moov is there, the head is not changed yet
	Closed                  // plain
	Broken                  // ours: the head or the closing moov is damaged, the fragments count
)

// String returns the state in a word.
func (s State) String() string {
	return [...]string{"empty", "open", "committing", "closed", "broken"}[s]
}

// Index is what is known of an MP4 file without its media.
type Index struct {
	container.Index
	State     State
	Ours      bool // written by rtmptool: it has our mark
	FileID    [16]byte
	Fragments int
	Synced    int64  // what an open file tells: everything before it was synced
	InBand    uint16 // a bit a track: parameter sets in the samples differ from the configuration

	details []detail // of the tracks
	said    said     // what a closing moov says
	sealed  bool     // the closing moov is whole and stays: only the head is damaged
}

// said is what a moov claims beside the samples. Check compares.
type said struct {
	timescale uint32
	duration  uint64
}

// trackSaid is what a trak claims beside the samples.
type trackSaid struct {
	movieDuration uint64 // tkhd, in ticks of the movie
	mediaDuration uint64 // mdhd
	edits         edits
	unsigned      bool   // ctts of version 0
	disagreement  string // between the sample tables
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

// samples counts those of all tracks.
func (x *Index) samples() int {
	n := 0
	for _, t := range x.Tracks {
		n += t.Samples
	}
	return n
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
			m.first, m.firstCTS = t.First.DTS+int64(t.First.CTS), int64(t.First.CTS)+c.shift
			m.presentation = c.presented - m.first
			if m.first < 0 && t.First.DTS < 0 { // the movie begins within the media
				m.firstCTS, m.presentation, m.first = m.firstCTS-m.first, m.presentation+m.first, 0
			}
		}
		tracks, counts = append(tracks, m), append(counts, c)
	}
	return tracks, counts
}
