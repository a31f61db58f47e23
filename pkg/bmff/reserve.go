package bmff

import (
	"errors"
	"fmt"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// ErrNoRoom says that the disk cannot hold another fragment and the closing moov.
// The file can still be closed.
var ErrNoRoom = errors.New("no room on the disk for another fragment and the end of the file")

// Reserver is a File that can keep room for what will be written.
type Reserver interface {
	// Reserve sees to it that the file can grow up to an offset, and by so many bytes
	// more, which are for later: if they are refused, fewer are asked for. Its size stays.
	Reserve(end, more int64) error
}

// reserve keeps room on the disk for the end of a file, so that it can be closed
// on a disk that is full.
type reserve struct {
	file  Reserver // nil: nothing can be reserved, and nothing is promised
	end   int64    // room is kept up to here
	fixed int64    // bytes of the closing moov beside the samples
}

// editList is the most that the edit list of a track takes: an empty edit and one
// of the media.
const editList = boxHeader + fullHeader + 4 + 2*20

func newReserve(f container.File, x *Index) reserve {
	const composition, sync = fullHeader + 4, fullHeader + 4 // boxes that an empty track does not have
	r := reserve{fixed: closing(x).size() + int64(len(x.Tracks))*(editList+composition+sync)}
	r.file, _ = f.(Reserver)
	return r
}

// keep sees to it that a file which ends there, with the samples of the runs, can
// be closed.
func (r *reserve) keep(end int64, x *Index, runs []*run) error {
	if r.file == nil {
		return nil
	}
	need := end + r.moov(x, runs) + reserveExtra
	if need <= r.end {
		return nil
	}
	for step := int64(reserveStep); ; step /= 2 {
		if step < reserveExtra {
			step = 0
		}
		err := r.file.Reserve(need, step)
		switch {
		case err == nil:
			r.end = need + step
			return nil
		case errors.Is(err, errors.ErrUnsupported):
			r.file = nil
			return nil
		case step == 0:
			return fmt.Errorf("%w: %w", ErrNoRoom, err)
		}
	}
}

// moov is at least as much as the closing moov will take.
func (r *reserve) moov(x *Index, runs []*run) int64 {
	const stts, ctts, stss, stsz, stsc, co64 = 8, 8, 4, 4, 12, 8
	total := r.fixed + dropsBox + int64(len(x.Drops)+1)*dropEntry
	for i, t := range x.Tracks {
		samples := int64(t.Samples + len(runs[i].rows))
		chunks := min(samples, int64(x.Fragments+1)) // at most one a fragment
		total += samples*(stts+stsz) + chunks*(stsc+co64)
		if t.Kind == media.Video {
			total += samples*ctts + int64(t.Keys+len(runs[i].rows))*stss
		}
	}
	return total
}
