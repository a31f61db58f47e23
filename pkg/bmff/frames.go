package bmff

import (
	"time"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// A sample of a file is a frame of sound, which a message need not be. It lasts as long
// as its frame says, so that players need no clock of the publisher's.
//
// PCM and G.711 have no frames. In a file of QuickTime one of their samples is one
// number a channel with a duration of 1; that would take 8000 to 44100 rows of the
// index a second. Here a sample is what a message carries, and lasts as long as that.
// The entries say nothing against it. FFmpeg and GStreamer put numbers together into
// chunks only where all durations are 1 or stsz has one size for all; ours has neither,
// and they read sample by sample: packets are those that the publisher sent.

// split adds the frames of a message one by one, so that each has its duration. What
// is not followed by another whole head stays in one piece.
func (w *Writer) split(i int, s media.Sample) {
	f, err := codec.ParseSyncFrame(s.Codec, s.Data)
	for err == nil && f.Size < len(s.Data) {
		next, nextErr := codec.ParseSyncFrame(s.Codec, s.Data[f.Size:])
		if nextErr != nil {
			break
		}
		rest := s.Data[f.Size:]
		s.Data = s.Data[:f.Size]
		w.add(i, s, f.Samples)
		s.Data, s.DTS = rest, s.DTS+w.time(i, f.Samples)
		f = next
	}
	w.add(i, s, f.Samples)
}

// time is how long so many samples of a track last.
func (w *Writer) time(i, samples int) time.Duration {
	return time.Duration(samples) * time.Second / time.Duration(w.entries[i].timescale)
}

// eac3Sample is how long a sample of E-AC-3 lasts in a file: six blocks, with all
// substreams (ETSI TS 102 366, F.5).
const eac3Sample = 6 * 256

// group is the begin of a sample of E-AC-3, of a publisher whose frames are shorter.
// It is in no file before it is complete.
type group struct {
	sample media.Sample // its data is ours
	length int
}

// gather adds the access units of a message, and puts short ones together.
func (w *Writer) gather(i int, s media.Sample) {
	g := &w.groups[i]
	if late := s.DTS - g.sample.DTS - w.time(i, g.length); late > maxDrift || late < -maxDrift {
		w.endGroup(i) // something is missing
	}
	for rest := s.Data; len(rest) > 0; {
		unit, length := accessUnit(rest)
		rest = rest[len(unit):]
		if g.length == 0 && (length == 0 || length >= eac3Sample) { // most are: no copy
			s.Data = unit
			w.add(i, s, length)
		} else {
			if g.length == 0 {
				g.sample = s
				g.sample.Data = nil
			}
			g.sample.Data = append(g.sample.Data, unit...)
			if g.length += length; g.length >= eac3Sample {
				w.endGroup(i)
			}
		}
		s.DTS += w.time(i, length)
	}
}

// endGroup adds what was put together, complete or not.
func (w *Writer) endGroup(i int) {
	g := w.groups[i]
	w.groups[i] = group{}
	w.add(i, g.sample, g.length)
}

func (w *Writer) endGroups() {
	for i := range w.groups {
		w.endGroup(i)
	}
}

// accessUnit splits the first frame of E-AC-3 off, with the substreams that belong to
// it. What cannot be read belongs to it too.
func accessUnit(data []byte) (unit []byte, length int) {
	first, err := codec.ParseSyncFrame(media.EAC3, data)
	if err != nil {
		return data, 0
	}
	if !first.Dependent {
		length = first.Samples
	}
	end := first.Size
	for end < len(data) {
		f, err := codec.ParseSyncFrame(media.EAC3, data[end:])
		if err != nil {
			end = len(data)
		} else if !f.Dependent {
			break
		} else {
			end += f.Size
		}
	}
	return data[:min(end, len(data))], length
}
