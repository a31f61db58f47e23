package codec

import (
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/media"
)

type audioCase struct {
	name   string
	codec  media.Codec
	config string
	want   Audio
	err    string // empty: none
}

// eac3Of71 is an access unit of two heads without any sound: 5.1, and a dependent
// substream with a custom channel map of the pair Lrs/Rrs.
const eac3Of71 = "0b770003 3f87c000" + "0b774004 3487d0200000"

const streamInfo = "1200120000007800 05110bb802f0000012c0ba43705036a3bb057849a9f54f6928a3"

// Written by FFmpeg 5.1 with its own encoders, libopus and LAME; the SBR ones by
// Fraunhofer's encoder.
var audioCases = []audioCase{
	{"LC 44.1 kHz", media.AAC, "1210", Audio{44100, 2, "AAC-LC", 1024, 0}, ""},
	{"LC 48 kHz", media.AAC, "1190", Audio{48000, 2, "AAC-LC", 1024, 0}, ""},
	{"LC, SBR signalled absent", media.AAC, "119056e500", Audio{48000, 2, "AAC-LC", 1024, 0}, ""},
	{"LC 5.1", media.AAC, "11b056e500", Audio{48000, 6, "AAC-LC", 1024, 0}, ""},
	{"LC 7.1", media.AAC, "1238", Audio{44100, 8, "AAC-LC", 1024, 0}, ""},
	{"LC 960", media.AAC, "1194", Audio{48000, 2, "AAC-LC", 960, 0}, ""},
	{"LC, rate of 24 bits", media.AAC, "1780678410", Audio{53000, 2, "AAC-LC", 1024, 0}, ""},
	{"LC, core coder delay", media.AAC, "10120c08", Audio{96000, 2, "AAC-LC", 1024, 0}, ""},
	{"LC, junk behind", media.AAC, "11900810ffff", Audio{48000, 2, "AAC-LC", 1024, 0}, ""},
	{"LC quad, layout in a PCE", media.AAC, "118004c4040021100d4c61766335392e33372e31303056e500", Audio{48000, 4, "AAC-LC", 1024, 0}, ""},
	{"LC 2.1, layout in a PCE", media.AAC, "118004c4010020000d4c61766335392e33372e31303056e500", Audio{48000, 3, "AAC-LC", 1024, 0}, ""},
	{"LC 7.1 wide, layout in a PCE", media.AAC, "118004c848002000c6400d4c61766335392e33372e31303056e500", Audio{48000, 8, "AAC-LC", 1024, 0}, ""},
	{"LC, PCE with mixdowns", media.AAC, "1180 04c4000108c400 00", Audio{48000, 2, "AAC-LC", 1024, 0}, ""},
	{"LC, layout in the frames", media.AAC, "1180", Audio{48000, 0, "AAC-LC", 1024, 0}, ""},
	{"LC, PCE cut", media.AAC, "1180 04c404", Audio{48000, 0, "AAC-LC", 1024, 0},
		"codec: AudioSpecificConfig: num_assoc_data_elements at 5: have 0 bits, want 3"},
	{"Main", media.AAC, "099056e500", Audio{48000, 2, "AAC-Main", 1024, 0}, ""},
	{"HE-AAC, explicit", media.AAC, "2b920800", Audio{44100, 2, "HE-AAC", 2048, 0}, ""},
	{"HE-AAC, backward compatible", media.AAC, "139056e5a0", Audio{44100, 2, "HE-AAC", 2048, 0}, ""},
	{"HE-AAC, downsampled", media.AAC, "2a120800", Audio{44100, 2, "HE-AAC", 1024, 0}, ""},
	{"HE-AAC, odd ratio", media.AAC, "2a918800", Audio{48000, 2, "HE-AAC", 0, 0}, ""},
	{"HE-AAC v2, explicit", media.AAC, "eb098800", Audio{48000, 2, "HE-AACv2", 2048, 0}, ""},
	{"HE-AAC v2, backward compatible", media.AAC, "138856e5a54880", Audio{44100, 2, "HE-AACv2", 2048, 0}, ""},
	{"ER-LC, error protection", media.AAC, "8990 80 00", Audio{48000, 2, "AAC-LC", 1024, 0}, ""},
	{"LD", media.AAC, "b990 00", Audio{48000, 2, "AAC-LD", 512, 0}, ""},
	{"LD 480, resilience", media.AAC, "b995 00", Audio{48000, 2, "AAC-LD", 480, 0}, ""},
	{"ELD, escape", media.AAC, "f8e6 2000", Audio{48000, 1, "AAC-ELD", 512, 0}, ""},
	{"ELD 480", media.AAC, "f8e6 3000", Audio{48000, 1, "AAC-ELD", 480, 0}, ""},
	{"USAC", media.AAC, "f946 4000", Audio{48000, 2, "xHE-AAC", 0, 0}, ""},
	{"ADTS", media.AAC, "fff150800d7ffc", Audio{44100, 2, "AAC-LC", 1024, 0}, ""},
	{"ADTS with CRC", media.AAC, "fff04c80", Audio{48000, 2, "AAC-LC", 1024, 0}, ""},
	{"one byte", media.AAC, "12", Audio{Profile: "AAC-LC"},
		"codec: AudioSpecificConfig: samplingFrequencyIndex at 0: have 3 bits, want 4"},
	{"rate index", media.AAC, "1690", Audio{Profile: "AAC-LC"},
		"codec: AudioSpecificConfig: samplingFrequencyIndex at 1: is 13, want 0 to 12"},
	{"rate 0", media.AAC, "1780000010", Audio{Profile: "AAC-LC"},
		"codec: AudioSpecificConfig: samplingFrequencyIndex at 0: is 0 Hz"},
	{"reserved channels", media.AAC, "11c8", Audio{48000, 0, "AAC-LC", 0, 0},
		"codec: AudioSpecificConfig: channelConfiguration at 1: is 9, which is reserved"},
	{"ADTS cut", media.AAC, "fff150", Audio{SampleRate: 44100},
		"codec: ADTS: channelConfiguration at 2: have 1 bits, want 3"},

	{"Opus stereo", media.Opus, "4f707573486561640102380180bb0000000000", Audio{48000, 2, "", 0, 0}, ""},
	{"Opus 5.1", media.Opus, "4f707573486561640106380180bb0000000001 0402000401020305", Audio{48000, 6, "", 0, 0}, ""},
	{"Opus without header", media.Opus, "", Audio{48000, 2, "", 0, 0}, ""},
	{"Opus magic", media.Opus, "4f70757354616773", Audio{SampleRate: 48000}, `codec: OpusHead: magic at 0: is "OpusTags"`},
	{"Opus version", media.Opus, "4f7075734865616410", Audio{SampleRate: 48000},
		"codec: OpusHead: version at 8: is 16, want at most 15"},
	{"Opus without channels", media.Opus, "4f707573486561640100380180bb0000000000", Audio{SampleRate: 48000},
		"codec: OpusHead: channel count at 9: is 0"},
	{"Opus family", media.Opus, "4f707573486561640106380180bb0000000000", Audio{SampleRate: 48000},
		"codec: OpusHead: mapping family at 18: is 0 for 6 channels, want at most 2"},
	{"Opus mapping cut", media.Opus, "4f707573486561640106380180bb0000000001 0402", Audio{SampleRate: 48000},
		"codec: OpusHead: channel mapping table at 19: have 2 bytes, want 8"},

	{"FLAC 34 bytes", media.FLAC, streamInfo, Audio{48000, 2, "", 4608, 16}, ""},
	{"FLAC 38 bytes", media.FLAC, "80000022" + streamInfo, Audio{48000, 2, "", 4608, 16}, ""},
	{"FLAC 42 bytes", media.FLAC, "664c6143 80000022" + streamInfo, Audio{48000, 2, "", 4608, 16}, ""},
	{"FLAC more blocks", media.FLAC, "664c6143 00000022" + streamInfo + "81000001 00", Audio{48000, 2, "", 4608, 16}, ""},
	{"FLAC variable blocks", media.FLAC, "0010" + streamInfo[4:], Audio{48000, 2, "", 0, 16}, ""},
	{"FLAC cut", media.FLAC, "664c6143 80000022 1200", Audio{}, "codec: STREAMINFO: block at 8: have 2 bytes, want 34"},
	{"FLAC blocks", media.FLAC, "1201" + streamInfo[4:], Audio{}, "codec: STREAMINFO: block size at 0: is 4609 to 4608"},
	{"FLAC rate", media.FLAC, streamInfo[:21] + "00000" + streamInfo[26:], Audio{}, "codec: STREAMINFO: sample rate at 10: is 0"},

	{"MP3 48 kHz", media.MP3, "fffb9464", Audio{48000, 2, "", 1152, 0}, ""},
	{"MP3 MPEG-2 mono", media.MP3, "fff340c4", Audio{22050, 1, "", 576, 0}, ""},
	{"MP3 MPEG-2.5 mono", media.MP3, "ffe318c4", Audio{8000, 1, "", 576, 0}, ""},
	{"MPEG layer II", media.MP3, "fffd9404", Audio{48000, 2, "", 1152, 0}, ""},
	{"MPEG layer I", media.MP3, "ffff9404", Audio{48000, 2, "", 384, 0}, ""},
	{"MP3 sync", media.MP3, "00fb9464", Audio{}, "codec: MPEG audio frame: syncword at 0: is 0x7, want 0x7ff"},
	{"MP3 version", media.MP3, "ffeb9464", Audio{}, "codec: MPEG audio frame: version at 1: is reserved"},
	{"MP3 layer", media.MP3, "fff99464", Audio{}, "codec: MPEG audio frame: layer at 1: is reserved"},
	{"MP3 rate", media.MP3, "fffb9c64", Audio{}, "codec: MPEG audio frame: sampling_frequency at 2: is reserved"},

	{"AC-3 stereo", media.AC3, "0b77fe95144043e1", Audio{48000, 2, "", 1536, 0}, ""},
	{"AC-3 5.1", media.AC3, "0b77b50b1e40ebf8", Audio{48000, 6, "", 1536, 0}, ""},
	{"AC-3 sync", media.AC3, "0b78b50b1e40ebf8", Audio{}, "codec: AC-3 frame: syncinfo at 0: invalid sync word"},
	{"AC-3 bsid", media.AC3, "0b77b50b1e90ebf8", Audio{}, "codec: AC-3 frame: bsi at 5: unsupported bsid: 18"},
	{"AC-3 cut", media.AC3, "0b77b50b1e40eb", Audio{}, "codec: AC-3 frame: header at 0: have 7 bytes, want 8"},
	{"E-AC-3 stereo", media.EAC3, "0b77017f3487c000", Audio{48000, 2, "", 1536, 0}, ""},
	{"E-AC-3 5.1", media.EAC3, "0b77037f3f87c000", Audio{48000, 6, "", 1536, 0}, ""},
	{"E-AC-3 one block, 24 kHz", media.EAC3, "0b7701ffc4800000", Audio{24000, 2, "", 1536, 0}, ""},
	{"E-AC-3, AC-3 inside", media.EAC3, "0b77b50b1e40ebf8", Audio{48000, 6, "", 1536, 0}, ""},
	{"E-AC-3 7.1", media.EAC3, eac3Of71, Audio{48000, 8, "", 1536, 0}, ""},
	{"E-AC-3, one block", media.EAC3, "0b77017f0487c000", Audio{48000, 2, "", 256, 0}, ""},
	{"E-AC-3 sync", media.EAC3, "0b78017f3487c000" + strings.Repeat("00", maxDEC3), Audio{},
		"codec: E-AC-3 frame: syncword at 0: is 0xb78, want 0xb77"},
	{"E-AC-3 cut", media.EAC3, "0b77", Audio{}, "codec: E-AC-3 frame: strmtyp at 2: have 0 bits, want 2"},
	{"E-AC-3 reserved type", media.EAC3, "0b77c17f3487c000", Audio{}, "codec: E-AC-3 frame: strmtyp at 2: is reserved"},
	{"E-AC-3 size", media.EAC3, "0b7700013487c000", Audio{}, "codec: E-AC-3 frame: frmsiz at 2: is a frame of 4 bytes, shorter than its head"},
	{"E-AC-3 reserved rate", media.EAC3, "0b77017ff487c000", Audio{}, "codec: E-AC-3 frame: fscod2 at 4: is reserved"},
	{"E-AC-3 bsid", media.EAC3, "0b77017f348fc000", Audio{}, "codec: E-AC-3 frame: bsid at 5: is 17, want 11 to 16"},
	{"E-AC-3, all by itself a dependent substream", media.EAC3, "0b77417f3487c000", Audio{},
		"codec: E-AC-3 frame: strmtyp at 2: is 1: the substream depends on another, which is not there"},

	{"dac3 5.1", media.AC3, "103de0", Audio{48000, 6, "", 1536, 0}, ""},
	{"dac3 mono, 32 kHz", media.AC3, "900880", Audio{32000, 1, "", 1536, 0}, ""},
	{"dac3 rate", media.AC3, "d03de0", Audio{}, "codec: dac3: fscod at 0: is reserved"},
	{"dec3 5.1", media.EAC3, "0c00 200f00", Audio{48000, 6, "", 1536, 0}, ""},
	{"dec3 5.1, one rate like a sync word", media.EAC3, "0b78 200f00", Audio{48000, 6, "", 1536, 0}, ""},
	{"dec3 7.1", media.EAC3, "2000 200f02 02", Audio{48000, 8, "", 1536, 0}, ""},
	{"dec3 7.1 and LFE2", media.EAC3, "2000 200f03 02", Audio{48000, 9, "", 1536, 0}, ""},
	{"dec3 5.1 with objects", media.EAC3, "1800 200f00 0110", Audio{48000, 6, "", 1536, 0}, ""},
	{"dec3 of half a rate", media.EAC3, "0c00 e00f00", Audio{}, "codec: dec3: fscod at 2: is a reduced rate, which the record does not tell"},
	{"dec3 cut", media.EAC3, "0c00 200f", Audio{}, "codec: dec3: reserved at 4: have 0 bits, want 3"},

	{"A-law", media.ALaw, "72", Audio{8000, 1, "", 0, 8}, ""},
	{"mu-law, stereo", media.MuLaw, "83", Audio{8000, 2, "", 0, 8}, ""},
	{"A-law 44.1 kHz", media.ALaw, "7e", Audio{44100, 1, "", 0, 8}, ""},
	{"PCM 44.1 kHz stereo", media.PCM, "3f", Audio{44100, 2, "", 0, 16}, ""},
	{"PCM 22 kHz", media.PCM, "0a", Audio{22050, 1, "", 0, 16}, ""},
	{"PCM 11 kHz, 8 bits", media.PCM, "04", Audio{11025, 1, "", 0, 8}, ""},
	{"PCM 5.5 kHz", media.PCM, "32", Audio{5512, 1, "", 0, 16}, ""},
	{"PCM, empty", media.PCM, "", Audio{}, "codec: pcm: the configuration is empty"},
	{"empty", media.MP3, "", Audio{}, "codec: mp3: the configuration is empty"},
}

func TestParseAudio(t *testing.T) {
	for _, tc := range audioCases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseAudio(tc.codec, unhex(tc.config))
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			checkError(t, err, tc.err)
		})
	}
}

func TestAACProfileNames(t *testing.T) {
	for aot, want := range map[int]string{
		aotSSR: "AAC-SSR", aotLTP: "AAC-LTP", aotERLTP: "AAC-LTP", 36: "Object type 36",
	} {
		if got := aacProfile(aot); got != want {
			t.Errorf("%d: got %q, want %q", aot, got, want)
		}
	}
}
