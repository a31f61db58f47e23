package codec

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// recordCases pair the first access unit of a stream with the record that an MP4 file
// has of it. Frames are cut behind their heads.
var recordCases = []struct {
	name   string
	codec  media.Codec
	frame  string
	record string // as FFmpeg 9 writes it, where it knows the case
	err    string
}{
	{"AC-3 5.1, 448 kbit/s", media.AC3, "0b77b0f51e40ebf8", "103de0", ""},
	{"AC-3 mono, 32 kHz, 96 kbit/s", media.AC3, "0b7793f98c402f84", "9008c0", ""},
	{"AC-3 stereo, 192 kbit/s", media.AC3, "0b77fe95144043e1", "101140", ""},
	{"AC-3, no sync", media.AC3, "0b78fe95144043e1", "", "codec: AC-3 frame: syncinfo at 0: invalid sync word"},
	{"E-AC-3 5.1, 384 kbit/s", media.EAC3, "0b7702ff3f87c000209800000200", "0c00 200f00", ""},
	{"E-AC-3 5.1, frames of one block", media.EAC3, "0b7706810f87c000", "9c30 200f00", ""},
	{"E-AC-3 24 kHz", media.EAC3, "0b7701ffc4800000", "0400 e00400", ""},
	{"E-AC-3 7.1", media.EAC3, eac3Of71, "0020 200f02 02", ""},
	{"E-AC-3 two programs", media.EAC3, "0b770003 3f87c000" + "0b770803 3f87c000", "0021 200f00 200f00", ""},
	{"E-AC-3 two access units", media.EAC3, "0b770003 3f87c000" + "0b770003 3f87c000", "0010 200f00", ""},
	{"E-AC-3 AC-3 inside", media.EAC3, "0b77b50b1e40ebf8", "0e00 100f00", ""},
	{"E-AC-3 commentary", media.EAC3, "0b7700043487cd400000", "0010 205400", ""},
	{"E-AC-3 objects", media.EAC3, "0b7700053f87c4101100", "0018 200f00 0110", ""},
	{"E-AC-3 objects behind the metadata of two monophonic programs", media.EAC3,
		"0b7700134186f55baaf5d5ab561aaaaaad554d7dd53820220000", "01b8 607100 0110", ""},
	{"E-AC-3 objects behind the metadata of 5.1 in two blocks", media.EAC3, "0b7700131f86d492455798d4221808600000", "00f0 202f00 010c", ""},
	{"E-AC-3 objects, converted from AC-3", media.EAC3, "0b7780132486d10952080818", "00a0 200400 0103", ""},
	{"E-AC-3 converted from AC-3", media.EAC3, "0b778003 3487c600", "0010 200400", ""},
	{"E-AC-3, no sync", media.EAC3, "0b79", "", "codec: E-AC-3 frame: syncword at 0: is 0xb79, want 0xb77"},
	{"E-AC-3, empty", media.EAC3, "", "", "codec: E-AC-3 frame: syncword at 0: have 0 bits, want 16"},
}

func TestRecords(t *testing.T) {
	for _, tc := range recordCases {
		t.Run(tc.name, func(t *testing.T) {
			make := AC3Record
			if tc.codec == media.EAC3 {
				make = EAC3Record
			}
			got, err := make(unhex(tc.frame))
			checkError(t, err, tc.err)
			if !bytes.Equal(got, unhex(tc.record)) {
				t.Errorf("got %x, want %s", got, tc.record)
			}
		})
	}
}

// The bits of a custom channel map that 5.1 does not have (ETSI TS 102 366, tables
// E.1.4 and F.6.1).
func TestChannelLocations(t *testing.T) {
	for _, tc := range []struct {
		name          string
		chanMap       int
		loc, channels int
	}{
		{"5.1", 1<<15 | 1<<14 | 1<<13 | 1<<12 | 1<<11 | 1, 0, 0},
		{"Lc/Rc", 1 << 10, 1 << 0, 2},
		{"Lrs/Rrs", 1 << 9, 1 << 1, 2},
		{"Cs", 1 << 8, 1 << 2, 1},
		{"Ts", 1 << 7, 1 << 3, 1},
		{"Lsd/Rsd", 1 << 6, 1 << 4, 2},
		{"Lw/Rw", 1 << 5, 1 << 5, 2},
		{"Lvh/Rvh", 1 << 4, 1 << 6, 2},
		{"Cvh", 1 << 3, 1 << 7, 1},
		{"Lts/Rts, which dec3 does not have", 1 << 2, 0, 0},
		{"LFE2", 1 << 1, 1 << 8, 1},
	} {
		if loc := chanLoc(tc.chanMap); loc != tc.loc || locatedChannels(loc) != tc.channels {
			t.Errorf("%s: %#x with %d channels, want %#x with %d", tc.name, loc, locatedChannels(loc), tc.loc, tc.channels)
		}
	}
}

var frameCases = []struct {
	name  string
	codec media.Codec
	data  string
	want  SyncFrame
	err   string
}{
	{"MP3 128 kbit/s, 44.1 kHz", media.MP3, "fffb9064", SyncFrame{417, 1152, false}, ""},
	{"MP3, padded", media.MP3, "fffb9264", SyncFrame{418, 1152, false}, ""},
	{"MP3 320 kbit/s, 48 kHz", media.MP3, "fffbe464", SyncFrame{960, 1152, false}, ""},
	{"MP3 MPEG-2, 32 kbit/s", media.MP3, "fff340c4", SyncFrame{104, 576, false}, ""},
	{"MP3 MPEG-2.5, 8 kbit/s", media.MP3, "ffe318c4", SyncFrame{72, 576, false}, ""},
	{"layer II 192 kbit/s, 48 kHz", media.MP3, "fffda404", SyncFrame{576, 1152, false}, ""},
	{"layer I", media.MP3, "ffff9404", SyncFrame{0, 384, false}, "codec: MPEG audio frame: bitrate_index at 2: does not tell the length"},
	{"MP3, free format", media.MP3, "fffb0464", SyncFrame{0, 1152, false}, "codec: MPEG audio frame: bitrate_index at 2: does not tell the length"},
	{"MP3, bad rate", media.MP3, "fffbf464", SyncFrame{0, 1152, false}, "codec: MPEG audio frame: bitrate_index at 2: does not tell the length"},
	{"MP3 cut", media.MP3, "fffb", SyncFrame{}, "codec: MPEG audio frame: bitrate_index at 2: have 0 bits, want 4"},
	{"AC-3 448 kbit/s", media.AC3, "0b77b0f51e40ebf8", SyncFrame{1792, 1536, false}, ""},
	{"AC-3 44.1 kHz, odd", media.AC3, "0b77b0f55540ebf8", SyncFrame{836, 1536, false}, ""},
	{"E-AC-3", media.EAC3, "0b7702ff3f87c000", SyncFrame{1536, 1536, false}, ""},
	{"E-AC-3, three blocks", media.EAC3, "0b7707cf2f87c000", SyncFrame{4000, 768, false}, ""},
	{"E-AC-3, dependent", media.EAC3, "0b7742ff3f87c000", SyncFrame{1536, 1536, true}, ""},
	{"E-AC-3, second program", media.EAC3, "0b770aff3f87c000", SyncFrame{1536, 1536, true}, ""},
	{"AAC", media.AAC, "2110", SyncFrame{}, "unknown codec"},
}

func TestParseSyncFrame(t *testing.T) {
	for _, tc := range frameCases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseSyncFrame(tc.codec, unhex(tc.data))
			checkError(t, err, tc.err)
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

var sampleCases = []struct {
	name  string
	codec media.Codec
	audio Audio
	data  string
	want  int
}{
	{"AAC", media.AAC, Audio{FrameSamples: 1024}, "2110", 1024},
	{"MP3", media.MP3, Audio{}, "fffb9064", 1152},
	{"E-AC-3, one block", media.EAC3, Audio{FrameSamples: 1536}, "0b7706810f87c000", 256},
	{"AC-3, broken", media.AC3, Audio{FrameSamples: 1536}, "0000", 0},
	{"Opus 20 ms", media.Opus, Audio{}, "fc7e", 960},
	{"Opus 2.5 ms", media.Opus, Audio{}, "e0", 120},
	{"Opus, two of 60 ms", media.Opus, Audio{}, "19", 5760},
	{"Opus, too long", media.Opus, Audio{}, "1b03", 0},
	{"Opus, no count", media.Opus, Audio{}, "03", 0},
	{"FLAC 1024", media.FLAC, Audio{}, "fff8aa0800ed", 1024},
	{"FLAC 192", media.FLAC, Audio{}, "fff81a0800ed", 192},
	{"FLAC 4608", media.FLAC, Audio{}, "fff85a08 c280", 4608},
	{"FLAC, 8 bits", media.FLAC, Audio{}, "fff86908 c280 7f", 128},
	{"FLAC, 16 bits behind 7 bytes", media.FLAC, Audio{}, "fff97908 fe808080808080 01ff", 512},
	{"FLAC, 16 bits cut", media.FLAC, Audio{}, "fff97908 fe8080808080", 0},
	{"FLAC, reserved", media.FLAC, Audio{}, "fff80a0800ed", 0},
	{"FLAC, no sync", media.FLAC, Audio{}, "fff0aa0800ed", 0},
	{"FLAC, a number that is none", media.FLAC, Audio{}, "fff86908 ff", 0},
	{"A-law", media.ALaw, Audio{Channels: 1, SampleBits: 8}, "d5d5d5", 3},
	{"PCM stereo, half a sample", media.PCM, Audio{Channels: 2, SampleBits: 16}, "0000 0000 0000", 1},
	{"PCM of nothing", media.PCM, Audio{}, "00", 1},
}

func TestSamples(t *testing.T) {
	for _, tc := range sampleCases {
		if got := tc.audio.Samples(tc.codec, unhex(tc.data)); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

// What stands for a configuration in a frame.
func TestFrameConfig(t *testing.T) {
	for _, tc := range []struct {
		name  string
		codec media.Codec
		frame string
		key   bool
		want  string
	}{
		{"AC-3", media.AC3, "0b77b0f51e40ebf8", false, "0b77b0f51e40ebf8"},
		{"AC-3, broken", media.AC3, "0b78b0f51e40ebf8", false, ""},
		{"AC-3, empty", media.AC3, "", false, ""},
		{"AAC", media.AAC, "2110", false, ""},
		{"VP8", media.VP8, "10 02 00 9d012a 4000 4000", true, "00 00 82 02 02 02 0000"},
		{"VP8 version 3", media.VP8, "16 02 00 9d012a 4000 4000", true, "03 00 82 02 02 02 0000"},
		{"VP8 inter", media.VP8, "11 02 00", true, ""},
		{"VP9 64x64", media.VP9, "824983420003f003f0", true, "00 0a 82 02 02 02 0000"},
		{"VP9 BT.709, full range, 1080p", media.VP9, "8249834250 77f0 437 0", true, "00 28 83 02 02 01 0000"},
		{"VP9 profile 1, 4:4:4", media.VP9, "a249834200007e007e00", true, "01 0a 86 02 02 02 0000"},
		{"VP9 profile 1, 4:2:2", media.VP9, "a249834208007e007e00", true, "01 0a 84 02 02 02 0000"},
		{"VP9 profile 2, 12 bits", media.VP9, "924983428001f801f8", true, "02 0a c2 02 02 02 0000"},
		{"VP9 RGB", media.VP9, "a2498342e003f003f000", true, "01 0a 87 02 02 00 0000"},
		{"VP9 inter", media.VP9, "8601", true, ""},
		{"VP9 that is not flagged", media.VP9, "824983420003f003f0", false, ""},
	} {
		if got := FrameConfig(tc.codec, unhex(tc.frame), tc.key); !bytes.Equal(got, unhex(tc.want)) {
			t.Errorf("%s: %x, want %s", tc.name, got, tc.want)
		}
		if _, err := ParseVideo(tc.codec, unhex(tc.want)); tc.key && tc.want != "" && err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	for pixels, want := range map[int]int{1: 10, 352 * 288: 20, 1280 * 720: 31, 1920 * 1080: 40, 3840 * 2160: 50, 7680 * 4320: 60} {
		if got := vp9Level(pixels); got != want {
			t.Errorf("%d pixels are level %d, want %d", pixels, got, want)
		}
	}
}

// Files keep less than a frame of some codecs; what is made of it reads the same.
func TestMadeConfigs(t *testing.T) {
	for _, tc := range []struct {
		codec media.Codec
		want  Audio
		none  bool
	}{
		{media.MP3, Audio{44100, 2, "", 1152, 0}, false},
		{media.MP3, Audio{22050, 1, "", 576, 0}, false},
		{media.MP3, Audio{8000, 1, "", 576, 0}, false},
		{media.MP3, Audio{8001, 1, "", 576, 0}, true},
		{media.MP3, Audio{44100, 6, "", 1152, 0}, true},
		{media.ALaw, Audio{8000, 1, "", 0, 8}, false},
		{media.MuLaw, Audio{44100, 2, "", 0, 8}, false},
		{media.MuLaw, Audio{48000, 2, "", 0, 8}, true},
		{media.PCM, Audio{44100, 2, "", 0, 16}, false},
		{media.PCM, Audio{5512, 1, "", 0, 8}, false},
		{media.PCM, Audio{44100, 2, "", 0, 24}, true},
	} {
		config := MP3Header(tc.want.SampleRate, tc.want.Channels)
		if tc.codec != media.MP3 {
			config = PCMConfig(tc.codec, tc.want.SampleRate, tc.want.Channels, tc.want.SampleBits)
		}
		if tc.none {
			if config != nil {
				t.Errorf("%s %+v: %x", tc.codec, tc.want, config)
			}
			continue
		}
		if got, err := ParseAudio(tc.codec, config); err != nil || got != tc.want {
			t.Errorf("%s: %x is %+v, want %+v, %v", tc.codec, config, got, tc.want, err)
		}
	}
}

var av1Samples = []struct{ name, unit, want string }{
	{"nothing to take", av1KeyUnit, av1KeyUnit},
	{"delimiter in front", "1200" + av1KeyUnit, av1KeyUnit},
	{"delimiter with an extension", "1600 00" + av1KeyUnit, av1KeyUnit},
	{"padding behind", av1KeyUnit + "7a03 000000", av1KeyUnit},
	{"padding and tile list in between", "1200 2a0101 7a0100" + "320110 4200 1a0110 7a00", "2a0101 320110 1a0110"},
	{"last without a size", "1200 3010ff", "3010ff"},
	{"only a delimiter", "1200", ""},
	{"broken", "1200 80", "1200 80"},
	{"empty", "", ""},
}

func TestAV1Sample(t *testing.T) {
	for _, tc := range av1Samples {
		unit := unhex(tc.unit)
		if got := AV1Sample(unit); !bytes.Equal(got, unhex(tc.want)) {
			t.Errorf("%s: %x, want %s", tc.name, got, tc.want)
		}
		if hex.EncodeToString(unit) != hex.EncodeToString(unhex(tc.unit)) {
			t.Errorf("%s: the unit was changed", tc.name)
		}
	}
	unit := unhex("1200" + av1KeyUnit)
	if n := testing.AllocsPerRun(10, func() { AV1Sample(unit) }); n > 0 {
		t.Errorf("%v allocations where nothing has to be copied", n)
	}
}

// H.265 under the number of H.264 is told by its bytes, and H.264 is never taken for it.
func TestIsH265(t *testing.T) {
	for _, tc := range []struct {
		name  string
		frame string
		want  bool
	}{
		{"IDR", "00000004 2601af06", true},
		{"IDR_N_LP behind sets", "00000002 4001 00000002 4201 00000002 4401 00000004 2801af06", true},
		{"trailing picture", "00000004 0201d00d", true},
		{"highest layer in time", "00000004 0007d00d", true},
		{"delimiter, SEI, picture", "00000003 460150 00000003 4e0105 00000003 2a01ac", true},
		{"only sets", "00000002 4001 00000002 4201", true},
		{"start codes", "00000001 2601af06", true},
		{"H.264 IDR", "00000003 658884", false},
		{"H.264 behind sets", "00000003 674200 00000003 68eb83 00000003 658884", false},
		{"H.264 PPS of low importance", "00000003 28ee3c 00000003 258884", false},
		{"H.264 delimiter", "00000002 0910 00000003 419a21", false},
		{"H.264 SEI that looks like a picture", "00000003 060504 00000003 419a21", false},
		{"only such an SEI", "00000003 060504", false},
		{"H.264 end of sequence", "00000001 0a", false},
		{"enhancement layer", "00000003 031901", false},
		{"reserved types", "00000003 300101", false},
		{"broken", "ffffffff", false},
		{"empty", "", false},
	} {
		if got := IsH265(unhex(tc.frame)); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	for _, tc := range videoCases {
		if want := tc.codec == media.H265; tc.err == "" && IsHVCC(unhex(tc.config)) != want && (want || tc.codec == media.H264) {
			t.Errorf("%s: hvcC %v", tc.name, !want)
		}
	}
	frame := unhex("00000003 674200 00000003 658884")
	if n := testing.AllocsPerRun(10, func() { IsH265(frame) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
