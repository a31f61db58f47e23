package codec

import "github.com/rtmptool/rtmptool/pkg/media"

// Betas of OBS and some hardware announce H.265 by the number of H.264. The two
// functions here tell which one it is.

// IsHVCC reports whether a configuration is H.265's and not H.264's.
func IsHVCC(config []byte) bool {
	if _, err := ParseVideo(media.H264, config); err == nil {
		return false
	}
	_, err := ParseVideo(media.H265, config)
	return err == nil
}

// IsH265 reports whether an access unit is of H.265 and not of H.264. The header of a
// NAL unit of the base layer is even in H.265 (H.265, 7.3.1.2); every access unit of
// H.264 has a slice, of type 1 or 5, and so an odd one (H.264, table 7-1). It reads
// one NAL unit or two, and does not allocate.
func IsH265(frame []byte) bool {
	const sei, layers = 6, 0xF8 // SEI of H.264, and a picture of H.265; the rest of nuh_layer_id
	sets := false
	w := newNALWalk(frame, 4)
	for nal, ok := w.next(); ok; nal, ok = w.next() {
		if len(nal) < 2 || nal[0] == sei {
			continue
		}
		if nal[0]&0x81 != 0 || nal[1]&layers != 0 || nal[1] == 0 {
			return false
		}
		switch typ := nal[0] >> 1; {
		case typ <= 9, typ >= 16 && typ <= 21: // slices (H.265, table 7-1)
			return true
		case typ >= 32 && typ <= 40: // parameter sets, delimiters, SEI
			sets = true
		}
	}
	return sets
}
