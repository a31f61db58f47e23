package codec

import "github.com/rtmptool/rtmptool/pkg/media"

// IsKey reports whether a decoder that has the configuration can start at this
// access unit. It goes by the bitstream, as publishers set the frame type
// wrongly in both directions; flagged is what the frame type said. It decides
// only where the bitstream cannot be read (or the codec is not known), and where
// the bitstream alone does not suffice: H.264 with gradual refresh, AV1 without
// a sequence header.
//
// naluLength is [Video.NALULength]; 0 means 4. IsKey runs for every frame: it
// reads up to the first slice, within fixed limits, and does not allocate.
func IsKey(c media.Codec, frame []byte, naluLength int, flagged bool) bool {
	switch c {
	case media.H264:
		return firstSlice(frame, naluLength, flagged, h264Unit)
	case media.H265:
		return firstSlice(frame, naluLength, flagged, h265Unit)
	case media.VVC:
		return firstSlice(frame, naluLength, flagged, vvcUnit)
	case media.AV1:
		return isKeyAV1(frame, flagged)
	case media.VP8:
		if key, ok := vp8Key(frame); ok {
			return key
		}
	case media.VP9:
		if key, ok := vp9Key(frame); ok {
			return key
		}
	}
	return flagged
}

// unit is what a NAL unit means for the search.
type unit uint8

const (
	unitOther unit = iota
	unitSEI
	unitSlice    // of a picture that needs others
	unitKeySlice // of a picture that a decoder can start at
	unitBroken
)

// firstSlice judges an access unit by its first slice, as all slices of a
// picture have the same kind (H.264, 7.4.1.2.4; H.265, 7.4.2.2).
func firstSlice(frame []byte, naluLength int, flagged bool, classify func([]byte) unit) bool {
	start, sei := newNALWalk(frame, naluLength), false
	w := start
	for nal, ok := w.next(); ok; nal, ok = w.next() {
		switch classify(nal) {
		case unitKeySlice:
			return true
		case unitSlice:
			return flagged && sei && recoveryPoint(start)
		case unitSEI:
			sei = true
		case unitBroken:
			return flagged
		}
	}
	return w.broken && flagged
}

// h264Unit classifies by nal_unit_type (H.264, table 7-1): 1 and 2 begin a
// picture, 5 an IDR picture.
func h264Unit(nal []byte) unit {
	switch nal[0] & 0x1F {
	case 1, 2:
		return unitSlice
	case 5:
		return unitKeySlice
	case 6:
		return unitSEI
	}
	return unitOther
}

// h265Unit classifies by nal_unit_type (H.265, table 7-1): 0 to 31 are slices,
// 16 to 23 of IRAP pictures (BLA, IDR, CRA and two reserved).
func h265Unit(nal []byte) unit {
	switch typ := nal[0] >> 1 & 0x3F; {
	case typ > 31:
		return unitOther
	case typ >= 16 && typ <= 23:
		return unitKeySlice
	}
	return unitSlice
}

// vvcUnit classifies by nal_unit_type (H.266, table 5), which stands in the
// second byte: 0 to 11 are slices, 7 and 8 of IDR pictures, 9 of CRA pictures. 10
// is a gradual refresh, which is no sync sample of MP4.
func vvcUnit(nal []byte) unit {
	if len(nal) < 2 {
		return unitBroken
	}
	switch typ := nal[1] >> 3; {
	case typ > 11:
		return unitOther
	case typ >= 7 && typ <= 9:
		return unitKeySlice
	}
	return unitSlice
}

// recoveryPoint looks through the SEI NAL units in front of the first slice for a
// recovery point (H.264, D.1.8): from there on the picture mends itself.
func recoveryPoint(w nalWalk) bool {
	for nal, ok := w.next(); ok && h264Unit(nal) != unitSlice; nal, ok = w.next() {
		if h264Unit(nal) == unitSEI && hasRecoveryPoint(nal[1:]) {
			return true
		}
	}
	return false
}

// hasRecoveryPoint walks the messages of an SEI NAL unit (H.264, 7.3.2.3). Other
// units may follow it.
func hasRecoveryPoint(sei []byte) bool {
	const recoveryPoint = 6
	r := rbsp{buf: sei[:min(len(sei), maxSEI)]}
	for {
		typ := r.seiNumber()
		size := r.seiNumber()
		if r.end {
			return false
		}
		if typ == recoveryPoint {
			return true
		}
		for i := 0; i < size && !r.end; i++ {
			r.next()
		}
	}
}

// rbsp reads the payload of a NAL unit without emulation prevention bytes.
type rbsp struct {
	buf   []byte
	zeros int
	end   bool // of the bytes or of the unit; next returns 0 from then on
}

func (r *rbsp) next() byte {
	if r.zeros >= 2 && len(r.buf) > 0 {
		if r.buf[0] < 3 {
			r.buf = nil // a start code, or the zeros in front of one
		} else if r.buf[0] == 3 {
			r.buf, r.zeros = r.buf[1:], 0
		}
	}
	if len(r.buf) == 0 {
		r.end = true
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	if b == 0 {
		r.zeros++
	} else {
		r.zeros = 0
	}
	return b
}

// seiNumber reads a payloadType or payloadSize: 255 for each 0xFF, and the next.
func (r *rbsp) seiNumber() int {
	n := 0
	for {
		b := r.next()
		n += int(b)
		if b != 0xFF {
			return n
		}
	}
}
