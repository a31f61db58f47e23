package codec

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// unhex decodes hex digits with spaces among them.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// cut takes n bytes off the end of hex digits.
func cut(s string, n int) string {
	b := unhex(s)
	return hex.EncodeToString(b[:len(b)-n])
}

type videoCase struct {
	name   string
	codec  media.Codec
	config string
	want   Video
	err    string // empty: none
}

// Written by FFmpeg 5.1 with libx264, libx265, libaom, SVT-AV1, rav1e and libvpx
// where nothing else is said.
const (
	avcHigh = `0164001fffe1001a 6764001facd9405005bb011000000300100000 0303c0f18319 60
		010006 68ebe3cb22c0 fdf8f800`
	hvcMain = `0101600000009000000000005df000fcfdf8f800000f 03
		a000010018 40010c01ffff01600000030090000003000003005d959809
		a10001002b 420101016000000300900000030000 03005da00280802d165959a4932bc05a0200000300020000 03003c10
		a200010007 4401c172b46240`
	hvcTemporal = `0101600000009000000000007bf000fcfdf8f8000013 03
		a00001001c 40010c02ffff01600000030090000003000003007b00009598acc048
		a10001%s
		a200010007 4401c172b46240`
	spsTemporal = `420102016000000300900000030000 03007b %s a003c08010e596566 2b349265780b404000003000400000300f020`
)

// temporal returns an hvcC of two temporal layers, with subLayers as the flags
// and levels of the lower one.
func temporal(subLayers string) string {
	sps := strings.Join(strings.Fields(strings.Replace(spsTemporal, "%s", subLayers, 1)), "")
	size := hex.EncodeToString([]byte{0, byte(len(sps) / 2)})
	return strings.Replace(hvcTemporal, "%s", size+sps, 1)
}

// longTerm returns an hvcC with the SPS of a camera, from mediacommon's tests. The
// first bit of flags is num_long_term_ref_pics_sps: 1 is none.
func longTerm(flags string) string {
	return "0101600000009000000000005df000fcfdf8f800000f01 a100010028" +
		"420101016000000300b0000003000003005da00280802d1636b924cb" + flags + "080000030008000003019508"
}

var temporalWant = Video{1920, 1080, 60, "Main", "4.1", 4}

var videoCases = []videoCase{
	{"H.264 baseline", media.H264, `0142c01fffe10019 6742c01fd9005005bb011000000300100000 0303c0f1832480
		010005 68cb83cb20`, Video{1280, 720, 30, "Constrained Baseline", "3.1", 4}, ""},
	{"H.264 high", media.H264, avcHigh, Video{1280, 720, 30, "High", "3.1", 4}, ""},
	{"H.264 high, no tail", media.H264, cut(avcHigh, 4), Video{1280, 720, 30, "High", "3.1", 4}, ""},
	{"H.264 main 29.97, cropped", media.H264, `014d4028ffe10018 674d4028eca03c0113f2e022000007d20001d4c01e30632c
		010005 68ebe3cb20`, Video{1920, 1080, 30000. / 1001, "Main", "4.0", 4}, ""},
	{"H.264 high 10", media.H264, `016e001fffe1001a 676e001fa6cd9405005bb0110000030001000003003c0f183196
		010006 68ebe3cb22c0 fdfafa00`, Video{1280, 720, 30, "High 10", "3.1", 4}, ""},
	{"H.264 interlaced", media.H264, `01640020ffe1001a 67640020acd940500bbf2e02200000030020000007 83e2c5b2c0
		010006 68fba3cb22c0 fdf8f800`, Video{1280, 720, 30, "High", "3.2", 4}, ""},
	{"H.264 without colour, cropped", media.H264, `0164001fffe1001c 6764001ff365014016f8b8bc05b20000030002000003
		00781e30632c 010006 68ebe3cb22c0 fcf8f800`, Video{1270, 710, 30, "High", "3.1", 4}, ""},
	{"H.264 no VUI, two-byte lengths", media.H264, "01428028fde10009 67428028da0280f640 010004 68ce3c80",
		Video{640, 480, 0, "Baseline", "4.0", 2}, ""},

	{"H.265 main", media.H265, hvcMain, Video{1280, 720, 30, "Main", "3.1", 4}, ""},
	{"H.265 long-term pictures in the SPS", media.H265, longTerm("f0"), Video{1280, 720, 50, "Main", "3.1", 4}, ""},
	{"H.265 refused by mediacommon behind the size", media.H265, longTerm("70"), Video{1280, 720, 0, "Main", "3.1", 4}, ""},
	{"H.265 version 0", media.H265, "00" + hvcMain[2:], Video{1280, 720, 30, "Main", "3.1", 4}, ""},
	{"H.265 main 10", media.H265, `0102200000009000000000007bf000fcfdfafa00000f 03
		a000010018 40010c01ffff02200000030090000003000003007b959809
		a10001002c 420101022000000300900000030000 03007ba003c08010e4d96566924caf016808000003000800000301e040
		a200010007 4401c172b46240`, Video{1920, 1080, 60, "Main 10", "4.1", 4}, ""},
	{"H.265 temporal layers", media.H265, temporal("0000"), temporalWant, ""},
	{"H.265 level of a sub-layer", media.H265, temporal("4000 5d"), temporalWant, ""},
	{"H.265 profile of a sub-layer", media.H265, temporal("8000 0160000003 0090000003000003 00"), temporalWant, ""},
	{"H.265 both of a sub-layer", media.H265, temporal("c000 0160000003 0090000003000003 00 5d"), temporalWant, ""},

	{"VVC", media.VVC, "ff 0001 40 01 02 33 80 00 0780 0438 0000 00", Video{1920, 1080, 0, "Main 10", "3.1", 4}, ""},
	{"VVC sub-layers and arrays", media.VVC, `ff 0031 40 03 02 53 c00000 40 50 01 00000001 0f00 0870 3c00 02
		8d 0002 0000
		8f 0001 0004 00790102`, Video{3840, 2160, 60, "Main 10", "5.1", 4}, ""},
	{"VVC without profile", media.VVC, "fe 00", Video{NALULength: 4}, ""},

	{"AV1 libaom", media.AV1, "81050c00 0a0b0000002d4cffb3ccaf9004", Video{1280, 720, 0, "Main", "3.1", 0}, ""},
	{"AV1 SVT-AV1", media.AV1, "81050c00 0a0b0000002d4cffb3c02f8004", Video{1280, 720, 0, "Main", "3.1", 0}, ""},
	{"AV1 rav1e, no level", media.AV1, "811f0c00 0a0e000000faa67fd9e210a88101010a", Video{1280, 720, 0, "Main", "", 0}, ""},
	{"AV1 extension, no size", media.AV1, "81050c00 0c000000002d4cffb3ccaf9004", Video{1280, 720, 0, "Main", "3.1", 0}, ""},
	{"AV1 timing", media.AV1, "81050c00 0a140400000fa40003a9828000016a67fd9e657c8020", Video{1280, 720, 30000. / 1001, "Main", "3.1", 0}, ""},
	{"AV1 display delay, as SVT-AV1 4 writes it", media.AV1, "81000c00 0a0b02000005557ffc02f80040", Video{64, 64, 0, "Main", "2.0", 0}, ""},
	{"AV1 decoder model, two operating points", media.AV1, "81090c00 0a1c 0400000fa40003a982a9000000014a611034a0280cb88094a9eff678",
		Video{1920, 720, 30000. / 1001, "Main", "4.1", 0}, ""},
	{"AV1 still picture", media.AV1, "81000c00 0a05 18 15 7f fc 00", Video{64, 64, 0, "Main", "2.0", 0}, ""},
	{"AV1 metadata in front", media.AV1, "81050c00 2a0101 0a0b0000002d4cffb3ccaf9004", Video{1280, 720, 0, "Main", "3.1", 0}, ""},
	{"AV1 no sequence header", media.AV1, "81050c00", Video{Profile: "Main", Level: "3.1"}, ""},

	{"VP9", media.VP9, "001f820202020000", Video{Profile: "Profile 0", Level: "3.1"}, ""},
	{"VP9 MediaMTX", media.VP9, "01000000 001f820202020000", Video{Profile: "Profile 0", Level: "3.1"}, ""},
	{"VP9 10 bit", media.VP9, "021fa20202020000", Video{Profile: "Profile 2", Level: "3.1"}, ""},
	{"VP8, level unknown", media.VP8, "0000800202020000", Video{Profile: "Profile 0"}, ""},

	{"unknown codec", media.AAC, "1210", Video{}, `codec: unknown codec "aac" for video`},
	{"avcC version", media.H264, "0042", Video{}, "codec: avcC: configurationVersion at 0: is 0x0, want 0x1"},
	{"avcC length size", media.H264, "0142c01ffee1", Video{Profile: "Constrained Baseline", Level: "3.1"},
		"codec: avcC: lengthSizeMinusOne at 4: is 2, want 0, 1 or 3"},
	{"avcC no SPS", media.H264, "0142c01fffe000", Video{Profile: "Constrained Baseline", Level: "3.1", NALULength: 4},
		"codec: avcC: numOfSequenceParameterSets at 5: no SPS"},
	{"avcC SPS cut", media.H264, "0142c01fffe10019 6742c0", Video{Profile: "Constrained Baseline", Level: "3.1", NALULength: 4},
		"codec: avcC: SPS 0 at 8: have 3 bytes, want 25"},
	{"avcC SPS broken", media.H264, "0142c01fffe10004 6742c01f00", Video{Profile: "Constrained Baseline", Level: "3.1", NALULength: 4},
		"codec: avcC: SPS 0 at 8: not enough bits"},
	{"avcC PPS cut", media.H264, cut(avcHigh, 7), Video{1280, 720, 30, "High", "3.1", 4},
		"codec: avcC: PPS 0 at 37: have 3 bytes, want 6"},
	{"avcC picture of 16 by 2^20", media.H264, "0142c01fffe1000a 6742c01fda4000200019 00",
		Video{Profile: "Constrained Baseline", Level: "3.1", NALULength: 4},
		"codec: avcC: SPS 0 at 8: picture of 16x1048576, want 1 to 65535"},
	{"hvcC version", media.H265, "0201", Video{}, "codec: hvcC: configurationVersion at 0: is 2, want 0 or 1"},
	{"hvcC no SPS", media.H265, "0101600000009000000000005df000fcfdf8f81e000f00",
		Video{FPS: 30, Profile: "Main", Level: "3.1", NALULength: 4}, "codec: hvcC: arrays at 23: no SPS"},
	{"hvcC SPS broken", media.H265, "0101600000009000000000005df000fcfdf8f800000f01 a10001000142",
		Video{Profile: "Main", Level: "3.1", NALULength: 4}, "codec: hvcC: SPS 0 at 28: not enough bits"},
	{"vvcC cut", media.VVC, "ff 0001 40 01 02 33 80 00 0780", Video{Profile: "Main 10", Level: "3.1", NALULength: 4},
		"codec: vvcC: max_picture_height at 11: have 0 bits, want 16"},
	{"vvcC without size", media.VVC, "ff 0001 40 01 02 33 80 00 0000 0000 0000 00", Video{Profile: "Main 10", Level: "3.1", NALULength: 4},
		"codec: vvcC: max_picture_width at 9: picture of 0x0, want 1 to 65535"},
	{"vvcC NAL unit cut", media.VVC, "fe 01 8f 0001 0004 0079", Video{NALULength: 4},
		"codec: vvcC: NAL unit of type 15 0 at 7: have 2 bytes, want 4"},
	{"av1C marker", media.AV1, "01050c00", Video{}, "codec: av1C: marker and version at 0: is 0x1, want 0x81"},
	{"av1C OBU cut", media.AV1, "81050c00 0a0b0000", Video{Profile: "Main", Level: "3.1"},
		"codec: av1C: OBU at 4: broken header or size beyond the record"},
	{"av1C decoder model cut", media.AV1, "81050c00 0a09040000000400000009", Video{Profile: "Main", Level: "3.1"},
		"codec: AV1 sequence header: buffer_delay_length_minus_1 at 9: have 0 bits, want 5"},
	{"av1C endless ticks", media.AV1, "81050c00 0a12 0400000004000000 02 000000000000000000", Video{Profile: "Main", Level: "3.1"},
		"codec: AV1 sequence header: num_ticks_per_picture_minus_1 at 18: have 0 bits, want 1"},
	{"av1C sequence header cut", media.AV1, "81050c00 0a020000", Video{Profile: "Main", Level: "3.1"},
		"codec: AV1 sequence header: operating_point_idc at 1: have 4 bits, want 12"},
	{"vpcC depth", media.VP9, "001f020202020000", Video{}, "codec: vpcC: bitDepth at 2: is 0, want 8, 10 or 12"},
	{"vpcC cut", media.VP9, "001f82020202", Video{}, "codec: vpcC: codecInitializationDataSize at 6: have 0 bits, want 16"},
}

func TestParseVideo(t *testing.T) {
	for _, tc := range videoCases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseVideo(tc.codec, unhex(tc.config))
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			checkError(t, err, tc.err)
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error %q\nwant  %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	if _, err := ParseVideo(0, []byte{1}); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("video of no codec: %v", err)
	}
	if _, err := ParseAudio(media.H264, []byte{1}); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("audio of H.264: %v", err)
	}
	_, err := ParseVideo(media.H264, nil)
	checkError(t, err, "codec: h264: the configuration is empty")
	_, err = ParseVideo(media.H264, make([]byte, MaxConfig+1))
	checkError(t, err, "codec: h264: the configuration has 65537 bytes, at most 65536 are read")
}

// Every configuration that is cut short is refused or read, and never read past
// its end: the slices have no spare capacity.
func TestCutConfigs(t *testing.T) {
	for _, tc := range videoCases {
		for n, config := 0, unhex(tc.config); n < len(config); n++ {
			_, _ = ParseVideo(tc.codec, append(make([]byte, 0, n), config[:n]...))
		}
	}
	for _, tc := range audioCases {
		for n, config := 0, unhex(tc.config); n < len(config); n++ {
			_, _ = ParseAudio(tc.codec, append(make([]byte, 0, n), config[:n]...))
		}
	}
	for n, config := 1, unhex(avcHigh); n < len(config)-4; n++ {
		if _, err := ParseVideo(media.H264, config[:n]); err == nil {
			t.Errorf("avcC cut at %d is taken", n)
		}
	}
	for n, config := 1, unhex(hvcMain); n < len(config); n++ {
		if _, err := ParseVideo(media.H265, config[:n]); err == nil {
			t.Errorf("hvcC cut at %d is taken", n)
		}
	}
}

func TestParseFrameSize(t *testing.T) {
	for _, tc := range []struct {
		name  string
		codec media.Codec
		frame string
		w, h  int
	}{
		{"VP8", media.VP8, vp8KeyFrame, 64, 64},
		{"VP8 upscaled", media.VP8, "f00200 9d012a 0045 d042", 1280, 720},
		{"VP8 inter", media.VP8, vp8InterFrame, 0, 0},
		{"VP8 cut", media.VP8, "f00200 9d012a 0005 d0", 0, 0},
		{"VP9", media.VP9, vp9KeyFrame, 64, 64},
		{"VP9 profile 3", media.VP9, vp9KeyFrame3, 64, 64},
		{"VP9 inter", media.VP9, vp9InterFrame, 0, 0},
		{"VP9 cut", media.VP9, "82498342", 0, 0},
		{"AV1", media.AV1, av1KeyUnit, 64, 64},
		{"AV1 delimiter in front", media.AV1, "1200" + av1KeyUnit, 64, 64},
		{"AV1 inter", media.AV1, av1InterUnit, 0, 0},
		{"AV1 sequence header cut", media.AV1, "0a020000", 0, 0},
		{"H.264", media.H264, "65", 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, h, ok := ParseFrameSize(tc.codec, unhex(tc.frame))
			if w != tc.w || h != tc.h || ok != (tc.w > 0) {
				t.Errorf("got %d, %d, %t, want %d, %d", w, h, ok, tc.w, tc.h)
			}
		})
	}
}

func TestVideoNames(t *testing.T) {
	for got, want := range map[string]string{
		h264Profile(66, 0):      "Baseline",
		h264Profile(88, 0):      "Extended",
		h264Profile(122, 0):     "High 4:2:2",
		h264Profile(122, 0x10):  "High 4:2:2 Intra",
		h264Profile(244, 0):     "High 4:4:4 Predictive",
		h264Profile(244, 0x10):  "High 4:4:4 Intra",
		h264Profile(44, 0):      "CAVLC 4:4:4",
		h264Profile(118, 0):     "Multiview High",
		h264Profile(128, 0):     "Stereo High",
		h264Profile(7, 0):       "Profile 7",
		h264Level(66, 0x10, 11): "1b",
		h264Level(100, 0, 9):    "1b",
		h264Level(66, 0, 11):    "1.1",
		h264Level(100, 0, 62):   "6.2",
		h265Profile(3):          "Main Still Picture",
		h265Profile(4):          "Rext",
		h265Profile(9):          "Scc",
		h265Profile(11):         "Profile 11",
		h265Level(186):          "6.2",
		h265Level(90):           "3.0",
		h265ArrayName(39):       "NAL unit of type 39",
		vvcProfile(17):          "Multilayer Main 10",
		vvcProfile(33):          "Main 10 4:4:4",
		vvcProfile(49):          "Multilayer Main 10 4:4:4",
		vvcProfile(65):          "Main 10 Still Picture",
		vvcProfile(97):          "Main 10 4:4:4 Still Picture",
		vvcProfile(2):           "Profile 2",
		vvcLevel(102):           "6.2",
		av1Profile(1):           "High",
		av1Profile(2):           "Professional",
		av1Profile(3):           "Profile 3",
		av1Level(18):            "6.2",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// panicker stands for a library that fails over hostile bytes.
type panicker struct{}

func (panicker) Unmarshal(b []byte) error { _ = b[len(b)]; return nil }

func TestUnmarshalTurnsPanicIntoError(t *testing.T) {
	err := unmarshal(panicker{}, []byte{1})
	checkError(t, err, "mediacommon: runtime error: index out of range [1] with length 1")
}
