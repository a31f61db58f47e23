package codec

import (
	"errors"
	"fmt"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// MaxConfig is the longest decoder configuration that is read, in bytes. Real
// ones are shorter than 1 KiB, or a few KiB with SEI in them.
const MaxConfig = 64 << 10

const (
	// maxSide is what a sample entry of an MP4 file can hold (ISO/IEC 14496-12,
	// 12.1.3); no level of any codec allows more.
	maxSide = 1<<16 - 1
	// maxFPS is the highest frame rate that is taken for one. Encoders that have
	// none write the clock of the container, 1000 or more ticks a second.
	maxFPS = 480
)

// ErrUnknownCodec says that the package cannot read configurations of a codec.
// Packets of such a codec are relayed and recorded all the same.
var ErrUnknownCodec = errors.New("unknown codec")

// Video is what a video configuration tells.
type Video struct {
	// Width and Height are the size of the picture as it is shown, in pixels; 0
	// where the configuration does not carry it (see [ParseFrameSize]).
	Width, Height int
	FPS           float64 // frames per second; 0 if unknown
	Profile       string  // as FFmpeg writes it: "High", "Main 10", "Profile 0"
	Level         string  // "3.1"; empty if unknown
	NALULength    int     // size of a NAL unit's length field: 1, 2 or 4; 0 for codecs without
}

// Audio is what an audio configuration tells.
type Audio struct {
	// SampleRate and Channels are what a decoder puts out: with SBR the doubled
	// rate, with parametric stereo two channels. Channels is 0 if only the
	// frames know.
	SampleRate, Channels int
	Profile              string // "AAC-LC", "HE-AAC"; empty for codecs without
	FrameSamples         int    // samples of a frame at SampleRate; 0 if it varies
	SampleBits           int    // bits of a sample in the stream; 0 if samples are not kept one by one
}

// ParseVideo reads the decoder configuration record of a sequence header: avcC,
// hvcC, vvcC, av1C or vpcC. With an error it returns what was read before it.
func ParseVideo(c media.Codec, config []byte) (Video, error) {
	parse := videoParser(c)
	if parse == nil {
		return Video{}, fmt.Errorf("codec: %w %q for video", ErrUnknownCodec, c)
	}
	if err := checkLength(c, config); err != nil {
		return Video{}, err
	}
	return parse(config)
}

// ParseAudio reads the configuration of a sequence header: AudioSpecificConfig
// (or an ADTS header in its place), OpusHead or nothing, STREAMINFO. Other codecs
// have none, and config is the first frame of MP3, the first frame or a dac3 record
// of AC-3, the first access unit or a dec3 record of E-AC-3, the first byte of an
// FLV body of PCM and G.711. With an error it returns what was read before it.
func ParseAudio(c media.Codec, config []byte) (Audio, error) {
	parse := audioParser(c)
	if parse == nil {
		return Audio{}, fmt.Errorf("codec: %w %q for audio", ErrUnknownCodec, c)
	}
	if c == media.Opus && len(config) == 0 {
		return Audio{SampleRate: opusRate, Channels: 2}, nil
	}
	if err := checkLength(c, config); err != nil {
		return Audio{}, err
	}
	return parse(config)
}

// ParseFrameSize returns the size of the picture that a key frame of VP8, VP9
// or AV1 carries, in pixels.
func ParseFrameSize(c media.Codec, keyframe []byte) (w, h int, ok bool) {
	switch c {
	case media.VP8:
		w, h = vp8Size(keyframe)
	case media.VP9:
		w, h = vp9Size(keyframe)
	case media.AV1:
		w, h = av1Size(keyframe)
	}
	if checkSize(w, h) != nil {
		return 0, 0, false
	}
	return w, h, true
}

func videoParser(c media.Codec) func([]byte) (Video, error) {
	switch c {
	case media.H264:
		return parseAVCC
	case media.H265:
		return parseHVCC
	case media.VVC:
		return parseVVCC
	case media.AV1:
		return parseAV1C
	case media.VP8, media.VP9:
		return parseVPCC
	}
	return nil
}

func audioParser(c media.Codec) func([]byte) (Audio, error) {
	switch c {
	case media.AAC:
		return parseAAC
	case media.Opus:
		return parseOpusHead
	case media.FLAC:
		return parseFLAC
	case media.MP3:
		return parseMP3
	case media.AC3:
		return parseAC3
	case media.EAC3:
		return parseEAC3
	case media.PCM:
		return parsePCM
	case media.ALaw, media.MuLaw:
		return parseG711
	}
	return nil
}

func checkLength(c media.Codec, config []byte) error {
	switch n := len(config); {
	case n == 0:
		return fmt.Errorf("codec: %s: the configuration is empty", c)
	case n > MaxConfig:
		return fmt.Errorf("codec: %s: the configuration has %d bytes, at most %d are read", c, n, MaxConfig)
	}
	return nil
}

func checkSize(w, h int) error {
	if w < 1 || h < 1 || w > maxSide || h > maxSide {
		return fmt.Errorf("picture of %dx%d, want 1 to %d", w, h, maxSide)
	}
	return nil
}

// frameRate returns ticks/per as frames per second, or 0 if that is none.
func frameRate(ticks, per float64) float64 {
	if fps := ticks / per; fps > 0 && fps <= maxFPS {
		return fps
	}
	return 0
}
