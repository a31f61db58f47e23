package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
)

// parseVPCC reads a VPCodecConfigurationRecord (VP codec ISO media file format
// binding): 8 bytes, or these behind the version 1 and the flags 0 of a FullBox, as
// FFmpeg 9 and MediaMTX send them. The two differ by the bit depth, which is never 0.
// The record does not have the size of the picture.
func parseVPCC(config []byte) (Video, error) {
	var v Video
	c := cursor{name: "vpcC", buf: config}
	if len(config) >= 4 && string(config[:4]) == "\x01\x00\x00\x00" {
		c.skip(32, "version and flags")
	}
	profile, level := c.bits(8, "profile"), c.bits(8, "level")
	at := c.offset()
	depth := c.bits(4, "bitDepth")
	if c.err == nil && depth != 8 && depth != 10 && depth != 12 {
		c.failAt(at, "bitDepth", "is %d, want 8, 10 or 12", depth)
	}
	c.skip(3+1, "chromaSubsampling")
	c.skip(8+8+8, "colourPrimaries")
	c.bytes(c.bits(16, "codecInitializationDataSize"), "codecInitializationData")
	if c.err != nil {
		return v, c.err
	}
	v.Profile = fmt.Sprintf("Profile %d", profile)
	if level != 0 {
		v.Level = fmt.Sprintf("%d.%d", level/10, level%10)
	}
	return v, nil
}

// vpRecord makes a VPCodecConfigurationRecord. What a key frame does not tell is
// unspecified, which is 2 (ISO/IEC 23091-2).
func vpRecord(profile, level, depth, chroma int, fullRange bool, matrix byte) []byte {
	const unspecified = 2
	return []byte{byte(profile), byte(level), byte(depth<<4 | chroma<<1 | bit(fullRange)),
		unspecified, unspecified, matrix, 0, 0}
}

// Values of chromaSubsampling.
const (
	chroma420 = 1 // with the samples where luma has some
	chroma422 = 2
	chroma444 = 3
)

// vp8Record makes the record of a key frame; nil if it is none. VP8 has no levels.
func vp8Record(frame []byte) []byte {
	if key, _ := vp8Key(frame); !key {
		return nil
	}
	version := int(frame[0] >> 1 & 7)
	return vpRecord(version, 0, 8, chroma420, false, 2)
}

// vp9Record makes the record of a key frame; nil if it is none.
func vp9Record(frame []byte) []byte {
	var head vp9.Header
	if err := unmarshal(&head, frame[:min(len(frame), vp9Header)]); err != nil || head.ColorConfig == nil {
		return nil
	}
	color := head.ColorConfig
	chroma := chroma444
	switch {
	case color.SubsamplingX && color.SubsamplingY:
		chroma = chroma420
	case color.SubsamplingX:
		chroma = chroma422
	}
	// color_space as MatrixCoefficients (VP9, 7.2.2): unknown, BT.601, BT.709, SMPTE
	// 170, SMPTE 240, BT.2020, reserved, RGB.
	matrix := [8]byte{2, 5, 1, 6, 7, 9, 2, 0}[color.ColorSpace&7]
	return vpRecord(int(head.Profile), vp9Level(head.Width()*head.Height()), int(color.BitDepth), chroma, color.ColorRange, matrix)
}

// vp9Level is the lowest level that has pictures of so many pixels (VP9, annex A).
// Of those that differ in the frame rate alone it is that of 30 a second.
func vp9Level(pixels int) int {
	for _, l := range []struct{ pixels, level int }{
		{36864, 10}, {73728, 11}, {122880, 20}, {245760, 21}, {552960, 30}, {983040, 31}, {2228224, 40}, {8912896, 50},
	} {
		if pixels <= l.pixels {
			return l.level
		}
	}
	return 60
}

// vp8Key says whether the frame has the tag and the start code of a key frame
// (RFC 6386, 9.1). ok is false if the tag claims one and the start code is not
// there.
func vp8Key(frame []byte) (key, ok bool) {
	if len(frame) == 0 {
		return false, false
	}
	if frame[0]&1 != 0 {
		return false, true
	}
	key = len(frame) >= 6 && string(frame[3:6]) == "\x9D\x01\x2A"
	return key, key
}

func vp8Size(frame []byte) (w, h int) {
	const size = 0x3FFF // below the two bits of the upscaling
	if key, _ := vp8Key(frame); !key || len(frame) < 10 {
		return 0, 0
	}
	return (int(frame[6]) | int(frame[7])<<8) & size, (int(frame[8]) | int(frame[9])<<8) & size
}

// vp9Key reads the uncompressed header up to the sync code (VP9, 6.2): marker 2,
// profile 2, in profile 3 a reserved bit, show_existing_frame, frame_type (0 is
// a key frame), show_frame, error_resilient_mode, sync code 24. ok is false if
// this is no VP9 frame.
func vp9Key(frame []byte) (key, ok bool) {
	var head uint64 // 40 bits; a frame that only shows another one is shorter
	for i := range min(len(frame), 5) {
		head |= uint64(frame[i]) << (32 - 8*i)
	}
	if head>>38 != 0b10 {
		return false, false
	}
	if head>>36&0b11 == 0b11 {
		head <<= 1 // over the reserved bit
	}
	if showExisting, inter := head>>35&1 == 1, head>>34&1 == 1; showExisting || inter {
		return false, true
	}
	key = head>>8&0xFFFFFF == 0x498342
	return key, key
}

// vp9Header is more than an uncompressed header takes up to the size, in bytes.
const vp9Header = 32

// vp9Size returns the size in the header of a key frame.
func vp9Size(frame []byte) (w, h int) {
	var head vp9.Header
	if err := unmarshal(&head, frame[:min(len(frame), vp9Header)]); err != nil {
		return 0, 0
	}
	return head.Width(), head.Height()
}
