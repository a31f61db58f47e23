package codec

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// Frames of 64x64 black pictures, written by FFmpeg 5.1 (VP9 ones cut behind the
// headers).
const (
	h264IDR      = "6588840bfffef6aefccb2b747e952e1d597b4b1b97b877ad283e01fe328081"
	h264Inter    = "419a3b10bffe8cd360"
	h264Recovery = "0606017180" // recovery point SEI of x264's intra refresh
	h265IDR      = "2801af1d80f701b2fffd232fb33c"
	h265Inter    = "0201d0097e10c63bfa84"

	av1Sequence   = "0a0a00000002afff9b5f2008"
	av1Frame      = "32121000900008208220 0000c1b4e5c0c3011ac6"
	av1KeyUnit    = av1Sequence + av1Frame
	av1InterUnit  = "321230038080fdf806c0005965962810 42009530"
	vp9KeyFrame   = "824983420003f003f60038241c184a00003060000067"
	vp9KeyFrame3  = "b124c1a140001f801fb001c120e0c2e0"
	vp9InterFrame = "860040929c0050000003600000547 0"
	vp9Inter3     = "b3002049 4e00280000018060"
	vp8KeyFrame   = "f002009d012a40004000004708858588"
	vp8InterFrame = "3102000510ac00180019d7f40c00012c"
)

// avc joins NAL units behind lengths of n bytes.
func avc(n int, nals ...string) []byte {
	var out []byte
	for _, nal := range nals {
		b := unhex(nal)
		size := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
		out = append(append(out, size[4-n:]...), b...)
	}
	return out
}

// annexB joins NAL units behind start codes.
func annexB(code string, nals ...string) []byte {
	var out []byte
	for _, nal := range nals {
		out = append(append(out, unhex(code)...), unhex(nal)...)
	}
	return out
}

// filler is a NAL unit with n bytes behind the header.
func filler(header string, n int) string {
	return header + string(bytes.Repeat([]byte("ff"), n-1)) + "80"
}

type keyCase struct {
	name      string
	codec     media.Codec
	frame     []byte
	length    int
	unflagged bool // want with frame type "inter"
	flagged   bool // want with frame type "key"
}

var keyCases = []keyCase{
	{"H.264 IDR", media.H264, avc(4, h264IDR), 4, true, true},
	{"H.264 inter", media.H264, avc(4, h264Inter), 4, false, false},
	{"H.264 IDR behind AUD, SPS, PPS, SEI", media.H264, avc(4, "09f0", "6742c01f", "68cb83cb", "0605ff", h264IDR), 4, true, true},
	{"H.264 IDR, length not known", media.H264, avc(4, h264IDR), 0, true, true},
	{"H.264 IDR, 2-byte lengths", media.H264, avc(2, "09f0", h264IDR), 2, true, true},
	{"H.264 inter, 2-byte lengths", media.H264, avc(2, "09f0", h264Inter), 2, false, false},
	{"H.264 IDR, 1-byte lengths", media.H264, avc(1, h264IDR), 1, true, true},
	{"H.264 empty units", media.H264, avc(4, "", "", h264IDR), 4, true, true},
	{"H.264 recovery point", media.H264, avc(4, h264Recovery, h264Inter), 4, false, true},
	{"H.264 recovery point behind another message", media.H264, avc(4, "06 0503000003 00 060171 80", h264Inter), 4, false, true},
	{"H.264 long message in front of a recovery point", media.H264,
		avc(4, "06 05ff01"+string(bytes.Repeat([]byte("aa"), 256))+"060171 80", h264Inter), 4, false, true},
	{"H.264 recovery point in a payload", media.H264, avc(4, "06 0503060171 80", h264Inter), 4, false, false},
	{"H.264 SEI cut", media.H264, avc(4, "06 05ffff", h264Inter), 4, false, false},
	{"H.264 recovery point without a slice", media.H264, avc(4, h264Recovery), 4, false, false},
	{"H.264 parameter sets only", media.H264, avc(4, "6742c01f", "68cb83cb"), 4, false, false},
	{"H.264 empty", media.H264, nil, 4, false, false},
	{"H.264 length beyond the frame", media.H264, unhex("000000ff" + h264IDR), 4, false, true},
	{"H.264 length cut", media.H264, unhex("00000002 09f0 0000"), 4, false, true},
	{"H.264 start codes", media.H264, annexB("00000001", "09f0", "6742c01f", h264IDR), 4, true, true},
	{"H.264 short start codes", media.H264, annexB("000001", "09f0", h264IDR), 4, true, true},
	{"H.264 start codes, inter", media.H264, annexB("00000001", "09f0", h264Inter), 4, false, false},
	{"H.264 start codes, recovery point", media.H264, annexB("00000001", "09f0", h264Recovery, h264Inter), 4, false, true},
	{"H.264 start codes, SEI of 5 only", media.H264, annexB("00000001", "060501aa80", h264Inter), 4, false, false},
	{"H.264 start codes, no slice", media.H264, annexB("00000001", "09f0", "6742c01f"), 4, false, false},
	{"H.264 start codes, empty unit", media.H264, annexB("000001", "", h264IDR), 4, true, true},
	{"H.264 length that looks like a start code", media.H264, avc(4, filler("06", 0x165-1), h264IDR), 4, true, true},
	{"H.264 length that looks like a start code, inter", media.H264, avc(4, filler("41", 0x165-1)), 4, false, false},
	{"H.264 slice beyond the scan", media.H264, annexB("00000001", filler("06", maxScan), h264IDR), 4, false, true},
	{"H.264 too many units", media.H264, append(bytes.Repeat(avc(4, "09f0"), maxUnits), avc(4, h264IDR)...), 4, false, true},
	{"H.264 too many units of one byte", media.H264, append(bytes.Repeat(avc(4, "09"), maxUnits), avc(4, h264IDR)...), 4, false, true},

	{"H.265 IDR", media.H265, avc(4, h265IDR), 4, true, true},
	{"H.265 inter", media.H265, avc(4, h265Inter), 4, false, false},
	{"H.265 IDR behind parameter sets and SEI", media.H265, avc(4, "40010c01", "42010101", "4401c172", "4e0105", h265IDR), 4, true, true},
	{"H.265 CRA", media.H265, avc(4, "2a01af"), 4, true, true},
	{"H.265 BLA", media.H265, avc(4, "2001af"), 4, true, true},
	{"H.265 reserved IRAP", media.H265, avc(4, "2e01af"), 4, true, true},
	{"H.265 RASL", media.H265, avc(4, "1201af"), 4, false, false},
	{"H.265 start codes", media.H265, annexB("00000001", "40010c01", h265IDR), 4, true, true},
	{"H.265 broken", media.H265, unhex("00ffffff 2801"), 4, false, true},

	{"VVC IDR_W_RADL", media.VVC, avc(4, "00a1", "0039aa"), 4, true, true},
	{"VVC IDR_N_LP", media.VVC, avc(4, "0041aa"), 4, true, true},
	{"VVC CRA", media.VVC, avc(4, "0079", "0049aa"), 4, true, true},
	{"VVC GDR", media.VVC, avc(4, "0051aa"), 4, false, false},
	{"VVC trailing", media.VVC, avc(4, "0099", "0001aa"), 4, false, false},
	{"VVC start codes", media.VVC, annexB("00000001", "0079", "0039aa"), 4, true, true},
	{"VVC header cut", media.VVC, avc(1, "00"), 1, false, true},

	{"AV1 key", media.AV1, unhex(av1KeyUnit), 0, true, true},
	{"AV1 key behind a delimiter and metadata", media.AV1, unhex("1200 2a0101" + av1KeyUnit), 0, true, true},
	{"AV1 key without sequence header", media.AV1, unhex(av1Frame), 0, false, true},
	{"AV1 inter", media.AV1, unhex(av1InterUnit), 0, false, false},
	{"AV1 inter with sequence header", media.AV1, unhex(av1Sequence + av1InterUnit), 0, false, false},
	{"AV1 key that is not shown", media.AV1, unhex(av1Sequence + "32010000"), 0, false, false},
	{"AV1 shown again", media.AV1, unhex(av1Sequence + "1a0180"), 0, false, false},
	{"AV1 frame header", media.AV1, unhex(av1Sequence + "1a0110"), 0, true, true},
	{"AV1 extension, no size", media.AV1, unhex(av1Sequence + "340010"), 0, true, true},
	{"AV1 still picture", media.AV1, unhex("0a0118 320100"), 0, true, true},
	{"AV1 sequence header only", media.AV1, unhex(av1Sequence), 0, false, false},
	{"AV1 empty frame", media.AV1, unhex(av1Sequence + "3200"), 0, false, true},
	{"AV1 forbidden bit", media.AV1, unhex("80"), 0, false, true},
	{"AV1 size beyond the unit", media.AV1, unhex("0aff01"), 0, false, true},
	{"AV1 size without end", media.AV1, unhex("0affffffffffffffffff"), 0, false, true},
	{"AV1 extension cut", media.AV1, unhex("0c"), 0, false, true},
	{"AV1 too many OBUs", media.AV1, append(bytes.Repeat(unhex("1200"), maxUnits), unhex(av1KeyUnit)...), 0, false, true},

	{"VP9 key", media.VP9, unhex(vp9KeyFrame), 0, true, true},
	{"VP9 key, profile 3", media.VP9, unhex(vp9KeyFrame3), 0, true, true},
	{"VP9 inter", media.VP9, unhex(vp9InterFrame), 0, false, false},
	{"VP9 inter, profile 3", media.VP9, unhex(vp9Inter3), 0, false, false},
	{"VP9 shown again", media.VP9, unhex("88"), 0, false, false},
	{"VP9 marker", media.VP9, unhex("0000218249834200"), 0, false, true},
	{"VP9 sync code", media.VP9, unhex("8249834300"), 0, false, true},
	{"VP9 cut", media.VP9, unhex("8249"), 0, false, true},
	{"VP9 empty", media.VP9, nil, 0, false, true},

	{"VP8 key", media.VP8, unhex(vp8KeyFrame), 0, true, true},
	{"VP8 inter", media.VP8, unhex(vp8InterFrame), 0, false, false},
	{"VP8 without start code", media.VP8, unhex("f00200000000"), 0, false, true},
	{"VP8 empty", media.VP8, nil, 0, false, true},

	{"unknown codec", media.Codec(7), unhex("00"), 0, false, true},
}

func TestIsKey(t *testing.T) {
	for _, tc := range keyCases {
		t.Run(tc.name, func(t *testing.T) {
			if got := IsKey(tc.codec, tc.frame, tc.length, false); got != tc.unflagged {
				t.Errorf("inter: got %t", got)
			}
			if got := IsKey(tc.codec, tc.frame, tc.length, true); got != tc.flagged {
				t.Errorf("key: got %t", got)
			}
		})
	}
}

func TestCutFrames(t *testing.T) {
	for _, tc := range keyCases {
		for n := range min(len(tc.frame), 1<<10) {
			frame := append(make([]byte, 0, n), tc.frame[:n]...)
			IsKey(tc.codec, frame, tc.length, true)
			ParseFrameSize(tc.codec, frame)
		}
	}
}

func TestIsKeyDoesNotAllocate(t *testing.T) {
	for _, tc := range keyCases {
		n := testing.AllocsPerRun(10, func() { IsKey(tc.codec, tc.frame, tc.length, true) })
		if n != 0 {
			t.Errorf("%s: %v allocations", tc.name, n)
		}
	}
}

func BenchmarkIsKey(b *testing.B) {
	for _, bc := range []struct {
		name  string
		codec media.Codec
		frame []byte
	}{
		{"h264 key", media.H264, avc(4, "09f0", "6742c01f", "68cb83cb", filler("06", 600), filler("65", 100_000))},
		{"h264 inter", media.H264, avc(4, filler("41", 10_000))},
		{"h264 recovery", media.H264, avc(4, h264Recovery, filler("41", 10_000))},
		{"h264 start codes", media.H264, annexB("00000001", "09f0", "6742c01f", filler("65", 100_000))},
		{"h265 key", media.H265, avc(4, "40010c01", "42010101", "4401c172", filler("26", 100_000))},
		{"h265 inter", media.H265, avc(4, filler("02", 10_000))},
		{"vvc inter", media.VVC, avc(4, filler("0001", 10_000))},
		{"av1 key", media.AV1, unhex(av1KeyUnit)},
		{"vp9 key", media.VP9, unhex(vp9KeyFrame)},
		{"vp8 key", media.VP8, unhex(vp8KeyFrame)},
		{"h264 worst", media.H264, annexB("00000001", filler("06", 16<<20))},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				IsKey(bc.codec, bc.frame, 4, true)
			}
		})
	}
}

// The lengths of NAL units add up, or they do not.
func TestUnitsFit(t *testing.T) {
	two := []byte{0, 0, 0, 2, 0x65, 1, 0, 0, 0, 3, 0x65, 2, 3}
	many := bytes.Repeat([]byte{0, 0, 0, 1, 0x65}, 2*maxUnits)
	for name, c := range map[string]struct {
		codec  media.Codec
		frame  []byte
		length int
		want   bool
	}{
		"two units":               {media.H264, two, 4, true},
		"nothing":                 {media.H265, nil, 0, true},
		"cut in a unit":           {media.H265, two[:12], 0, false},
		"cut in a length":         {media.VVC, two[:8], 4, false},
		"a length too long":       {media.H264, []byte{0, 0, 2, 2, 0x65, 1}, 4, false},
		"a length too short":      {media.H264, []byte{0, 0, 0, 2, 0x65, 1, 2}, 4, false},
		"lengths of two bytes":    {media.H264, []byte{0, 2, 0x65, 1}, 2, true},
		"start codes":             {media.H264, []byte{0, 0, 0, 1, 0x65, 1, 2, 0, 0, 1, 0x65}, 4, true},
		"more units than we read": {media.H264, many, 4, true},
		"another codec":           {media.AV1, two[:8], 0, true},
	} {
		if got := UnitsFit(c.codec, c.frame, c.length); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
