package codec

import (
	"math"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/media"
)

var (
	fuzzVideo = []media.Codec{media.H264, media.H265, media.VVC, media.AV1, media.VP9, media.VP8}
	fuzzAudio = []media.Codec{media.AAC, media.Opus, media.FLAC, media.MP3, media.AC3, media.EAC3}
)

func index(codecs []media.Codec, c media.Codec) (i uint8, ok bool) {
	for i, have := range codecs {
		if have == c {
			return uint8(i), true
		}
	}
	return 0, false
}

func FuzzParseVideo(f *testing.F) {
	for _, tc := range videoCases {
		if i, ok := index(fuzzVideo, tc.codec); ok {
			f.Add(i, unhex(tc.config))
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, config []byte) {
		c := fuzzVideo[int(i)%len(fuzzVideo)]
		v, err := ParseVideo(c, config)
		if v.Width < 0 || v.Width > maxSide || v.Height < 0 || v.Height > maxSide || (v.Width == 0) != (v.Height == 0) {
			t.Errorf("size %dx%d", v.Width, v.Height)
		}
		if v.FPS < 0 || v.FPS > maxFPS || math.IsNaN(v.FPS) {
			t.Errorf("%v frames per second", v.FPS)
		}
		if n := v.NALULength; n != 0 && n != 1 && n != 2 && n != 4 {
			t.Errorf("lengths of %d bytes", n)
		}
		if nal := c == media.H264 || c == media.H265; err == nil && nal && (v.Width == 0 || v.NALULength == 0) {
			t.Errorf("taken without a size: %+v", v)
		}
	})
}

func FuzzParseAudio(f *testing.F) {
	for _, tc := range audioCases {
		if i, ok := index(fuzzAudio, tc.codec); ok {
			f.Add(i, unhex(tc.config))
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, config []byte) {
		a, err := ParseAudio(fuzzAudio[int(i)%len(fuzzAudio)], config)
		if a.SampleRate < 0 || a.SampleRate >= 1<<24 || a.Channels < 0 || a.Channels > 255 ||
			a.FrameSamples < 0 || a.FrameSamples > math.MaxUint16 {
			t.Errorf("out of bounds: %+v", a)
		}
		if err == nil && a.SampleRate == 0 {
			t.Error("taken without a rate")
		}
	})
}

func FuzzIsKey(f *testing.F) {
	for _, tc := range keyCases {
		if i, ok := index(fuzzVideo, tc.codec); ok && len(tc.frame) < 1<<12 {
			f.Add(i, tc.frame, tc.length)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, frame []byte, length int) {
		c := fuzzVideo[int(i)%len(fuzzVideo)]
		if IsKey(c, frame, length, false) && !IsKey(c, frame, length, true) {
			t.Error("a key frame, but not if the publisher says so too")
		}
		ParseFrameSize(c, frame)
	})
}
