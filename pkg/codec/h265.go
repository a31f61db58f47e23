package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// parseHVCC reads an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1).
// Drafts of it had version 0, and some encoders still write that.
func parseHVCC(config []byte) (Video, error) {
	var v Video
	c := cursor{name: "hvcC", buf: config}
	if version := c.bits(8, "configurationVersion"); version > 1 {
		c.failAt(0, "configurationVersion", "is %d, want 0 or 1", version)
	}
	c.skip(2+1, "general_profile_space")
	profile := c.bits(5, "general_profile_idc")
	c.skip(32+48, "general_profile_compatibility_flags")
	level := c.bits(8, "general_level_idc")
	if c.err == nil {
		v.Profile, v.Level = h265Profile(profile), h265Level(level)
	}
	c.skip(16+8+8+8+8, "min_spatial_segmentation_idc")
	rate := c.bits(16, "avgFrameRate")
	c.skip(2+3+1, "constantFrameRate")
	v.NALULength = c.lengthSize()
	c.readH265Arrays(&v)
	if c.err == nil && v.Width == 0 {
		c.failAt(c.offset(), "arrays", "no SPS")
	}
	if v.FPS == 0 {
		v.FPS = frameRate(float64(rate), 256) // frames in 256 s
	}
	return v, c.err
}

// readH265Arrays walks the NAL units of the record and reads the first SPS.
func (c *cursor) readH265Arrays(v *Video) {
	for range c.bits(8, "numOfArrays") {
		c.skip(2, "array_completeness")
		typ := h265.NALUType(c.bits(6, "NAL_unit_type"))
		kind, count := h265ArrayName(typ), c.bits(16, "numNalus")
		for i := 0; i < count && c.err == nil; i++ {
			nal, at := c.nal(kind, i)
			if c.err != nil || typ != h265.NALUType_SPS_NUT || v.Width != 0 {
				continue
			}
			if err := v.readH265SPS(nal); err != nil {
				c.failAt(at, fmt.Sprintf("SPS %d", i), "%w", err)
			}
		}
	}
}

func h265ArrayName(typ h265.NALUType) string {
	switch typ {
	case h265.NALUType_VPS_NUT:
		return "VPS"
	case h265.NALUType_SPS_NUT:
		return "SPS"
	case h265.NALUType_PPS_NUT:
		return "PPS"
	}
	return fmt.Sprintf("NAL unit of type %d", typ)
}

func (v *Video) readH265SPS(nal []byte) error {
	var sps h265.SPS
	err := unmarshal(&sps, withoutSubLayers(nal))
	// mediacommon refuses long-term pictures in the SPS. They stand behind the
	// size and in front of the frame rate (H.265, 7.3.2.2.1).
	if err != nil && !sps.LongTermRefPicsPresentFlag {
		return err
	}
	if err := checkSize(sps.Width(), sps.Height()); err != nil {
		return err
	}
	v.Width, v.Height = sps.Width(), sps.Height()
	v.Profile = h265Profile(int(sps.ProfileTierLevel.GeneralProfileIdc))
	v.Level = h265Level(int(sps.ProfileTierLevel.GeneralLevelIdc))
	if sps.VUI != nil && sps.VUI.TimingInfo != nil {
		v.FPS = frameRate(float64(sps.VUI.TimingInfo.TimeScale), float64(sps.VUI.TimingInfo.NumUnitsInTick))
	}
	return nil
}

// Offsets in an SPS without emulation prevention (H.265, 7.3.2.2.1 and 7.3.3):
// NAL header 2, ids 1, general profile and level 12, then 2 bits for each of 8
// sub-layers (profile present, level present), then their 11 and 1 bytes.
const (
	spsIDs       = 2
	spsSubLayers = spsIDs + 1 + 12
	spsRest      = spsSubLayers + 2
)

// withoutSubLayers cuts the profiles and levels of temporal sub-layers out of
// an SPS. mediacommon refuses an SPS that has them; nothing here needs them.
func withoutSubLayers(nal []byte) []byte {
	raw := h264.EmulationPreventionRemove(nal)
	if len(raw) < spsRest {
		return nal
	}
	flags, cut := int(raw[spsSubLayers])<<8|int(raw[spsSubLayers+1]), 0
	for i := range int(raw[spsIDs] >> 1 & 7) {
		cut += 11*(flags>>(15-2*i)&1) + flags>>(14-2*i)&1
	}
	if cut == 0 || len(raw) < spsRest+cut {
		return nal
	}
	raw[spsSubLayers], raw[spsSubLayers+1] = 0, 0
	return addEmulationPrevention(append(raw[:spsRest], raw[spsRest+cut:]...))
}

// addEmulationPrevention is the inverse of h264.EmulationPreventionRemove
// (H.265, 7.4.2).
func addEmulationPrevention(raw []byte) []byte {
	nal, zeros := make([]byte, 0, len(raw)*3/2), 0
	for _, b := range raw {
		if zeros == 2 && b <= 3 {
			nal, zeros = append(nal, 3), 0
		}
		if nal = append(nal, b); b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return nal
}

// h265Profile names a profile (H.265, annex A.3).
func h265Profile(idc int) string {
	switch idc {
	case 1:
		return "Main"
	case 2:
		return "Main 10"
	case 3:
		return "Main Still Picture"
	case 4:
		return "Rext"
	case 9:
		return "Scc"
	}
	return fmt.Sprintf("Profile %d", idc)
}

// h265Level writes a level_idc, thirtieths of a level (H.265, A.4.1).
func h265Level(idc int) string { return fmt.Sprintf("%d.%d", idc/30, idc%30/3) }
