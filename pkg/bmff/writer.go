package bmff

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// ErrNoRoom says that the disk cannot hold another fragment and the closing moov.
// The file can still be closed.
var ErrNoRoom = errors.New("no room on the disk for another fragment and the end of the file")

// Reserver is a File that can keep room for what will be written.
type Reserver interface {
	// Reserve sees to it that the file can grow up to an offset.
	Reserve(end int64) error
}

// Options describe a new file.
type Options struct {
	Tracks  []media.Track
	Created time.Time        // wall clock of the first frame
	Now     func() time.Time // wall clock for fragments; nil: they get none
	FileID  [16]byte         // zero: a random one
}

// Writer appends samples to a new MP4 file. Samples collect until Flush, which
// writes them as one fragment in one call.
type Writer struct {
	file     container.File
	options  Options
	index    Index
	runs     []*run
	lines    []timeline
	entries  []entry
	buf      []byte
	offset   int64 // where buf goes
	buffered int   // bytes of samples that wait
	reserved int64
	synced   atomic.Int64
}

// NewWriter begins a file with its tracks. Nothing is written before the first
// Flush. The error says which track cannot be in the file.
func NewWriter(f container.File, o Options) (*Writer, error) {
	if len(o.Tracks) == 0 || len(o.Tracks) > maxTracks {
		return nil, fmt.Errorf("bmff: a file of %d tracks, want 1 to %d", len(o.Tracks), maxTracks)
	}
	w := &Writer{file: f, options: o}
	w.index.Created, w.index.FileID = o.Created, o.FileID
	if o.FileID == [16]byte{} {
		rand.Read(w.index.FileID[:]) // never fails (Go 1.24)
	}
	for i, t := range o.Tracks {
		e, err := entryFor(t)
		if err != nil {
			return nil, err
		}
		w.entries = append(w.entries, e)
		w.index.details = append(w.index.details, e.detail(uint32(i+1)))
		w.index.Tracks = append(w.index.Tracks, &container.Track{Track: t, Timescale: e.timescale})
		w.lines = append(w.lines, timeline{scale: int64(e.timescale), frame: int64(e.frame)})
		w.runs = append(w.runs, &run{track: i, video: t.Kind == media.Video, step: w.index.details[i].step})
	}
	return w, nil
}

// track finds the track of a sample, or -1.
func (w *Writer) track(s media.Sample) int {
	for i, t := range w.options.Tracks {
		if t.Kind == s.Kind && t.ID == s.Track && t.Codec == s.Codec {
			return i
		}
	}
	return -1
}

// Write adds a sample. Its times count from the start of the file. The data must
// not change before the next Flush.
func (w *Writer) Write(s media.Sample) error {
	i := w.track(s)
	if i < 0 {
		return fmt.Errorf("bmff: the file has no %s %s track %d", s.Codec, s.Kind, s.Track)
	}
	r, e := w.runs[i], w.entries[i]
	if s.Key && s.Kind == media.Video && codec.DiffersInBand(s.Codec, w.options.Tracks[i].Config, s.Data, e.video.NALULength) {
		w.index.InBand |= 1 << i
	}
	r.rows = append(r.rows, container.Row{
		Size: uint32(len(s.Data)),
		DTS:  w.lines[i].at(s.DTS),
		CTS:  int32(toTicks(s.CTS, int64(e.timescale))),
		Key:  s.Key || s.Kind == media.Audio,
	})
	r.data = append(r.data, s.Data)
	w.buffered += len(s.Data)
	return nil
}

// Buffered tells how many bytes wait for Flush.
func (w *Writer) Buffered() int { return w.buffered }

// Flush writes what was added as one fragment.
func (w *Writer) Flush() error {
	if w.buffered == 0 {
		return nil
	}
	w.buf = w.buf[:0]
	if w.offset == 0 {
		w.buf = w.head(w.buf)
	}
	m := mark{inBand: w.index.InBand, fileID: w.index.FileID, synced: w.synced.Load()}
	if w.options.Now != nil {
		m.wall = w.options.Now()
	}
	at := w.offset + int64(len(w.buf))
	head := len(w.buf)
	fragment := appendFragment(w.buf[head:], at, uint32(w.index.Fragments+1), m, w.runs)
	w.buf = append(w.buf[:head], fragment...)
	end := w.offset + int64(len(w.buf))
	if err := w.reserve(end); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(w.buf, w.offset); err != nil {
		return err
	}
	w.commit(end)
	return nil
}

// commit takes note of a fragment that was written.
func (w *Writer) commit(end int64) {
	w.offset = end
	w.index.End = end
	w.index.Fragments++
	for _, r := range w.runs {
		for _, row := range r.rows {
			w.index.Tracks[r.track].Add(row)
		}
		clear(r.data) // the bodies are somebody else's to free
		r.rows, r.data = r.rows[:0], r.data[:0]
	}
	w.buffered = 0
}

// head appends what precedes the first fragment.
func (w *Writer) head(dst []byte) []byte {
	var tracks []moovTrack
	for i, t := range w.index.Tracks {
		tracks = append(tracks, moovTrack{detail: w.index.details[i], kind: t.Kind, timescale: t.Timescale, differs: w.index.InBand&(1<<i) != 0})
	}
	return appendInit(append(dst, openHead()...), w.index.Created, w.index.FileID, tracks)
}

// reserve keeps room for the file up to its end, the closing moov as of now, and
// some more. Where the system cannot reserve, nothing is promised.
func (w *Writer) reserve(end int64) error {
	r, ok := w.file.(Reserver)
	if !ok {
		return nil
	}
	need := end + w.moovBound() + reserveExtra
	if need <= w.reserved {
		return nil
	}
	for step := int64(reserveStep); ; step /= 2 {
		if step < reserveExtra {
			step = 0
		}
		err := r.Reserve(need + step)
		switch {
		case err == nil:
			w.reserved = need + step
			return nil
		case errors.Is(err, errors.ErrUnsupported):
			w.reserved = 1 << 62
			return nil
		case step == 0:
			return fmt.Errorf("%w: %w", ErrNoRoom, err)
		}
	}
}

// moovBound is at least as much as the closing moov takes.
func (w *Writer) moovBound() int64 {
	const perSample = 8 + 8 + 4 + 4 + 12 + 8 // stts, ctts, stss, stsz, stsc, co64
	total := int64(len(w.buf)) + maxInitEstimate
	for i, t := range w.index.Tracks {
		total += int64(t.Samples+len(w.runs[i].rows)) * perSample
	}
	return total
}

// maxInitEstimate is more than the boxes of 16 tracks without tables, with
// configurations of ordinary size, take.
const maxInitEstimate = 64 << 10

// Index tells what was written so far.
func (w *Writer) Index() *Index { return &w.index }

// Written tells how many bytes the file has.
func (w *Writer) Written() int64 { return w.offset }

// Synced tells the writer that everything before an offset is on the disk. It may
// be called from another goroutine.
func (w *Writer) Synced(offset int64) { w.synced.Store(offset) }

// Close flushes and closes the file: after the commit it is a plain MP4.
func (w *Writer) Close() error {
	if err := w.Flush(); err != nil {
		return err
	}
	return Finalize(&w.index, w.offset).Apply(w.file)
}
