package codec

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// parseAVCC reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
// What follows the PPS is optional and repeats the SPS.
func parseAVCC(config []byte) (Video, error) {
	var v Video
	c := cursor{name: "avcC", buf: config}
	c.expect(8, 1, "configurationVersion")
	profile := c.bits(8, "AVCProfileIndication")
	compat := c.bits(8, "profile_compatibility")
	level := c.bits(8, "AVCLevelIndication")
	if c.err == nil {
		v.Profile, v.Level = h264Profile(profile, compat), h264Level(profile, compat, level)
	}
	c.skip(6, "reserved")
	v.NALULength = c.lengthSize()
	c.skip(3, "reserved")
	count := c.bits(5, "numOfSequenceParameterSets")
	if c.err == nil && count == 0 {
		c.failAt(c.offset()-1, "numOfSequenceParameterSets", "no SPS")
	}
	for i := range count {
		nal, at := c.nal("SPS", i)
		if i > 0 || c.err != nil {
			continue
		}
		if err := v.readH264SPS(nal); err != nil {
			c.failAt(at, "SPS 0", "%w", err)
		}
	}
	for i := range c.bits(8, "numOfPictureParameterSets") {
		c.nal("PPS", i)
	}
	return v, c.err
}

// lengthSize reads lengthSizeMinusOne, of which 2 is not lawful.
func (c *cursor) lengthSize() int {
	n := c.bits(2, "lengthSizeMinusOne")
	if c.err == nil && n == 2 {
		c.failAt(c.offset()-1, "lengthSizeMinusOne", "is 2, want 0, 1 or 3")
	}
	if c.err != nil {
		return 0
	}
	return n + 1
}

func (v *Video) readH264SPS(nal []byte) error {
	var sps h264.SPS
	if err := unmarshal(&sps, nal); err != nil {
		return err
	}
	// The record repeats these three bytes; where it differs the SPS counts.
	profile, compat, level := int(nal[1]), int(nal[2]), int(nal[3])
	v.Profile, v.Level = h264Profile(profile, compat), h264Level(profile, compat, level)

	w, h := sps.Width(), sps.Height()
	if crop := sps.FrameCropping; crop != nil && (sps.ChromaFormatIdc == 0 || sps.SeparateColourPlaneFlag) {
		// Without chroma CropUnitX is 1 (H.264, 7-19); mediacommon takes 0.
		w -= int(crop.LeftOffset + crop.RightOffset)
	}
	if err := checkSize(w, h); err != nil {
		return err
	}
	v.Width, v.Height = w, h
	if sps.VUI != nil && sps.VUI.TimingInfo != nil {
		// A tick is a field, two make a frame (H.264, E.2.1).
		v.FPS = frameRate(float64(sps.VUI.TimingInfo.TimeScale), 2*float64(sps.VUI.TimingInfo.NumUnitsInTick))
	}
	return nil
}

// The constraint_setN_flags of profile_compatibility (H.264, 7.4.2.1.1).
const (
	constraintSet1 = 0x40
	constraintSet3 = 0x10
)

// h264Profile names a profile (H.264, annex A.2).
func h264Profile(idc, compat int) string {
	switch idc {
	case 66:
		if compat&constraintSet1 != 0 {
			return "Constrained Baseline"
		}
		return "Baseline"
	case 77:
		return "Main"
	case 88:
		return "Extended"
	case 100:
		return "High"
	case 110:
		return intraProfile("High 10", compat)
	case 122:
		return intraProfile("High 4:2:2", compat)
	case 244:
		if compat&constraintSet3 != 0 {
			return "High 4:4:4 Intra"
		}
		return "High 4:4:4 Predictive"
	case 44:
		return "CAVLC 4:4:4"
	case 118:
		return "Multiview High"
	case 128:
		return "Stereo High"
	}
	return fmt.Sprintf("Profile %d", idc)
}

func intraProfile(name string, compat int) string {
	if compat&constraintSet3 != 0 {
		return name + " Intra"
	}
	return name
}

// h264Level writes a level_idc, tenths of a level. 1b is 9, or in the oldest
// profiles 11 with constraint_set3_flag (H.264, A.3.1 and A.3.2).
func h264Level(profile, compat, idc int) string {
	old := profile == 66 || profile == 77 || profile == 88
	if idc == 9 || idc == 11 && old && compat&constraintSet3 != 0 {
		return "1b"
	}
	return fmt.Sprintf("%d.%d", idc/10, idc%10)
}
