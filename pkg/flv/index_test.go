package flv

import (
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// indexOf adds bodies as they follow each other in a file.
func indexOf(t *testing.T, bodies ...timedBody) *Index {
	t.Helper()
	w := NewWriter(&discard{}, Options{})
	for _, p := range (run{bodies: bodies}).packets(t) {
		if err := p.writeTo(w); err != nil {
			t.Fatal(err)
		}
	}
	return w.Index()
}

// What is known of a track, from its configuration or from its frames.
func TestIndexDescribes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		bodies []timedBody
		video  trackInfo
		audio  trackInfo
	}{
		{name: "AVC", bodies: []timedBody{video(0, "17 00 000000"+avcC720)},
			video: trackInfo{codec: media.H264, codecID: 7, width: 1280, height: 720, fps: 30}},
		{name: "AVC, enhanced", bodies: []timedBody{video(0, "90 61766331"+avcC720)},
			video: trackInfo{codec: media.H264, codecID: 1635148593, width: 1280, height: 720, fps: 30}},
		{name: "AVC, configuration not readable at first",
			bodies: []timedBody{video(0, "17 00 000000 01"), video(0, "17 01 000000"+avcKey), video(0, "17 00 000000"+avcC720)},
			video:  trackInfo{codec: media.H264, codecID: 7, width: 1280, height: 720, fps: 30, frames: 1}},
		{name: "AVC, another configuration later", bodies: []timedBody{video(0, "17 00 000000"+avcC720), video(0, "17 00 000000"+avcC1080)},
			video: trackInfo{codec: media.H264, codecID: 7, width: 1280, height: 720, fps: 30}},
		{name: "HEVC by its old number", bodies: []timedBody{video(0, "1C 00 000000"+hvcC)},
			video: trackInfo{codec: media.H265, codecID: 12, width: 1280, height: 720, fps: 30}},
		{name: "AV1", bodies: []timedBody{video(0, "90 61763031"+av1C)},
			video: trackInfo{codec: media.AV1, codecID: 1635135537, width: 1280, height: 720}},
		{name: "VP9, size in the keyframe",
			bodies: []timedBody{video(0, "90 76703039"+vpcC), video(0, "A3 76703039"+vp9Inter), video(0, "93 76703039"+vp9Key)},
			video:  trackInfo{codec: media.VP9, codecID: 1987063865, width: 64, height: 64, frames: 2}},
		{name: "VP8, size in the keyframe", bodies: []timedBody{video(0, "93 76703038"+vp8Key)},
			video: trackInfo{codec: media.VP8, codecID: 1987063864, width: 64, height: 64, frames: 1}},
		{name: "unknown video", bodies: []timedBody{video(0, "90 58585858 01"), video(0, "93 58585858 01")},
			video: trackInfo{codec: 0x58585858, codecID: 0x58585858, frames: 1}},
		{name: "AAC", bodies: []timedBody{audio(0, "AF 00 1190"), audio(0, "AF 00 1210"), audio(0, "AF 01"+aacFrame)},
			audio: trackInfo{codec: media.AAC, codecID: 10, rate: 48000, channels: 2, frames: 1}},
		{name: "AAC frames do not describe themselves", bodies: []timedBody{audio(0, "AF 01 1190"), audio(0, "AF 00"), audio(0, "AF 01 1190")},
			audio: trackInfo{codec: media.AAC, codecID: 10, frames: 2}},
		{name: "AAC, layout in the frames", bodies: []timedBody{audio(0, "AF 00 1180")},
			audio: trackInfo{codec: media.AAC, codecID: 10, rate: 48000}},
		{name: "MP3", bodies: []timedBody{audio(0, "2F 00"), audio(0, "2F"+mp3Frame)},
			audio: trackInfo{codec: media.MP3, codecID: 2, rate: 44100, channels: 2, frames: 2}},
		{name: "AC-3, empty configuration", bodies: []timedBody{audio(0, "90 61632D33"), audio(0, "91 61632D33 0b77fe95144043e1")},
			audio: trackInfo{codec: media.AC3, codecID: 1633889587, rate: 48000, channels: 2, frames: 1}},
		{name: "Opus, empty configuration", bodies: []timedBody{audio(0, "90 4F707573")},
			audio: trackInfo{codec: media.Opus, codecID: 1332770163, rate: 48000, channels: 2}},
		{name: "FLAC", bodies: []timedBody{audio(0, "90 664C6143"+streamInfo), audio(0, "91 664C6143 FFF8")},
			audio: trackInfo{codec: media.FLAC, codecID: 1716281667, rate: 48000, channels: 2, frames: 1}},
		{name: "other tracks do not count", bodies: []timedBody{video(0, "96 00 61766331 01"+avcC720), video(0, "96 01 61766331 01 000000"+avcKey),
			audio(0, "95 01 4F707573 01 FC")}},
		{name: "neither do other packets", bodies: []timedBody{video(0, "D0 00"), video(0, "17 02 000000"), audio(0, ""), audio(0, "94 4F707573 00 02")}},
	} {
		x := indexOf(t, tc.bodies...)
		tc.video.seen, tc.audio.seen = tc.video.codec != 0, tc.audio.codec != 0
		if x.video != tc.video {
			t.Errorf("%s: video %+v, want %+v", tc.name, x.video, tc.video)
		}
		if x.audio != tc.audio {
			t.Errorf("%s: audio %+v, want %+v", tc.name, x.audio, tc.audio)
		}
		if v, a := x.Codecs(); v != tc.video.codec || a != tc.audio.codec || x.Tags != len(tc.bodies) {
			t.Errorf("%s: codecs %s, %s; %d tags", tc.name, v, a, x.Tags)
		}
		if v, a := x.Frames(); v != tc.video.frames || a != tc.audio.frames {
			t.Errorf("%s: %d and %d frames", tc.name, v, a)
		}
	}
}

// bodiesAt returns frames of video and audio at times in milliseconds.
func bodiesAt(videoAt, audioAt []int64) (bodies []timedBody) {
	for _, ms := range videoAt {
		bodies = append(bodies, video(ms, "27 01 000000"+avcInter))
	}
	for _, ms := range audioAt {
		bodies = append(bodies, audio(ms, "AF 01"+aacFrame))
	}
	return bodies
}

func TestIndexDuration(t *testing.T) {
	for _, tc := range []struct {
		name         string
		video, audio []int64
		want         int64
		rate         float64 // measured
	}{
		{"nothing", nil, nil, 0, 0},
		{"one frame", []int64{40}, nil, 0, 0},
		{"video", []int64{0, 40, 80}, nil, 120, 25},
		{"video, not from 0", []int64{1000, 1040, 1080}, nil, 120, 25},
		{"video, below 0", []int64{-80, -40}, nil, 80, 25},
		{"audio", nil, []int64{0, 21, 43}, 65, 0},
		{"audio first and last", []int64{100, 140}, []int64{0, 200}, 400, 25},
		{"video first and last", []int64{0, 200}, []int64{100, 140}, 400, 5},
		{"the last frame is as long as the one before", []int64{0, 33, 67}, nil, 101, 29.85},
		{"two frames at a time", []int64{0, 40, 40}, nil, 80, 50},
		{"time goes back", []int64{80, 0, 40, 120}, nil, 160, 25},
	} {
		x := indexOf(t, bodiesAt(tc.video, tc.audio)...)
		if got := x.Duration(); got != time.Duration(tc.want)*time.Millisecond {
			t.Errorf("%s: %v, want %d ms", tc.name, got, tc.want)
		}
		if got := x.measuredRate(); got != tc.rate {
			t.Errorf("%s: %v frames a second, want %v", tc.name, got, tc.rate)
		}
	}
}

// The frame rate is the announced one, else the configuration's, else measured.
func TestFinalizeFrameRate(t *testing.T) {
	frames := bodiesAt([]int64{0, 40, 80}, nil)
	for _, tc := range []struct {
		name   string
		hint   float64
		bodies []timedBody
		want   any
	}{
		{"announced", 60, append(frames, video(80, "17 00 000000"+avcC720)), 60.0},
		{"configured", 0, append(frames, video(80, "17 00 000000"+avcC720)), 30.0},
		{"measured", 0, frames, 25.0},
		{"audio", 0, bodiesAt(nil, []int64{0, 20}), nil},
	} {
		x := indexOf(t, tc.bodies...)
		x.FrameRate = tc.hint
		plan := Finalize(x, x.End) // a sync, the head, a sync
		s := readMetadata(t, plan[1].Data[headerSize+tagHeaderSize:headSize-backPointer])
		if got := s.values["framerate"]; got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
