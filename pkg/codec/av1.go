package codec

import (
	"errors"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
)

// parseAV1C reads an AV1CodecConfigurationRecord (AV1-ISOBMFF, 2.3.3): four
// bytes, then OBUs, as a rule only the sequence header.
func parseAV1C(config []byte) (Video, error) {
	var v Video
	c := cursor{name: "av1C", buf: config}
	c.expect(8, 0x81, "marker and version")
	profile, level := c.bits(3, "seq_profile"), c.bits(5, "seq_level_idx_0")
	c.skip(8+8, "chroma_sample_position")
	if c.err != nil {
		return v, c.err
	}
	v.Profile, v.Level = av1Profile(profile), av1Level(level)
	for rest := config[c.offset():]; len(rest) > 0; {
		at := len(config) - len(rest)
		var u obu
		var ok bool
		if u, rest, ok = nextOBU(rest); !ok {
			c.failAt(at, "OBU", "broken header or size beyond the record")
			break
		}
		if u.typ != obuSequenceHeader {
			continue
		}
		if err := v.readAV1Sequence(u); err != nil {
			c.failAt(at, "sequence header", "%w", err)
		}
		break
	}
	return v, c.err
}

// av1Size returns the size that the sequence header of a temporal unit gives.
func av1Size(unit []byte) (w, h int) {
	var v Video
	for range maxUnits {
		u, rest, ok := nextOBU(unit)
		if !ok {
			break
		}
		if u.typ == obuSequenceHeader && len(u.payload) <= MaxConfig {
			if v.readAV1Sequence(u) == nil {
				return v.Width, v.Height
			}
			break
		}
		unit = rest
	}
	return 0, 0
}

func (v *Video) readAV1Sequence(u obu) error {
	var seq av1.SequenceHeader
	// mediacommon reads neither extension nor foreign sizes: a header without.
	err := unmarshal(&seq, append([]byte{obuSequenceHeader << 3}, u.payload...))
	if err != nil && (seq.DecoderModelInfoPresentFlag || seq.InitialDisplayDelayPresentFlag) {
		return fmt.Errorf("decoder model: %w", errors.ErrUnsupported)
	}
	if err != nil {
		return err
	}
	if err := checkSize(seq.Width(), seq.Height()); err != nil {
		return err
	}
	v.Width, v.Height = seq.Width(), seq.Height()
	v.Profile, v.Level = av1Profile(int(seq.SeqProfile)), av1Level(int(seq.SeqLevelIdx[0]))
	if t := seq.TimingInfo; t != nil && t.EqualPictureInterval {
		v.FPS = frameRate(float64(t.TimeScale),
			float64(t.NumUnitsInDisplayTick)*(float64(t.NumTicksPerPictureMinus1)+1))
	}
	return nil
}

// av1Profile names a profile (AV1, annex A.2).
func av1Profile(idc int) string {
	switch idc {
	case 0:
		return "Main"
	case 1:
		return "High"
	case 2:
		return "Professional"
	}
	return fmt.Sprintf("Profile %d", idc)
}

// av1Level writes a seq_level_idx (AV1, annex A.3); 31 means no level.
func av1Level(idx int) string {
	if idx == 31 {
		return ""
	}
	return fmt.Sprintf("%d.%d", 2+idx/4, idx%4)
}

// The types of OBUs that matter here (AV1, 6.2.2).
const (
	obuSequenceHeader = 1
	obuFrameHeader    = 3
	obuFrame          = 6
)

type obu struct {
	typ     byte
	payload []byte
}

// nextOBU splits the first OBU off b (AV1, 5.3). One without a size field takes
// all of b. It does not allocate.
func nextOBU(b []byte) (u obu, rest []byte, ok bool) {
	const forbidden, extension, hasSize = 0x80, 0x04, 0x02
	if len(b) == 0 || b[0]&forbidden != 0 {
		return u, nil, false
	}
	head, n := b[0], 1
	if head&extension != 0 {
		n = 2
	}
	if len(b) < n {
		return u, nil, false
	}
	b = b[n:]
	size := uint64(len(b))
	if head&hasSize != 0 {
		if size, n = leb128(b); n == 0 {
			return u, nil, false
		}
		if b = b[n:]; size > uint64(len(b)) {
			return u, nil, false
		}
	}
	return obu{typ: head >> 3 & 0xF, payload: b[:size]}, b[size:], true
}

// leb128 reads a number of at most 8 bytes (AV1, 4.10.5) and how many it takes,
// 0 if it does not end.
func leb128(b []byte) (value uint64, n int) {
	for i := range min(len(b), 8) {
		value |= uint64(b[i]&0x7F) << (7 * i)
		if b[i]&0x80 == 0 {
			return value, i + 1
		}
	}
	return 0, 0
}

// isKeyAV1 looks for a sequence header and a shown key frame. Publishers may
// leave the sequence header to the configuration; then their word is needed too.
func isKeyAV1(unit []byte, flagged bool) bool {
	const reducedStill = 0x08 // reduced_still_picture_header: all frames are shown key frames
	sequence, reduced := false, false
	for range maxUnits {
		if len(unit) == 0 {
			return false // no frame
		}
		u, rest, ok := nextOBU(unit)
		if !ok {
			return flagged
		}
		switch u.typ {
		case obuSequenceHeader:
			sequence = true
			reduced = len(u.payload) > 0 && u.payload[0]&reducedStill != 0
		case obuFrameHeader, obuFrame:
			if len(u.payload) == 0 {
				return flagged
			}
			// show_existing_frame 0, frame_type 00 (key), show_frame 1 (AV1, 5.9.2).
			shownKey := reduced || u.payload[0]>>4 == 0b0001
			return shownKey && (sequence || flagged)
		}
		unit = rest
	}
	return flagged
}
