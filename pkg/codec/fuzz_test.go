package codec

import (
	"bytes"
	"math"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/media"
)

var (
	fuzzVideo = []media.Codec{media.H264, media.H265, media.VVC, media.AV1, media.VP9, media.VP8}
	fuzzAudio = []media.Codec{media.AAC, media.Opus, media.FLAC, media.MP3, media.AC3, media.EAC3, media.PCM, media.ALaw, media.MuLaw}
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
			a.FrameSamples < 0 || a.FrameSamples > math.MaxUint16 || a.SampleBits < 0 || a.SampleBits > 32 {
			t.Errorf("out of bounds: %+v", a)
		}
		if err == nil && a.SampleRate == 0 {
			t.Error("taken without a rate")
		}
	})
}

// What is read of frames of sound stays within limits, and what is made of them can be
// read back.
func FuzzFrames(f *testing.F) {
	for _, tc := range frameCases {
		if i, ok := index(fuzzAudio, tc.codec); ok {
			f.Add(i, unhex(tc.data))
		}
	}
	for _, tc := range recordCases {
		i, _ := index(fuzzAudio, tc.codec)
		f.Add(i, unhex(tc.frame))
	}
	for _, tc := range sampleCases {
		i, _ := index(fuzzAudio, tc.codec)
		f.Add(i, unhex(tc.data))
	}
	f.Fuzz(func(t *testing.T, i uint8, data []byte) {
		c := fuzzAudio[int(i)%len(fuzzAudio)]
		a, err := ParseAudio(c, data)
		if n := a.Samples(c, data); n < 0 || n > max(math.MaxUint16+1, len(data)) {
			t.Errorf("%d samples", n)
		}
		if frame, err := ParseSyncFrame(c, data); err == nil && (frame.Size < 4 || frame.Samples < 1) {
			t.Errorf("%+v", frame)
		}
		FrameConfig(c, data, true)
		if err != nil || len(data) <= maxDEC3 {
			return
		}
		switch c {
		case media.AC3:
			checkRecord(t, c, a, data, AC3Record)
		case media.EAC3:
			if a.FrameSamples = ac3MaxBlocks * ac3Block; a.SampleRate > 24000 { // others are not in the record
				checkRecord(t, c, a, data, EAC3Record)
			}
		}
	})
}

func checkRecord(t *testing.T, c media.Codec, want Audio, data []byte, make func([]byte) ([]byte, error)) {
	record, err := make(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseAudio(c, record); err != nil || got != want {
		t.Errorf("% x is %+v, want %+v, %v", record, got, want, err)
	}
}

// A temporal unit without what no file has is still one, and has the same key frame.
func FuzzAV1Sample(f *testing.F) {
	for _, tc := range av1Samples {
		f.Add(unhex(tc.unit))
	}
	f.Fuzz(func(t *testing.T, unit []byte) {
		sample := AV1Sample(unit)
		if len(sample) > len(unit) || !bytes.Equal(AV1Sample(sample), sample) {
			t.Errorf("% x of % x", sample, unit)
		}
		if len(unit) < maxUnits && IsKey(media.AV1, unit, 0, false) != IsKey(media.AV1, sample, 0, false) {
			t.Errorf("the key frame differs: % x of % x", sample, unit)
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
		IsH265(frame)
		IsHVCC(frame)
		FrameConfig(c, frame, true)
		ParseFrameSize(c, frame)
	})
}
