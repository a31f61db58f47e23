package bmff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// header is what a moov says: its tracks, and what only our files have.
type header struct {
	tracks     []*headerTrack
	fragmented bool // has an mvex
	ours       bool
	fileID     [16]byte
	summed     bool // the mark has a CRC
	damaged    bool // it does not match
	created    time.Time
	said       said
	drops      []container.Drop // of a closing moov of ours
}

// headerTrack is a track of a moov, with the defaults of its fragments.
type headerTrack struct {
	container.Track
	detail
	trex sampleDefaults
	stbl []byte // until the samples are read
}

type sampleDefaults struct{ duration, size, flags uint32 }

// parseMoov reads the payload of a moov.
func parseMoov(b []byte) (header, error) {
	var h header
	for c := range children(b) {
		switch c.kind {
		case "mvhd":
			h.parseMvhd(c.body)
		case "trak":
			if len(h.tracks) == maxTracks {
				return h, fmt.Errorf("more than %d tracks", maxTracks)
			}
			t, err := parseTrak(c.body)
			if err != nil {
				return h, fmt.Errorf("track %d: %w", len(h.tracks)+1, err)
			}
			h.tracks = append(h.tracks, t)
		case "mvex":
			h.fragmented = true
			h.parseTrex(c.body)
		case "udta":
			h.parseMark(find(c.body, markType))
		case "uuid":
			h.parseDrops(c.body)
		}
	}
	if len(h.tracks) == 0 {
		return h, errors.New("no tracks")
	}
	for i, t := range h.tracks {
		if h.track(t.number) != t {
			return h, fmt.Errorf("track %d: its track_ID %d is taken", i+1, t.number)
		}
	}
	return h, nil
}

func (h *header) parseMark(b []byte) {
	if len(b) < markPayload {
		return
	}
	h.ours, h.summed = true, len(b) >= markPayload+4
	copy(h.fileID[:], b[4:])
	if at := parseWall(b[20:]); !at.IsZero() {
		h.created = at
	}
}

func (h *header) parseMvhd(b []byte) {
	r := reader{b: b}
	version, _ := r.full()
	created := r.versioned(version)
	r.versioned(version)
	h.said = said{r.uint32(), r.versioned(version)}
	if r.cut {
		h.said = said{}
	}
	const year9999 = 253402300799 + epoch1904
	if created > epoch1904 && created < year9999 {
		h.created = time.Unix(int64(created)-epoch1904, 0).UTC()
	}
}

func (h *header) parseTrex(mvex []byte) {
	for c := range children(mvex) {
		if c.kind != "trex" {
			continue
		}
		r := reader{b: c.body}
		r.full()
		number := r.uint32()
		r.uint32() // sample description
		d := sampleDefaults{r.uint32(), r.uint32(), r.uint32()}
		if t := h.track(number); t != nil && !r.cut {
			t.trex, t.step = d, int64(d.duration)
		}
	}
}

func (h *header) track(number uint32) *headerTrack {
	for _, t := range h.tracks {
		if t.number == number {
			return t
		}
	}
	return nil
}

func parseTrak(b []byte) (*headerTrack, error) {
	t := &headerTrack{}
	r := reader{b: find(b, "tkhd")}
	version, _ := r.full()
	r.versioned(version)
	r.versioned(version)
	t.number = r.uint32()
	r.uint32() // reserved
	t.said.movieDuration = r.versioned(version)
	m := reader{b: find(b, "mdia", "mdhd")}
	version, _ = m.full()
	m.versioned(version)
	m.versioned(version)
	t.Timescale = m.uint32()
	t.said.mediaDuration = m.versioned(version)
	if r.cut || m.cut || t.Timescale == 0 {
		return nil, errors.New("tkhd or mdhd is missing, cut, or has timescale 0")
	}
	t.said.edits = parseEdits(find(b, "edts", "elst"))
	t.stbl = find(b, "mdia", "minf", "stbl")
	if h := find(b, "mdia", "hdlr"); len(h) >= 12 {
		switch string(h[8:12]) {
		case "vide":
			t.Kind = media.Video
		case "soun":
			t.Kind = media.Audio
		}
	}
	stsd := find(t.stbl, "stsd")
	if len(stsd) < 8 {
		return nil, errors.New("stsd is missing or cut")
	}
	for c := range children(stsd[8:]) {
		t.describe(c)
		return t, nil
	}
	return nil, errors.New("stsd is empty")
}

// edits is an edit list as far as it counts here: how long the movie waits for the
// track, and the media time it begins with then (BMFF 8.6.6).
type edits struct {
	wait  uint64 // ticks of the movie
	media int64
	total uint64 // ticks of the movie, of all edits
	count int
}

func parseEdits(b []byte) (e edits) {
	r := reader{b: b}
	version, _ := r.full()
	count, begun := r.uint32(), false
	for range count {
		duration := r.versioned(version)
		media := int64(r.versioned(version))
		if version == 0 {
			media = int64(int32(media))
		}
		r.uint32() // rate
		if r.cut {
			return e
		}
		e.count++
		e.total += duration
		switch {
		case begun:
		case media == -1:
			e.wait += duration
		default:
			e.media, begun = media, true
		}
	}
	return e
}

// start is the DTS of the first sample in the movie, in ticks of the track.
func (e edits) start(movie, track uint32) int64 {
	if movie == 0 || e.wait > maxTicks/uint64(track) || e.media > maxTicks || e.media < -1 {
		return 0
	}
	return int64((e.wait*uint64(track)+uint64(movie)/2)/uint64(movie)) - max(0, e.media)
}

// sealed reports whether a whole moov box ends with our commit record, and has the
// CRC that it tells.
func sealed(moov []byte) bool {
	at := len(moov) - commitBox
	if at < boxHeader || string(moov[at+4:at+boxHeader]) != "uuid" || [16]byte(moov[at+boxHeader:]) != uuidCommit {
		return false
	}
	return summed(moov)
}

// summed reports whether a moov ends with a CRC-32C of what precedes it.
func summed(moov []byte) bool {
	end := len(moov) - 4
	return binary.BigEndian.Uint32(moov[end:]) == crc32.Checksum(moov[:end], castagnoli())
}

// Committed reports whether a file, whatever it begins with, ends as our closed ones do.
func Committed(r io.ReaderAt, size int64) bool {
	w := newWindow(r, size)
	w.step = minWindow
	_, ok := w.commitRecord()
	return ok
}

// commitRecord returns the old size that the commit record at the end of the file
// tells: where the closing moov begins.
func (w *window) commitRecord() (moov int64, ok bool) {
	b := w.at(max(0, w.size-commitBox), commitBox)
	if len(b) < commitBox || string(b[4:boxHeader]) != "uuid" || [16]byte(b[boxHeader:]) != uuidCommit {
		return 0, false
	}
	moov = int64(binary.BigEndian.Uint64(b[uuidHeader+commitOldSize:]))
	return moov, moov >= headSize && moov < w.size
}
