package bmff

import (
	"bytes"
	"encoding/binary"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Sizes of a sample entry before the boxes in it (BMFF 12.1.3, 12.2.3).
const (
	visualEntry = 78
	audioEntry0 = 28
)

// soundExtra is what a QuickTime sound entry has more, by its version.
var soundExtra = [3]int{0, 16, 36}

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
			t.Config = bytes.Clone(config[v.skip:])
		}
		return
	}
	if len(c.body) < audioEntry0 {
		return
	}
	boxes := c.body[audioEntry0:]
	if version := int(binary.BigEndian.Uint16(c.body[8:])); version < len(soundExtra) {
		boxes = boxes[min(len(boxes), soundExtra[version]):]
	}
	if wave := find(boxes, "wave"); wave != nil { // QuickTime's versions 1 and 2 wrap them
		boxes = wave
	}
	switch c.kind {
	case "mp4a":
		t.Codec, t.Config = parseESDS(find(boxes, "esds"))
	case "Opus":
		t.Codec, t.Config = media.Opus, opusHead(find(boxes, "dOps"))
	case "fLaC":
		t.Codec = media.FLAC
		if b := find(boxes, "dfLa"); len(b) > 4 {
			t.Config = bytes.Clone(b[4:])
		}
	case "ac-3":
		t.Codec, t.Config = media.AC3, bytes.Clone(find(boxes, "dac3"))
	case "ec-3":
		t.Codec, t.Config = media.EAC3, bytes.Clone(find(boxes, "dec3"))
	case "alaw":
		t.Codec = media.ALaw
	case "ulaw":
		t.Codec = media.MuLaw
	case "raw ", "sowt", "twos":
		t.Codec = media.PCM
	}
	t.describeByEntry(c.body)
}

// describeByEntry makes what describes a codec without a configuration, of the fields
// of the sample entry (BMFF 12.2.3).
func (t *headerTrack) describeByEntry(entry []byte) {
	channels := int(binary.BigEndian.Uint16(entry[16:]))
	bits := int(binary.BigEndian.Uint16(entry[18:]))
	rate := int(binary.BigEndian.Uint16(entry[24:]))
	switch t.Codec {
	case media.MP3:
		t.Config = codec.MP3Header(rate, channels)
	case media.PCM, media.ALaw, media.MuLaw:
		t.Config = codec.PCMConfig(t.Codec, rate, channels, bits)
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
	return media.AAC, bytes.Clone(descriptor(decoder[13:], 0x05))
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
