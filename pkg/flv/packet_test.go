package flv

import (
	"bytes"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Encoders set the frame type wrongly in both directions: the bitstream counts.
func TestKeyByBitstream(t *testing.T) {
	for _, c := range []struct {
		codec      media.Codec
		key, inter string
	}{
		{media.H264, avcKey, avcInter},
		{media.H265, hevcKey, hevcInter},
		{media.VVC, vvcKey, vvcInter},
		{media.AV1, av1Key, av1Inter},
		{media.VP9, vp9Key, vp9Inter},
		{media.VP8, vp8Key, vp8Inter},
	} {
		for frameType := range uint8(frameCommand) {
			h := exVideo(frameType, CodedFramesX, c.codec, 0)
			for data, want := range map[string]bool{c.key: true, c.inter: false} {
				p, err := Parse(TagVideo, append(h.Append(nil), unhex(data)...))
				if err != nil || p.Key != want {
					t.Errorf("%s, frame type %d: key %v, want %v (%v)", c.codec, frameType, p.Key, want, err)
				}
			}
		}
	}
}

const ac3Stereo = "0b77fe95144043e1"

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		name string
		kind media.Kind
		hex  string
		want string
	}{
		{"legacy AVC", media.Video, "17 00 000000" + avcC720, avcC720},
		{"legacy AAC", media.Audio, "AF 00 1190", "1190"},
		{"enhanced", media.Video, "90 68766331" + hvcC, hvcC},
		{"one track", media.Audio, "95 00 4F707573 01" + opusHead, opusHead},
		{"first of many tracks", media.Video, "96 20 61766331 00" + sized(avcC720) + "68766331 01" + sized(hvcC), avcC720},
		{"empty", media.Audio, "90 4F707573", ""},
	} {
		p, err := Parse(tagType(tc.kind), unhex(tc.hex))
		if err != nil || p.Role != media.Decoder {
			t.Errorf("%s: %+v, %v", tc.name, p, err)
			continue
		}
		if got := Config(p); got == nil || !bytes.Equal(got, unhex(tc.want)) {
			t.Errorf("%s: got % x", tc.name, got)
		}
	}
	for _, tc := range []struct {
		name string
		kind media.Kind
		hex  string
		want string
	}{
		{"MP3", media.Audio, "2F" + mp3Frame, mp3Frame},
		{"AC-3", media.Audio, "91 61632D33" + ac3Stereo, ac3Stereo},
		{"first of many tracks", media.Audio, "95 11 61632D33 01" + sized(ac3Stereo) + "02" + sized("00"), ac3Stereo},
		{"A-law", media.Audio, "72 D5", "72"},
		{"PCM, empty", media.Audio, "3F", "3F"},
		{"VP8 key", media.Video, "91 76703038" + vp8Key, "00 00 82 02 02 02 0000"},
		{"VP9 key", media.Video, "91 76703039" + vp9Key, "00 0A 82 02 02 02 0000"},
	} {
		p, err := Parse(tagType(tc.kind), unhex(tc.hex))
		if err != nil || p.Role != media.Frame {
			t.Errorf("%s: %+v, %v", tc.name, p, err)
			continue
		}
		if got := Config(p); !bytes.Equal(got, unhex(tc.want)) {
			t.Errorf("%s: got % x", tc.name, got)
		}
	}
	for _, tc := range []struct {
		kind media.Kind
		hex  string
	}{
		{media.Audio, "90 61632D33"}, {media.Audio, "91 61632D33"}, {media.Audio, "91 61632D33 0B77"}, {media.Video, "90 61763031"}, {media.Audio, "AF 01" + aacFrame}, {media.Audio, "B2 01"}, {media.Audio, "DF FC"},
		{media.Video, "17 01 000000" + avcKey}, {media.Video, "A1 76703038" + vp8Inter}, {media.Video, "17 02 000000"},
	} {
		p, err := Parse(tagType(tc.kind), unhex(tc.hex))
		if got := Config(p); err != nil || got != nil {
			t.Errorf("%s: got % x, %v", tc.hex, got, err)
		}
	}
	for _, body := range []string{"", "95 01 4F707573"} {
		if got := Config(&media.Packet{Kind: media.Audio, Body: unhex(body)}); got != nil {
			t.Errorf("malformed %q: got % x", body, got)
		}
	}
}

// What a packet tells is that of the track, or something else.
func TestDescribes(t *testing.T) {
	const ac3Of51 = "0b77b50b1e40ebf8"
	for _, tc := range []struct {
		name   string
		kind   media.Kind
		hex    string
		config string
		want   bool
	}{
		{"same header", media.Audio, "AF 00 1190", "1190", true},
		{"another header", media.Audio, "AF 00 1210", "1190", false},
		{"frame without a description", media.Audio, "AF 01" + aacFrame, "1190", true},
		{"header that is only formal", media.Audio, "90 61632D33", ac3Stereo, true},
		{"same sound, another frame", media.Audio, "91 61632D33 0b77fe95144043e2", ac3Stereo, true},
		{"more channels", media.Audio, "91 61632D33" + ac3Of51, ac3Stereo, false},
		{"frame that cannot be read", media.Audio, "91 61632D33 0b78", ac3Stereo, true},
		{"mu-law goes on", media.Audio, "82 FF", "82", true},
		{"mu-law in stereo", media.Audio, "83 FF", "82", false},
		{"VP8 key", media.Video, "91 76703038" + vp8Key, "00", true},
		{"another picture", media.Video, "17 00 000000" + avcC720, "01", false},
	} {
		p, err := Parse(tagType(tc.kind), unhex(tc.hex))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if got := Describes(p, unhex(tc.config)); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

// An empty audio message means silence (FFmpeg and librtmp flush with it).
func TestParseSilence(t *testing.T) {
	p, err := Parse(TagAudio, nil)
	if err != nil || p.Kind != media.Audio || p.Role != media.Other {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestParseData(t *testing.T) {
	for _, tc := range []struct {
		name string
		body []byte
		want media.Role
	}{
		{"metadata", amf.Append(nil, "onMetaData", amf.ECMAArray{}), media.Metadata},
		{"metadata, value cut", amf.Append(nil, "onMetaData", "value")[:15], media.Metadata},
		{"cue point", amf.Append(nil, "onCuePoint", amf.Object{}), media.Other},
		{"no name", amf.Append(nil, amf.StrictArray{"onMetaData"}), media.Other},
		{"name cut", amf.Append(nil, "onMetaData")[:8], media.Other},
		{"AMF3 selector in front", append([]byte{0}, amf.Append(nil, "onMetaData")...), media.Other},
		{"empty", nil, media.Other},
	} {
		for _, tag := range []uint8{TagScript, TagScriptAMF3} {
			p, err := Parse(tag, tc.body)
			if err != nil || p.Kind != media.Data || p.Role != tc.want || !bytes.Equal(p.Body, tc.body) {
				t.Errorf("%s: %+v, %v", tc.name, p, err)
			}
		}
	}
}

func TestStripDataFrame(t *testing.T) {
	metadata := amf.Append(nil, "onMetaData", amf.Object{{Key: "width", Value: 64.0}})
	for _, tc := range []struct {
		name string
		body []byte
		want []byte
		ok   bool
	}{
		{"set", append(amf.Append(nil, "@setDataFrame"), metadata...), metadata, true},
		{"set without data", amf.Append(nil, "@setDataFrame"), []byte{}, true},
		{"clear", amf.Append(nil, "@clearDataFrame", "onMetaData"), nil, false},
		{"neither", metadata, metadata, true},
		{"not a name", amf.Append(nil, amf.StrictArray{1.0}), amf.Append(nil, amf.StrictArray{1.0}), true},
		{"undecodable", []byte{0xFF}, nil, false},
		{"empty", nil, nil, false},
	} {
		got, ok := StripDataFrame(tc.body)
		if ok != tc.ok || !bytes.Equal(got, tc.want) {
			t.Errorf("%s: got %q, %v", tc.name, got, ok)
		}
	}
}

func TestFrameRate(t *testing.T) {
	metadata := func(rate any) []byte {
		return amf.Append(nil, "onMetaData", amf.ECMAArray{{Key: "framerate", Value: rate}})
	}
	for _, tc := range []struct {
		name string
		body []byte
		want float64
	}{
		{"number", metadata(29.97), 29.97},
		{"string", metadata("25"), 25},
		{"zero", metadata(0), 0},
		{"negative", metadata(-30), 0},
		{"a clock", metadata(1000), 0},
		{"not a number", metadata(true), 0},
		{"absent", amf.Append(nil, "onMetaData", amf.ECMAArray{}), 0},
		{"cut behind it", metadata(30)[:len(metadata(30))-3], 30},
		{"AMF3", append([]byte{0}, metadata(30)...), 0},
		{"no AMF", []byte{0xFF}, 0},
	} {
		if got := FrameRate(tc.body); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
	}
}
