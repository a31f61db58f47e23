package codec

import "fmt"

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
		if err := v.readAV1Sequence(u.payload); err != nil {
			c.err = err
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
			if v.readAV1Sequence(u.payload) == nil {
				return v.Width, v.Height
			}
			break
		}
		unit = rest
	}
	return 0, 0
}

// readAV1Sequence reads a sequence header OBU up to the size of the picture (AV1,
// 5.5.1). mediacommon gives up where there is an initial display delay, which SVT-AV1
// writes, or a decoder model.
func (v *Video) readAV1Sequence(payload []byte) error {
	c := cursor{name: "AV1 sequence header", buf: payload}
	profile := c.bits(3, "seq_profile")
	c.skip(1, "still_picture")
	level, fps := 0, 0.
	if c.flag("reduced_still_picture_header") {
		level = c.bits(5, "seq_level_idx")
	} else {
		level, fps = c.av1OperatingPoints()
	}
	widthBits, heightBits := c.bits(4, "frame_width_bits_minus_1")+1, c.bits(4, "frame_height_bits_minus_1")+1
	width, height := c.bits(widthBits, "max_frame_width_minus_1")+1, c.bits(heightBits, "max_frame_height_minus_1")+1
	if c.err != nil {
		return c.err
	}
	if err := checkSize(width, height); err != nil {
		c.failAt(c.offset(), "max_frame_width_minus_1", "%w", err)
		return c.err
	}
	v.Width, v.Height, v.FPS = width, height, fps
	v.Profile, v.Level = av1Profile(profile), av1Level(level)
	return nil
}

// av1OperatingPoints reads what stands in front of the size: timing, decoder model
// and operating points, of which the first one has the level.
func (c *cursor) av1OperatingPoints() (level int, fps float64) {
	modelBits := 0 // of a delay; 0: no decoder model
	if c.flag("timing_info_present_flag") {
		fps = c.av1Timing()
		if c.flag("decoder_model_info_present_flag") {
			modelBits = c.bits(5, "buffer_delay_length_minus_1") + 1
			c.skip(32+5+5, "num_units_in_decoding_tick")
		}
	}
	delays := c.flag("initial_display_delay_present_flag")
	for i := range c.bits(5, "operating_points_cnt_minus_1") + 1 {
		c.skip(12, "operating_point_idc")
		idx := c.bits(5, "seq_level_idx")
		if i == 0 {
			level = idx
		}
		const lastWithoutTier = 7
		if idx > lastWithoutTier {
			c.skip(1, "seq_tier")
		}
		if modelBits > 0 && c.flag("decoder_model_present_for_this_op") {
			c.skip(2*modelBits+1, "decoder_buffer_delay")
		}
		if delays && c.flag("initial_display_delay_present_for_this_op") {
			c.skip(4, "initial_display_delay_minus_1")
		}
	}
	return level, fps
}

// av1Timing reads timing_info (AV1, 5.5.3): the frame rate, or 0 if it varies.
func (c *cursor) av1Timing() (fps float64) {
	uint32 := func(what string) float64 { return float64(c.bits(16, what))*(1<<16) + float64(c.bits(16, what)) }
	tick, scale := uint32("num_units_in_display_tick"), uint32("time_scale")
	if !c.flag("equal_picture_interval") {
		return 0
	}
	zeros := 0 // uvlc (AV1, 4.10.3)
	for c.err == nil && !c.flag("num_ticks_per_picture_minus_1") {
		zeros++
	}
	ticks := 1 << min(zeros, 32)
	switch {
	case zeros > 0 && zeros <= 24:
		ticks += c.bits(zeros, "num_ticks_per_picture_minus_1")
	case zeros < 32: // the rest of the number makes no difference
		c.skip(zeros, "num_ticks_per_picture_minus_1")
	}
	return frameRate(scale, tick*float64(ticks))
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
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuFrameHeader       = 3
	obuFrame             = 6
	obuTileList          = 8
	obuPadding           = 15
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

// AV1Sample returns a temporal unit without what a sample of a file does not have:
// temporal delimiters, padding and tile lists (AV1-ISOBMFF, 2.4). It copies only
// where something in the middle goes. A unit that is broken stays as it is.
func AV1Sample(unit []byte) []byte {
	var out []byte
	begin, end := 0, 0 // what is kept and not copied yet
	for at := 0; at < len(unit); {
		u, rest, ok := nextOBU(unit[at:])
		if !ok {
			return unit
		}
		next := len(unit) - len(rest)
		if u.typ != obuTemporalDelimiter && u.typ != obuPadding && u.typ != obuTileList {
			if begin == end {
				begin, end = at, at
			}
			if at > end {
				out = append(out, unit[begin:end]...)
				begin = at
			}
			end = next
		}
		at = next
	}
	if out == nil {
		return unit[begin:end]
	}
	return append(out, unit[begin:end]...)
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
