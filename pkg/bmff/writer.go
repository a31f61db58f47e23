package bmff

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

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
	groups   []group
	entries  []entry
	buf      []byte
	init     []byte       // the init moov, until its copy is written
	offset   atomic.Int64 // where buf goes
	waiting  int          // samples that wait
	buffered int          // bytes of them
	reserve  reserve
	synced   atomic.Int64
	before   int64           // synced, at the last flush
	drop     *container.Drop // of which the next fragment tells
	err      error           // of a flush; the file can only be closed then
}

// NewWriter begins a file with its tracks. Nothing is written before the first
// Flush. The error says which track cannot be in the file.
func NewWriter(f container.File, o Options) (*Writer, error) {
	if len(o.Tracks) == 0 || len(o.Tracks) > maxTracks {
		return nil, fmt.Errorf("mp4: a file of %d tracks, want 1 to %d", len(o.Tracks), maxTracks)
	}
	w := &Writer{file: f, options: o}
	w.index.State, w.index.Ours = Empty, true
	w.index.Created, w.index.FileID = o.Created, o.FileID
	if o.FileID == [16]byte{} {
		rand.Read(w.index.FileID[:]) // never fails (Go 1.24)
	}
	for i, t := range o.Tracks {
		e, err := entryFor(t)
		if err != nil {
			return nil, err
		}
		d := e.detail(uint32(i + 1))
		w.entries = append(w.entries, e)
		w.index.details = append(w.index.details, d)
		w.index.Tracks = append(w.index.Tracks, &container.Track{Track: t, Timescale: e.timescale})
		w.lines = append(w.lines, timeline{scale: int64(e.timescale)})
		w.groups = append(w.groups, group{})
		w.runs = append(w.runs, &run{track: i, video: t.Kind == media.Video, step: d.step})
	}
	w.reserve = newReserve(f, &w.index)
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

// Write adds what a message carries of a track, which becomes samples of the file.
// Its times count from the start of the file. The data must not change before the
// next Flush. A sample without data is none.
func (w *Writer) Write(s media.Sample) error {
	i := w.track(s)
	switch {
	case i < 0:
		return fmt.Errorf("mp4: the file has no %s %s track %d", s.Codec, s.Kind, s.Track)
	case len(s.Data) == 0:
		return nil
	case w.waiting == 0 && w.reserve.moov(&w.index, w.runs) > maxMoov:
		return fmt.Errorf("mp4: more samples than the moov of a file can list within %d bytes", maxMoov)
	case w.buffered+len(s.Data) > maxFlush || w.waiting >= maxRows:
		return fmt.Errorf("mp4: more than %d samples or %d bytes wait to be flushed", maxRows, maxFlush)
	}
	e := &w.entries[i]
	if bit := uint16(1) << i; w.index.InBand&bit == 0 && codec.DiffersInBand(s.Codec, w.options.Tracks[i].Config, s.Data, e.video.NALULength) {
		w.index.InBand |= bit
	}
	switch s.Codec {
	case media.VP8, media.VP9:
		w.learnSize(i, s)
	case media.AV1:
		w.learnSize(i, s)
		s.Data = codec.AV1Sample(s.Data)
	case media.MP3, media.AC3:
		w.split(i, s)
		return nil
	case media.EAC3:
		w.gather(i, s)
		return nil
	}
	w.add(i, s, e.audio.Samples(s.Codec, s.Data))
	return nil
}

// learnSize takes the size of the picture from the first key frame, for codecs whose
// configuration may not have it.
func (w *Writer) learnSize(i int, s media.Sample) {
	e := &w.entries[i]
	if e.video.Width > 0 || !s.Key || w.Written() > 0 { // or the head of the file has no size already
		return
	}
	if width, height, ok := codec.ParseFrameSize(s.Codec, s.Data); ok {
		e.video.Width, e.video.Height = width, height
		w.index.details[i] = e.detail(uint32(i + 1))
	}
}

// add queues a sample of the file. Of sound, length is how many ticks it lasts; 0 if
// that is not known.
func (w *Writer) add(i int, s media.Sample, length int) {
	if len(s.Data) == 0 {
		return
	}
	w.runs[i].add(container.Row{
		Size: uint32(len(s.Data)),
		DTS:  w.lines[i].at(s.DTS, int64(length)),
		CTS:  int32(toTicks(s.CTS, int64(w.entries[i].timescale))),
		Key:  s.Key || s.Kind == media.Audio,
	}, s.Data)
	w.buffered += len(s.Data)
	w.waiting++
}

// Buffered tells how many bytes wait for Flush.
func (w *Writer) Buffered() int { return w.buffered }

// Full reports whether the file has so many samples that another one should begin: its
// closing moov is as long as Scan reads one, or nearly. That takes two days of video
// and audio, or a publisher of very many very small frames.
func (w *Writer) Full() bool { return w.reserve.moov(&w.index, w.runs) > maxMoov-maxMoov/16 }

// Flush writes what was added as one fragment, the first one with the head of the
// file in front. After an error nothing more is written; Close still closes the
// file.
func (w *Writer) Flush() error {
	if w.waiting == 0 {
		return w.err
	}
	return w.flush()
}

// flush writes a fragment of what waits, and of the drop before it.
func (w *Writer) flush() error {
	if w.err != nil {
		return w.err
	}
	offset := w.offset.Load()
	w.buf = w.buf[:0]
	if offset == 0 {
		w.buf = w.head(w.buf)
		w.init = slices.Clone(w.buf[headSize:])
	}
	copied := w.init != nil && offset/pageSize > int64(headSize+len(w.init)-1)/pageSize
	if copied {
		w.buf = appendBox(w.buf, "uuid")
		w.buf = endBox(append(append(w.buf, uuidInit[:]...), w.init...), 0)
	}
	before, synced := w.before, w.synced.Load()
	if w.before = synced; synced == offset { // the fragment at a mark tells one before: they lead back
		synced = before
	}
	m := mark{inBand: w.index.InBand, fileID: w.index.FileID, synced: synced, drop: w.drop}
	if w.options.Now != nil {
		m.wall = w.options.Now()
	}
	at := offset + int64(len(w.buf))
	w.buf = appendFragment(w.buf, at, uint32(w.index.Fragments+1), m, w.runs)
	end := offset + int64(len(w.buf))
	if w.err = w.reserve.keep(end, &w.index, w.runs); w.err != nil {
		return w.err
	}
	if _, w.err = w.file.WriteAt(w.buf, offset); w.err != nil {
		return w.err
	}
	if copied {
		w.init = nil
	}
	if w.drop != nil {
		w.drop.Offset = at
		w.index.AddDrop(*w.drop)
		w.drop = nil
	}
	w.commit(end)
	return nil
}

// commit takes note of a fragment that was written.
func (w *Writer) commit(end int64) {
	w.offset.Store(end)
	w.index.State, w.index.End = Open, end
	w.index.Fragments++
	for _, r := range w.runs {
		for _, row := range r.rows {
			w.index.Tracks[r.track].Add(row)
		}
		r.done()
	}
	w.buffered, w.waiting = 0, 0
	w.buf = container.Reuse(w.buf)
}

// head appends what precedes the first fragment.
func (w *Writer) head(dst []byte) []byte {
	var tracks []moovTrack
	for i, t := range w.index.Tracks {
		tracks = append(tracks, moovTrack{detail: w.index.details[i], kind: t.Kind, timescale: t.Timescale, differs: w.index.InBand&(1<<i) != 0})
	}
	return appendInit(append(dst, openHead()...), w.index.Created, w.index.FileID, tracks)
}

// Index tells what was written so far.
func (w *Writer) Index() *Index { return &w.index }

// Written tells how many bytes the file has. It may be called from another
// goroutine: what it returns before a sync of the file is synced after it.
func (w *Writer) Written() int64 { return w.offset.Load() }

// Synced tells the writer that everything before an offset is on the disk. It may
// be called from another goroutine.
func (w *Writer) Synced(offset int64) { w.synced.Store(min(offset, w.offset.Load())) }

// Close flushes and closes the file: after the commit it is a plain MP4. Where a
// flush failed, what was written before it is closed. The directory is the
// caller's to sync. A file without a sample stays as it is.
func (w *Writer) Close() error {
	var flushed error
	if w.err == nil {
		w.endGroups()
		if flushed = w.Flush(); w.drop != nil && flushed == nil && w.Written() > 0 {
			flushed = w.flush()
		}
	}
	plan := Finalize(&w.index, w.Written())
	err := plan.Apply(w.file)
	if err == nil && w.index.State == Open {
		w.index.State, w.waiting = Closed, 0
		w.offset.Store(plan.Resize(w.Written()))
	}
	return errors.Join(flushed, err)
}
