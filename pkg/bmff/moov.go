package bmff

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	created    time.Time
}

// headerTrack is a track of a moov, with the defaults of its fragments.
type headerTrack struct {
	container.Track
	detail
	trex sampleDefaults
	stbl []byte
}

type sampleDefaults struct{ duration, size, flags uint32 }

// parseMoov reads the payload of a moov.
func parseMoov(b []byte) (header, error) {
	var h header
	for c := range children(b) {
		switch c.kind {
		case "mvhd":
			r := reader{b: c.body}
			version, _ := r.full()
			if at := r.versioned(version); at > epoch1904 && !r.cut {
				h.created = time.Unix(int64(at)-epoch1904, 0).UTC()
			}
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
		}
	}
	if len(h.tracks) == 0 {
		return h, errors.New("no tracks")
	}
	return h, nil
}

func (h *header) parseMark(b []byte) {
	if len(b) < markPayload {
		return
	}
	h.ours = true
	copy(h.fileID[:], b[4:])
	if ms := binary.BigEndian.Uint64(b[20:]); ms > 0 {
		h.created = time.UnixMilli(int64(ms)).UTC()
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
			t.trex, t.step = d, max(1, int64(d.duration))
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
	m := reader{b: find(b, "mdia", "mdhd")}
	version, _ = m.full()
	m.versioned(version)
	m.versioned(version)
	t.Timescale = m.uint32()
	if r.cut || m.cut || t.Timescale == 0 {
		return nil, errors.New("tkhd or mdhd is missing, cut, or has timescale 0")
	}
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
		break
	}
	return t, nil
}

// Sizes of a sample entry before the boxes in it (BMFF 12.1.3, 12.2.3).
const (
	visualEntry = 78
	audioEntry0 = 28
)

// describe reads a sample entry back into a codec and its configuration, as the
// publisher sent it.
func (t *headerTrack) describe(c child) {
	t.entry = append([]byte(nil), c.all...)
	visual := map[string]struct {
		codec  media.Codec
		config string
		skip   int // bytes of FullBox that the publisher's form does not have
	}{
		"avc1": {media.H264, "avcC", 0}, "avc3": {media.H264, "avcC", 0},
		"hvc1": {media.H265, "hvcC", 0}, "hev1": {media.H265, "hvcC", 0},
		"vvc1": {media.VVC, "vvcC", 4}, "vvi1": {media.VVC, "vvcC", 4},
		"av01": {media.AV1, "av1C", 0}, "vp08": {media.VP8, "vpcC", 4}, "vp09": {media.VP9, "vpcC", 4},
	}
	if v, ok := visual[c.kind]; ok && len(c.body) >= visualEntry {
		t.Codec = v.codec
		if config := find(c.body[visualEntry:], v.config); len(config) >= v.skip {
			t.Config = config[v.skip:]
		}
		return
	}
	if len(c.body) < audioEntry0 {
		return
	}
	boxes := c.body[audioEntry0:]
	switch c.kind {
	case "mp4a":
		t.Codec, t.Config = parseESDS(find(boxes, "esds"))
	case "Opus":
		t.Codec, t.Config = media.Opus, opusHead(find(boxes, "dOps"))
	case "fLaC":
		t.Codec = media.FLAC
		if b := find(boxes, "dfLa"); len(b) > 4 {
			t.Config = b[4:]
		}
	case "ac-3":
		t.Codec = media.AC3
	case "ec-3":
		t.Codec = media.EAC3
	}
}

// parseESDS finds object type and decoder data in an esds box.
func parseESDS(b []byte) (media.Codec, []byte) {
	if len(b) < 4 {
		return media.AAC, nil
	}
	es := descriptor(b[4:], 0x03)
	if len(es) < 3 {
		return media.AAC, nil
	}
	decoder := descriptor(es[3:], 0x04)
	if len(decoder) < 13 {
		return media.AAC, nil
	}
	if decoder[0] == 0x6B || decoder[0] == 0x69 {
		return media.MP3, nil
	}
	return media.AAC, descriptor(decoder[13:], 0x05)
}

// descriptor returns the body of a descriptor that begins with a tag.
func descriptor(b []byte, tag byte) []byte {
	if len(b) == 0 || b[0] != tag {
		return nil
	}
	size := 0
	for i := 1; i < len(b) && i <= 4; i++ {
		size = size<<7 | int(b[i]&0x7F)
		if b[i]&0x80 == 0 {
			return b[i+1 : min(len(b), i+1+size)]
		}
	}
	return nil
}

// opusHead turns dOps back into an OpusHead.
func opusHead(b []byte) []byte {
	if len(b) < 11 {
		return nil
	}
	out := append([]byte("OpusHead"), 1, b[1], b[3], b[2], b[7], b[6], b[5], b[4], b[9], b[8], b[10])
	return append(out, b[11:]...)
}
