package bmff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/abema/go-mp4"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// moovTrack is what the boxes around the sample tables of a track say.
type moovTrack struct {
	detail
	kind         media.Kind
	timescale    uint32
	differs      bool  // in-band parameter sets differ from the configuration
	duration     int64 // ticks of the media
	first        int64 // ticks from the start of the movie to the first sample's presentation
	firstCTS     int64 // as ctts has it, and so at least 0
	presentation int64 // ticks from the first presented sample to the end of the last
}

// detail is what a file says of a track beside its samples.
type detail struct {
	number uint32 // track_ID
	entry  []byte // sample entry box, kept as it is
	step   int64  // ticks of a sample whose length nothing else tells
	said   trackSaid
}

// size returns the picture size in a visual sample entry (BMFF 12.1.3).
func (d *detail) size() (width, height uint16) {
	const at = boxHeader + 24
	if len(d.entry) < at+4 {
		return 0, 0
	}
	return binary.BigEndian.Uint16(d.entry[at:]), binary.BigEndian.Uint16(d.entry[at+2:])
}

// epoch1904 is the distance of ISO time from Unix time, in seconds (BMFF 8.2.2).
const epoch1904 = 2082844800

func isoTime(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix() + epoch1904)
}

// boxWriter builds boxes in memory. The cold ones go through go-mp4; the sample
// tables are only counted, and spliced in when all is written out.
type boxWriter struct {
	buf     []byte
	splices []splice
	spliced int64 // bytes of all splices so far
}

// splice is a place in buf where the tables of a track go.
type splice struct {
	at     int
	counts tableCounts
	track  *container.Track
}

// open begins a box that the returned function ends.
func (w *boxWriter) open(kind string) func() {
	at, before := len(w.buf), w.spliced
	w.buf = appendBox(w.buf, kind)
	return func() {
		size := int64(len(w.buf)-at) + w.spliced - before
		binary.BigEndian.PutUint32(w.buf[at:], uint32(size))
	}
}

func (w *boxWriter) splice(c tableCounts, t *container.Track) {
	w.splices = append(w.splices, splice{len(w.buf), c, t})
	w.spliced += c.size()
}

// size is how long everything is.
func (w *boxWriter) size() int64 { return int64(len(w.buf)) + w.spliced }

// writeSealed writes everything out, with its CRC in the last 4 bytes.
func (w *boxWriter) writeSealed(out io.Writer) error {
	h := crc32.New(castagnoli())
	body := *w
	body.buf = w.buf[:len(w.buf)-4]
	if err := body.writeTo(io.MultiWriter(out, h)); err != nil {
		return err
	}
	_, err := out.Write(h.Sum(nil))
	return err
}

// writeTo writes everything out, the tables as they are made.
func (w *boxWriter) writeTo(out io.Writer) error {
	done := 0
	for _, s := range w.splices {
		if _, err := out.Write(w.buf[done:s.at]); err != nil {
			return err
		}
		if err := s.counts.write(out, s.track); err != nil {
			return err
		}
		done = s.at
	}
	_, err := out.Write(w.buf[done:])
	return err
}

func (w *boxWriter) raw(kind string, payload []byte) {
	end := w.open(kind)
	w.buf = append(w.buf, payload...)
	end()
}

// box writes a box of go-mp4 with what it contains. Its encoder loses write
// errors, so it only ever gets memory to write to.
func (w *boxWriter) box(b mp4.IImmutableBox, children ...func()) {
	registerEntries()
	kind := b.GetType()
	end := w.open(string(kind[:]))
	var payload bytes.Buffer
	if _, err := mp4.Marshal(&payload, b, mp4.Context{}); err != nil {
		panic(fmt.Sprintf("internal error: bmff: encode %s: %v", kind, err))
	}
	w.buf = append(w.buf, payload.Bytes()...)
	for _, child := range children {
		child()
	}
	end()
}

var unity = [9]int32{0x00010000, 0, 0, 0, 0x00010000, 0, 0, 0, 0x40000000}

func version1() mp4.FullBox { return mp4.FullBox{Version: 1} }

func (w *boxWriter) mvhd(created time.Time, duration int64, tracks int) {
	at := isoTime(created)
	w.box(&mp4.Mvhd{FullBox: version1(), CreationTimeV1: at, ModificationTimeV1: at, Timescale: movieTimescale,
		DurationV1: uint64(duration), Rate: 0x00010000, Volume: 0x0100, Matrix: unity, NextTrackID: uint32(tracks + 1)})
}

// trak writes a track around the sample tables that a function writes.
func (w *boxWriter) trak(t moovTrack, created time.Time, tables func()) {
	defer w.open("trak")()
	at := isoTime(created)
	const enabledInMovie = 3
	head := &mp4.Tkhd{FullBox: mp4.FullBox{Version: 1, Flags: [3]byte{0, 0, enabledInMovie}}, CreationTimeV1: at, ModificationTimeV1: at,
		TrackID: t.number, DurationV1: uint64(t.movieDuration()), Matrix: unity}
	if t.kind == media.Video {
		width, height := t.size()
		head.Width, head.Height = uint32(width)<<16, uint32(height)<<16
	} else {
		head.AlternateGroup, head.Volume = 1, 0x0100
	}
	w.box(head)
	w.edits(t)
	end := w.open("mdia")
	undetermined := [3]byte{'u' - 0x60, 'n' - 0x60, 'd' - 0x60}
	w.box(&mp4.Mdhd{FullBox: version1(), CreationTimeV1: at, ModificationTimeV1: at, Timescale: t.timescale,
		DurationV1: uint64(t.duration), Language: undetermined})
	if t.kind == media.Video {
		w.box(&mp4.Hdlr{HandlerType: [4]byte{'v', 'i', 'd', 'e'}, Name: "video"})
	} else {
		w.box(&mp4.Hdlr{HandlerType: [4]byte{'s', 'o', 'u', 'n'}, Name: "audio"})
	}
	w.minf(t, tables)
	end()
}

func (w *boxWriter) minf(t moovTrack, tables func()) {
	defer w.open("minf")()
	if t.kind == media.Video {
		w.box(&mp4.Vmhd{FullBox: mp4.FullBox{Flags: [3]byte{0, 0, 1}}})
	} else {
		w.box(&mp4.Smhd{})
	}
	end := w.open("dinf")
	w.box(&mp4.Dref{EntryCount: 1}, func() {
		w.box(&mp4.Url{FullBox: mp4.FullBox{Flags: [3]byte{0, 0, mp4.UrlSelfContained}}})
	})
	end()
	end = w.open("stbl")
	w.box(&mp4.Stsd{EntryCount: 1}, func() { w.sampleEntry(t) })
	tables()
	end()
}

// sampleEntry writes the kept entry, under the name that tells where its parameter
// sets are.
func (w *boxWriter) sampleEntry(t moovTrack) {
	at := len(w.buf)
	w.buf = append(w.buf, t.entry...)
	if name, ok := inBandNames[string(t.entry[4:8])]; ok && t.differs {
		copy(w.buf[at+4:], name)
		if i := bytes.Index(w.buf[at:], []byte("hvcC")); i > 0 {
			setCompleteness(w.buf[at+i+4:], false)
		}
	}
}

// edits maps a track that does not begin with the movie, or whose first frame is
// not presented at once (BMFF 8.6.6). Without it, or with media_time 0, FFmpeg
// shifts or drops frames.
func (w *boxWriter) edits(t moovTrack) {
	wait := t.wait()
	if t.presentation == 0 || wait == 0 && t.firstCTS == 0 {
		return
	}
	defer w.open("edts")()
	list := &mp4.Elst{FullBox: version1()}
	if wait > 0 {
		list.Entries = append(list.Entries, mp4.ElstEntry{SegmentDurationV1: uint64(wait), MediaTimeV1: -1, MediaRateInteger: 1})
	}
	list.Entries = append(list.Entries, mp4.ElstEntry{SegmentDurationV1: uint64(t.toMovie(t.presentation, true)), MediaTimeV1: t.firstCTS, MediaRateInteger: 1})
	list.EntryCount = uint32(len(list.Entries))
	w.box(list)
}

// toMovie turns ticks of the track into ticks of the movie, rounded to the
// nearest or up.
func (t *moovTrack) toMovie(ticks int64, up bool) int64 {
	scale := int64(t.timescale)
	add := scale / 2
	if up {
		add = scale - 1
	}
	return ticks/scale*movieTimescale + (ticks%scale*movieTimescale+add)/scale
}

// wait is how long the movie waits for the track.
func (t *moovTrack) wait() int64 { return max(0, t.toMovie(t.first, false)) }

// movieDuration is the track's length in the movie, edits included.
func (t *moovTrack) movieDuration() int64 {
	if t.presentation == 0 {
		return 0
	}
	return t.wait() + t.toMovie(t.presentation, true)
}

// appendInit appends the moov that an open file begins with: tracks with empty
// tables, and the mark that makes the file ours.
func appendInit(dst []byte, created time.Time, fileID [16]byte, tracks []moovTrack) []byte {
	w := &boxWriter{buf: dst}
	end := w.open("moov")
	w.mvhd(created, 0, len(tracks))
	for _, t := range tracks {
		w.trak(t, created, func() {
			w.box(&mp4.Stts{})
			w.box(&mp4.Stsc{})
			w.box(&mp4.Stsz{})
			w.box(&mp4.Stco{})
		})
	}
	endMvex := w.open("mvex")
	for _, t := range tracks {
		w.box(&mp4.Trex{TrackID: t.number, DefaultSampleDescriptionIndex: 1, DefaultSampleDuration: uint32(t.step)})
	}
	endMvex()
	w.appendMark(created, fileID, 0, 0, 0, 0) // room for the CRC
	end()
	body, sum := w.buf[len(dst):len(w.buf)-4], w.buf[len(w.buf)-4:]
	binary.BigEndian.PutUint32(sum, crc32.Checksum(body, castagnoli()))
	return w.buf
}

func (w *boxWriter) appendMark(created time.Time, fileID [16]byte, more ...byte) {
	defer w.open("udta")()
	payload := append([]byte{0, 0, 0, 0}, fileID[:]...)
	w.raw(markType, append(appendWall(payload, created), more...))
}

// registerEntries makes the sample entries known that go-mp4 lacks. Its table is
// global and has no lock, so this happens once, before any use.
var registerEntries = sync.OnceFunc(func() {
	for _, name := range []string{"avc3", "vvc1", "vvi1"} {
		mp4.AddAnyTypeBoxDef(&mp4.VisualSampleEntry{}, mp4.StrToBoxType(name))
	}
	for _, name := range []string{"alaw", "ulaw", "sowt", "raw "} {
		mp4.AddAnyTypeBoxDef(&mp4.AudioSampleEntry{}, mp4.StrToBoxType(name))
	}
})
