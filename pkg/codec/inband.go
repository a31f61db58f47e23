package codec

import (
	"bytes"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// DiffersInBand reports whether an access unit carries parameter sets that its
// configuration does not have. A file that keeps only the configuration's must
// say so (hev1, avc3), or players that read those alone show garbage.
func DiffersInBand(c media.Codec, config, frame []byte, naluLength int) bool {
	var isSet func(nal []byte) bool
	switch c {
	case media.H264:
		isSet = func(nal []byte) bool { t := nal[0] & 0x1F; return t == 7 || t == 8 } // SPS, PPS
	case media.H265:
		isSet = func(nal []byte) bool { t := nal[0] >> 1 & 0x3F; return t >= 32 && t <= 34 } // VPS, SPS, PPS
	case media.VVC:
		isSet = func(nal []byte) bool { return len(nal) > 1 && nal[1]>>3 >= 14 && nal[1]>>3 <= 16 }
	default:
		return false
	}
	w := newNALWalk(frame, naluLength)
	for nal, ok := w.next(); ok; nal, ok = w.next() {
		if isSet(nal) && !bytes.Contains(config, nal) {
			return true
		}
	}
	return false
}
