package codec

import (
	"fmt"
	"math/bits"
)

// parseVVCC reads a VvcDecoderConfigurationRecord (ISO/IEC 14496-15, 11.2.4.2.2),
// which RTMP carries without the version and flags of a FullBox. Only with
// ptl_present_flag does it tell more than the length of the length fields.
func parseVVCC(config []byte) (Video, error) {
	var v Video
	c := cursor{name: "vvcC", buf: config}
	c.expect(5, 0x1F, "reserved")
	v.NALULength = c.lengthSize()
	if c.flag("ptl_present_flag") {
		c.readVVCProfile(&v)
		w, h := c.bits(16, "max_picture_width"), c.bits(16, "max_picture_height")
		rate := c.bits(16, "avg_frame_rate")
		if c.err != nil {
			return v, c.err
		}
		if err := checkSize(w, h); err != nil {
			c.failAt(c.offset()-6, "max_picture_width", "%w", err)
			return v, c.err
		}
		v.Width, v.Height = w, h
		v.FPS = frameRate(float64(rate), 256) // frames in 256 s
	}
	c.readVVCArrays()
	return v, c.err
}

// readVVCProfile reads what stands in front of the picture size, a VvcPTLRecord
// (11.2.4.2.2) most of all.
func (c *cursor) readVVCProfile(v *Video) {
	c.skip(9, "ols_idx")
	subLayers := c.bits(3, "num_sublayers")
	c.skip(2+2, "constant_frame_rate")
	c.skip(3+5, "bit_depth_minus8")

	c.skip(2, "reserved")
	constraints := c.bits(6, "num_bytes_constraint_info")
	profile := c.bits(7, "general_profile_idc")
	c.skip(1, "general_tier_flag")
	level := c.bits(8, "general_level_idc")
	if c.err == nil {
		v.Profile, v.Level = vvcProfile(profile), vvcLevel(level)
	}
	// Its first two bits are flags of their own, so there is always one byte.
	c.skip(8*max(constraints, 1), "general_constraint_info")
	if subLayers > 1 {
		// One flag for each sub-layer below the top, from the highest bit down.
		flags := c.bits(8, "sublayer_level_present_flag") >> (8 - (subLayers - 1))
		c.skip(8*bits.OnesCount(uint(flags)), "sublayer_level_idc")
	}
	c.skip(32*c.bits(8, "ptl_num_sub_profiles"), "general_sub_profile_idc")
}

// readVVCArrays checks that the NAL units of the record are all there.
func (c *cursor) readVVCArrays() {
	const opi, dci = 12, 13 // arrays of one NAL unit, without a count
	for range c.bits(8, "num_of_arrays") {
		c.skip(1+2, "array_completeness")
		typ, count := c.bits(5, "NAL_unit_type"), 1
		if typ != opi && typ != dci {
			count = c.bits(16, "num_nalus")
		}
		kind := fmt.Sprintf("NAL unit of type %d", typ)
		for i := 0; i < count && c.err == nil; i++ {
			c.nal(kind, i)
		}
	}
}

// vvcProfile names a profile (H.266, annex A.3).
func vvcProfile(idc int) string {
	switch idc {
	case 1:
		return "Main 10"
	case 17:
		return "Multilayer Main 10"
	case 33:
		return "Main 10 4:4:4"
	case 49:
		return "Multilayer Main 10 4:4:4"
	case 65:
		return "Main 10 Still Picture"
	case 97:
		return "Main 10 4:4:4 Still Picture"
	}
	return fmt.Sprintf("Profile %d", idc)
}

// vvcLevel writes a level_idc, 16 a level and 3 a step (H.266, A.4.1).
func vvcLevel(idc int) string { return fmt.Sprintf("%d.%d", idc/16, idc%16/3) }
