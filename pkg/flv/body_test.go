package flv

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// bodyCase pairs a body with everything that is read from it. Kind, DTS and Body
// of packets and samples are the same everywhere and left out.
type bodyCase struct {
	name    string
	hex     string
	header  Header
	packet  media.Packet
	samples []media.Sample
}

func legacyVideo(first byte, t PacketType, c media.Codec, size int) Header {
	return Header{Kind: media.Video, Legacy: first, FrameType: first >> 4, Type: t, Multitrack: Single, Codec: c, Size: size}
}

func legacyAudio(first byte, t PacketType, c media.Codec, size int) Header {
	return Header{Kind: media.Audio, Legacy: first, Type: t, Multitrack: Single, Codec: c, Size: size}
}

func exVideo(frameType uint8, t PacketType, c media.Codec, size int) Header {
	return Header{Kind: media.Video, Enhanced: true, FrameType: frameType, Type: t, Multitrack: Single, Codec: c, Size: size}
}

func exAudio(t PacketType, c media.Codec, size int) Header {
	return Header{Kind: media.Audio, Enhanced: true, Type: t, Multitrack: Single, Codec: c, Size: size}
}

func (h Header) with(change func(*Header)) Header {
	change(&h)
	return h
}

func (h Header) multi(m Multitrack) Header { return h.with(func(h *Header) { h.Multitrack = m }) }
func (h Header) nanos(n uint32) Header     { return h.with(func(h *Header) { h.Nanos = n }) }
func (h Header) command(n uint8) Header    { return h.with(func(h *Header) { h.Command = n }) }

// frame is a sample of track 0.
func frame(c media.Codec, key bool, cts time.Duration, data string) []media.Sample {
	return []media.Sample{{Codec: c, Key: key, CTS: cts, Data: unhex(data)}}
}

// What is read from these bodies can be written again, byte for byte. V numbers
// are those of the project's list of test vectors.
var golden = []bodyCase{
	// Legacy video (FLV E.4.3).
	{"AVC configuration", "17 00 000000" + avcC720, legacyVideo(0x17, SequenceStart, media.H264, 5),
		media.Packet{Codec: media.H264, Role: media.Decoder}, nil},
	{"AVC key", "17 01 000021" + avcKey, legacyVideo(0x17, CodedFrames, media.H264, 2),
		media.Packet{Codec: media.H264, Key: true}, frame(media.H264, true, 33*time.Millisecond, avcKey)},
	{"AVC inter, negative composition time", "27 01 FFFFDF" + avcInter, legacyVideo(0x27, CodedFrames, media.H264, 2),
		media.Packet{Codec: media.H264}, frame(media.H264, false, -33*time.Millisecond, avcInter)},
	{"AVC inter, lowest composition time", "27 01 800000" + avcInter, legacyVideo(0x27, CodedFrames, media.H264, 2),
		media.Packet{Codec: media.H264}, frame(media.H264, false, -8388608*time.Millisecond, avcInter)},
	{"AVC end", "17 02 000000", legacyVideo(0x17, SequenceEnd, media.H264, 5),
		media.Packet{Codec: media.H264, Role: media.End}, nil},
	{"AVC packet type that is not defined", "17 03 000000 AABB", legacyVideo(0x17, CodedFramesX, media.H264, 5),
		media.Packet{Codec: media.H264, Role: media.Other}, nil},
	{"AVC packet type of enhanced metadata", "17 04 000000", legacyVideo(0x17, VideoMetadata, media.H264, 5),
		media.Packet{Codec: media.H264, Role: media.Other}, nil},
	{"HEVC configuration", "1C 00 000000" + hvcC, legacyVideo(0x1C, SequenceStart, media.H265, 5),
		media.Packet{Codec: media.H265, Role: media.Decoder}, nil},
	{"HEVC inter", "2C 01 000021" + hevcInter, legacyVideo(0x2C, CodedFrames, media.H265, 2),
		media.Packet{Codec: media.H265}, frame(media.H265, false, 33*time.Millisecond, hevcInter)},
	{"HEVC configuration by the number of AVC", "17 00 000000" + hvcC, legacyVideo(0x17, SequenceStart, media.H264, 5),
		media.Packet{Codec: media.H265, Role: media.Decoder}, nil},
	{"HEVC key by the number of AVC", "17 01 000021" + hevcKey, legacyVideo(0x17, CodedFrames, media.H264, 2),
		media.Packet{Codec: media.H265, Key: true}, frame(media.H265, true, 33*time.Millisecond, hevcKey)},
	{"HEVC inter by the number of AVC, frame type 0", "07 01 000000" + hevcInter, legacyVideo(0x07, CodedFrames, media.H264, 2),
		media.Packet{Codec: media.H265}, frame(media.H265, false, 0, hevcInter)},
	{"Sorenson key", "12 0102", legacyVideo(0x12, CodedFramesX, 'V'<<24|'I'<<16|'D'<<8|'2', 1),
		media.Packet{Codec: 0x56494432, Key: true}, frame(0x56494432, true, 0, "0102")},
	{"codec 15 inter, empty", "2F", legacyVideo(0x2F, CodedFramesX, 'V'<<24|'I'<<16|'D'<<8|'f', 1),
		media.Packet{Codec: 0x56494466}, frame(0x56494466, false, 0, "")},
	{"legacy command", "57 01", legacyVideo(0x57, CodedFramesX, media.H264, 2).command(1),
		media.Packet{Role: media.Other}, nil},

	// Legacy audio (FLV E.4.2).
	{"AAC configuration", "AF 00 1190", legacyAudio(0xAF, SequenceStart, media.AAC, 2),
		media.Packet{Codec: media.AAC, Role: media.Decoder}, nil},
	{"AAC without a configuration", "AF 00", legacyAudio(0xAF, SequenceStart, media.AAC, 2),
		media.Packet{Codec: media.AAC, Role: media.Other}, nil},
	{"AAC frame", "AF 01" + aacFrame, legacyAudio(0xAF, CodedFrames, media.AAC, 2),
		media.Packet{Codec: media.AAC}, frame(media.AAC, false, 0, aacFrame)},
	{"AAC packet type of enhanced channels", "AF 04 00", legacyAudio(0xAF, MultichannelConfig, media.AAC, 2),
		media.Packet{Codec: media.AAC, Role: media.Other}, nil},
	{"MP3", "2F" + mp3Frame, legacyAudio(0x2F, CodedFramesX, media.MP3, 1),
		media.Packet{Codec: media.MP3}, frame(media.MP3, false, 0, mp3Frame)},
	{"MP3 of 8 kHz", "E2 FFE318C4", legacyAudio(0xE2, CodedFramesX, media.MP3, 1),
		media.Packet{Codec: media.MP3}, frame(media.MP3, false, 0, "FFE318C4")},
	{"Opus by its old number", "DF FC", legacyAudio(0xDF, CodedFramesX, media.Opus, 1),
		media.Packet{Codec: media.Opus}, frame(media.Opus, false, 0, "FC")},
	{"Speex", "B2 01", legacyAudio(0xB2, CodedFramesX, media.Speex, 1),
		media.Packet{Codec: media.Speex}, frame(media.Speex, false, 0, "01")},
	{"Nellymoser of 16 kHz", "42 01", legacyAudio(0x42, CodedFramesX, media.Nellymoser, 1),
		media.Packet{Codec: media.Nellymoser}, frame(media.Nellymoser, false, 0, "01")},
	{"ADPCM", "1F 01", legacyAudio(0x1F, CodedFramesX, 'A'<<24|'U'<<16|'D'<<8|'1', 1),
		media.Packet{Codec: 0x41554431}, frame(0x41554431, false, 0, "01")},
	{"PCM, platform endian", "0F 0100", legacyAudio(0x0F, CodedFramesX, media.PCM, 1),
		media.Packet{Codec: media.PCM}, frame(media.PCM, false, 0, "0100")},
	{"PCM, little endian", "3E 0100", legacyAudio(0x3E, CodedFramesX, media.PCM, 1),
		media.Packet{Codec: media.PCM}, frame(media.PCM, false, 0, "0100")},
	{"A-law", "72 D5", legacyAudio(0x72, CodedFramesX, media.ALaw, 1),
		media.Packet{Codec: media.ALaw}, frame(media.ALaw, false, 0, "D5")},
	{"mu-law", "82 FF", legacyAudio(0x82, CodedFramesX, media.MuLaw, 1),
		media.Packet{Codec: media.MuLaw}, frame(media.MuLaw, false, 0, "FF")},

	// Enhanced video (E-RTMP "ExVideoTagHeader").
	{"V5 HEVC configuration", "90 68766331" + hvcC, exVideo(1, SequenceStart, media.H265, 5),
		media.Packet{Codec: media.H265, Role: media.Decoder}, nil},
	{"V6 HEVC inter", "A1 68766331 000021" + hevcInter, exVideo(2, CodedFrames, media.H265, 5),
		media.Packet{Codec: media.H265}, frame(media.H265, false, 33*time.Millisecond, hevcInter)},
	{"V7 AV1 key", "93 61763031" + av1Key, exVideo(1, CodedFramesX, media.AV1, 5),
		media.Packet{Codec: media.AV1, Key: true}, frame(media.AV1, true, 0, av1Key)},
	{"V8 AVC inter, half a millisecond", "A7 02 07A120 01 61766331 000001" + avcInter, exVideo(2, CodedFrames, media.H264, 10).nanos(500_000),
		media.Packet{Codec: media.H264}, frame(media.H264, false, 1_500_000, avcInter)},
	{"negative composition time and nanoseconds", "A7 02 07A120 01 61766331 FFFFFF" + avcInter, exVideo(2, CodedFrames, media.H264, 10).nanos(500_000),
		media.Packet{Codec: media.H264}, frame(media.H264, false, -500_000, avcInter)},
	{"V9 one track", "96 01 61766331 01 000000" + avcKey, exVideo(1, CodedFrames, media.H264, 6).multi(OneTrack),
		media.Packet{Codec: media.H264, Track: 1, Key: true},
		[]media.Sample{{Codec: media.H264, Track: 1, Key: true, Data: unhex(avcKey)}}},
	{"V10 configurations of many tracks", "96 10 68766331 00" + sized(hvcC) + "01" + sized(hvcC), exVideo(1, SequenceStart, media.H265, 6).multi(ManyTracks),
		media.Packet{Codec: media.H265, Role: media.Decoder}, nil},
	{"V11 configurations of many codecs", "96 20 61766331 00" + sized(avcC720) + "68766331 01" + sized(hvcC), exVideo(1, SequenceStart, 0, 2).multi(ManyTracksManyCodecs),
		media.Packet{Codec: media.H264, Role: media.Decoder}, nil},
	{"V12 seek start", "D0 00", exVideo(5, SequenceStart, 0, 2).command(0), media.Packet{Role: media.Other}, nil},
	{"seek end", "D1 01", exVideo(5, CodedFrames, 0, 2).command(1), media.Packet{Role: media.Other}, nil},
	{"command, packet type multitrack", "D6 01", exVideo(5, videoMultitrack, 0, 2).command(1), media.Packet{Role: media.Other}, nil},
	{"command, nanoseconds", "D7 02 000001 00 01", exVideo(5, SequenceStart, 0, 7).nanos(1).command(1), media.Packet{Role: media.Other}, nil},
	{"HEVC key without composition time", "93 68766331" + hevcKey, exVideo(1, CodedFramesX, media.H265, 5),
		media.Packet{Codec: media.H265, Key: true}, frame(media.H265, true, 0, hevcKey)},
	{"VVC", "A1 76766331 FFFFFF" + vvcInter, exVideo(2, CodedFrames, media.VVC, 5),
		media.Packet{Codec: media.VVC}, frame(media.VVC, false, -time.Millisecond, vvcInter)},
	{"AV1 has no composition time", "A1 61763031" + av1Inter, exVideo(2, CodedFrames, media.AV1, 5),
		media.Packet{Codec: media.AV1}, frame(media.AV1, false, 0, av1Inter)},
	{"VP9 has no composition time", "A1 76703039" + vp9Inter, exVideo(2, CodedFrames, media.VP9, 5),
		media.Packet{Codec: media.VP9}, frame(media.VP9, false, 0, vp9Inter)},
	{"VP8 has no composition time", "91 76703038" + vp8Key, exVideo(1, CodedFrames, media.VP8, 5),
		media.Packet{Codec: media.VP8, Key: true}, frame(media.VP8, true, 0, vp8Key)},
	{"AVC end, no payload", "A2 61766331", exVideo(2, SequenceEnd, media.H264, 5),
		media.Packet{Codec: media.H264, Role: media.End}, nil},
	{"colours from FFmpeg", "D4 68766331 02 0009 636F6C6F72496E666F", exVideo(5, VideoMetadata, media.H265, 5),
		media.Packet{Codec: media.H265, Role: media.Color}, nil},
	{"colours from OBS", "84 68766331 02 0009 636F6C6F72496E666F", exVideo(0, VideoMetadata, media.H265, 5),
		media.Packet{Codec: media.H265, Role: media.Color}, nil},
	{"MPEG-2 TS descriptor", "95 61763031 80", exVideo(1, MPEG2TSSequence, media.AV1, 5),
		media.Packet{Codec: media.AV1, Role: media.Decoder}, nil},
	{"unknown codec, generated key", "C1 58585858 01", exVideo(4, CodedFrames, 0x58585858, 5),
		media.Packet{Codec: 0x58585858, Key: true}, frame(0x58585858, true, 0, "01")},
	{"unknown packet type", "9F 61766331 01", exVideo(1, 15, media.H264, 5),
		media.Packet{Codec: media.H264, Role: media.Other}, nil},
	{"frames of many tracks, some empty", "A6 13 68766331 07" + sized(hevcInter) + "02 000000 03" + sized(hevcKey), exVideo(2, CodedFramesX, media.H265, 6).multi(ManyTracks),
		media.Packet{Codec: media.H265, Track: 7}, []media.Sample{
			{Codec: media.H265, Track: 7, Data: unhex(hevcInter)},
			{Codec: media.H265, Track: 2, Data: []byte{}},
			{Codec: media.H265, Track: 3, Key: true, Data: unhex(hevcKey)},
		}},
	{"frames of many codecs", "A6 21 61763031 00" + sized(av1Key) + "61766331 01" + sized("000005"+avcInter) + "58585858 02" + sized("01"), exVideo(2, CodedFrames, 0, 2).multi(ManyTracksManyCodecs),
		media.Packet{Codec: media.AV1, Key: true}, []media.Sample{
			{Codec: media.AV1, Key: true, Data: unhex(av1Key)},
			{Codec: media.H264, Track: 1, CTS: 5 * time.Millisecond, Data: unhex(avcInter)},
			{Codec: 0x58585858, Track: 2, Data: []byte{1}}, // flagged as inter
		}},
	{"ends of many tracks", "A6 12 61766331 00 000000 01 000000", exVideo(2, SequenceEnd, media.H264, 6).multi(ManyTracks),
		media.Packet{Codec: media.H264, Role: media.End}, nil},
	{"multitrack with nanoseconds", "A7 02 000005 06 01 61766331 FF 000000" + avcInter, exVideo(2, CodedFrames, media.H264, 11).multi(OneTrack).nanos(5),
		media.Packet{Codec: media.H264, Track: 255}, []media.Sample{{Codec: media.H264, Track: 255, CTS: 5, Data: unhex(avcInter)}}},

	// Enhanced audio (E-RTMP "ExAudioTagHeader").
	{"V14 Opus configuration", "90 4F707573" + opusHead, exAudio(SequenceStart, media.Opus, 5),
		media.Packet{Codec: media.Opus, Role: media.Decoder}, nil},
	{"V15 native channels", "94 4F707573 01 02 00000003", exAudio(MultichannelConfig, media.Opus, 5),
		media.Packet{Codec: media.Opus, Role: media.Channels}, nil},
	{"custom channels", "94 664C6143 02 03 00 01 05", exAudio(MultichannelConfig, media.FLAC, 5),
		media.Packet{Codec: media.FLAC, Role: media.Channels}, nil},
	{"unspecified channels", "94 61632D33 00 06", exAudio(MultichannelConfig, media.AC3, 5),
		media.Packet{Codec: media.AC3, Role: media.Channels}, nil},
	{"V16 one track of Opus", "95 01 4F707573 01 FC", exAudio(CodedFrames, media.Opus, 6).multi(OneTrack),
		media.Packet{Codec: media.Opus, Track: 1}, []media.Sample{{Codec: media.Opus, Track: 1, Data: []byte{0xFC}}}},
	{"empty configuration of AC-3", "90 61632D33", exAudio(SequenceStart, media.AC3, 5),
		media.Packet{Codec: media.AC3, Role: media.Decoder}, nil},
	{"E-AC-3 frame", "91 65632D33 0B77", exAudio(CodedFrames, media.EAC3, 5),
		media.Packet{Codec: media.EAC3}, frame(media.EAC3, false, 0, "0B77")},
	{"AAC frame, nanoseconds", "97 02 0F423F 01 6D703461" + aacFrame, exAudio(CodedFrames, media.AAC, 10).nanos(999_999),
		media.Packet{Codec: media.AAC}, frame(media.AAC, false, 999_999, aacFrame)},
	{"audio packet type that is not defined", "93 6D703461 01", exAudio(CodedFramesX, media.AAC, 5),
		media.Packet{Codec: media.AAC, Role: media.Other}, nil},
	{"audio packet type of video", "96 6D703461 01", exAudio(6, media.AAC, 5),
		media.Packet{Codec: media.AAC, Role: media.Other}, nil},
	{"many tracks of MP3", "95 11 2E6D7033 01" + sized(mp3Frame) + "02" + sized("00"), exAudio(CodedFrames, media.MP3, 6).multi(ManyTracks),
		media.Packet{Codec: media.MP3, Track: 1}, []media.Sample{
			{Codec: media.MP3, Track: 1, Data: unhex(mp3Frame)}, {Codec: media.MP3, Track: 2, Data: []byte{0}}}},
	{"configurations of many audio codecs", "95 20 6D703461 00" + sized("1190") + "4F707573 01 000000", exAudio(SequenceStart, 0, 2).multi(ManyTracksManyCodecs),
		media.Packet{Codec: media.AAC, Role: media.Decoder}, nil},
	{"frames of many audio codecs", "95 21 6D703461 00" + sized(aacFrame) + "4F707573 01" + sized("FC"), exAudio(CodedFrames, 0, 2).multi(ManyTracksManyCodecs),
		media.Packet{Codec: media.AAC}, []media.Sample{
			{Codec: media.AAC, Data: unhex(aacFrame)}, {Codec: media.Opus, Track: 1, Data: []byte{0xFC}}}},
	{"ends of audio tracks", "95 12 6D703461 00 000000", exAudio(SequenceEnd, media.AAC, 6).multi(ManyTracks),
		media.Packet{Codec: media.AAC, Role: media.End}, nil},
	{"as many tracks as allowed", "95 11 4F707573" + strings.Repeat("00 000000", maxTracks), exAudio(CodedFrames, media.Opus, 6).multi(ManyTracks),
		media.Packet{Codec: media.Opus}, slices.Repeat([]media.Sample{{Codec: media.Opus, Data: []byte{}}}, maxTracks)},
}

// modExOf returns an extension with n bytes of data, without the byte behind it.
func modExOf(n int) string {
	size := []byte{byte(n - 1)}
	if n >= 256 {
		size = []byte{0xFF, byte((n - 1) >> 8), byte(n - 1)}
	}
	return string(appendHex(nil, append(size, bytes.Repeat([]byte{0xEE}, n)...)))
}

func appendHex(dst, b []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range b {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

// What is read from these bodies is written in a simpler way.
var tolerated = []bodyCase{
	{"ModEx of 1 byte", "A7" + modExOf(1) + "11 61766331 000000" + avcInter, exVideo(2, CodedFrames, media.H264, 8),
		media.Packet{Codec: media.H264}, frame(media.H264, false, 0, avcInter)},
	{"ModEx of 3 bytes, not a time", "A7" + modExOf(3) + "F3 61763031" + av1Inter, exVideo(2, CodedFramesX, media.AV1, 10),
		media.Packet{Codec: media.AV1}, frame(media.AV1, false, 0, av1Inter)},
	{"ModEx of 255 bytes", "97" + modExOf(255) + "11 4F707573 FC", exAudio(CodedFrames, media.Opus, 262),
		media.Packet{Codec: media.Opus}, frame(media.Opus, false, 0, "FC")},
	{"ModEx of 256 bytes", "97" + modExOf(256) + "11 4F707573 FC", exAudio(CodedFrames, media.Opus, 265),
		media.Packet{Codec: media.Opus}, frame(media.Opus, false, 0, "FC")},
	{"V13 ModEx of 300 bytes", "A7" + modExOf(300) + "11 61766331 000000" + avcInter, exVideo(2, CodedFrames, media.H264, 309),
		media.Packet{Codec: media.H264}, frame(media.H264, false, 0, avcInter)},
	{"ModEx of 65536 bytes", "A7" + modExOf(65536) + "11 61766331 000000" + avcInter, exVideo(2, CodedFrames, media.H264, 65545),
		media.Packet{Codec: media.H264}, frame(media.H264, false, 0, avcInter)},
	{"ModEx short for a time", "A7 01 0001 01 61766331 000000" + avcInter, exVideo(2, CodedFrames, media.H264, 9),
		media.Packet{Codec: media.H264}, frame(media.H264, false, 0, avcInter)},
	{"ModEx long for a time", "A7 03 000001 FF 01 61766331 000000" + avcInter, exVideo(2, CodedFrames, media.H264, 11).nanos(1),
		media.Packet{Codec: media.H264}, frame(media.H264, false, 1, avcInter)},
	{"more than a millisecond", "A7 02 0F4240 01 61766331 000000" + avcInter, exVideo(2, CodedFrames, media.H264, 10).nanos(999_999),
		media.Packet{Codec: media.H264}, frame(media.H264, false, 999_999, avcInter)},
	{"two times", "A7 02 000001 07 02 000002 01 61766331 000000" + avcInter, exVideo(2, CodedFrames, media.H264, 15).nanos(2),
		media.Packet{Codec: media.H264}, frame(media.H264, false, 2, avcInter)},
	{"as many ModEx as allowed", "A7" + strings.Repeat("00 00 17", maxModEx-1) + "00 00 12 61766331", exVideo(2, SequenceEnd, media.H264, 53),
		media.Packet{Codec: media.H264, Role: media.End}, nil},
	{"composition time of a configuration", "17 00 000001" + avcC720, legacyVideo(0x17, SequenceStart, media.H264, 5),
		media.Packet{Codec: media.H264, Role: media.Decoder}, nil},
	{"ModEx in front of a command", "D7 00 00 10 01", exVideo(5, SequenceStart, 0, 5).command(1), media.Packet{Role: media.Other}, nil},
	{"ModEx in front of colours", "D7 00 00 14 68766331", exVideo(5, VideoMetadata, media.H265, 8),
		media.Packet{Codec: media.H265, Role: media.Color}, nil},
}

func TestHeader(t *testing.T) {
	for _, tc := range slices.Concat(golden, tolerated) {
		h, err := ParseHeader(tc.header.Kind, unhex(tc.hex))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if diff := cmp.Diff(tc.header, h); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
	}
}

func TestHeaderAppend(t *testing.T) {
	for _, tc := range golden {
		want := append([]byte("before"), unhex(tc.hex)[:tc.header.Size]...)
		if got := tc.header.Append([]byte("before")); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got % x\nwant % x", tc.name, got, want)
		}
	}
	for _, tc := range tolerated {
		h, err := ParseHeader(tc.header.Kind, tc.header.Append(nil))
		if h.Size = tc.header.Size; err != nil || h != tc.header {
			t.Errorf("%s, written and read: %+v, %v", tc.name, h, err)
		}
	}
}

func tagType(k media.Kind) uint8 {
	if k == media.Video {
		return TagVideo
	}
	return TagAudio
}

func TestParse(t *testing.T) {
	for _, tc := range slices.Concat(golden, tolerated) {
		body := unhex(tc.hex)
		got, err := Parse(tagType(tc.header.Kind), body)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		want := tc.packet
		want.Kind, want.Body = tc.header.Kind, body
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
	}
}

func TestSamples(t *testing.T) {
	for _, tc := range slices.Concat(golden, tolerated) {
		p, err := Parse(tagType(tc.header.Kind), unhex(tc.hex))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		p.DTS = -40 * time.Millisecond
		want := slices.Clone(tc.samples)
		for i := range want {
			want[i].Kind, want[i].DTS = p.Kind, p.DTS
		}
		got := slices.Collect(Samples(p))
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
	}
}

// Nothing is copied on the way from a message to its samples.
func TestSamplesAlias(t *testing.T) {
	for _, hex := range []string{"27 01 000000" + avcInter, "A6 01 61766331 01 000000" + avcInter} {
		p, err := Parse(TagVideo, unhex(hex))
		if err != nil {
			t.Fatal(err)
		}
		for s := range Samples(p) {
			if &s.Data[len(s.Data)-1] != &p.Body[len(p.Body)-1] {
				t.Errorf("%s: the sample is a copy", hex)
			}
		}
	}
}

// Samples stops when its reader does.
func TestSamplesStop(t *testing.T) {
	p, err := Parse(TagAudio, unhex("95 11 4F707573 00 000000 01 000000"))
	if err != nil {
		t.Fatal(err)
	}
	for s := range Samples(p) {
		if s.Track != 0 {
			t.Fatal("went on")
		}
		break
	}
	p.Body = p.Body[:1] // nobody does that
	if n := len(slices.Collect(Samples(p))); n != 0 {
		t.Errorf("%d samples of a body without a header", n)
	}
}

// malformed are bodies that are refused, each with its error.
var malformed = []struct {
	name string
	kind media.Kind
	hex  string
	err  string
}{
	{"empty video", media.Video, "", "flv: video body at 0: empty"},
	{"AVC without a packet type", media.Video, "17", "flv: video body at 1: cut: have 0 bytes, want 1"},
	{"AVC configuration cut", media.Video, "17 00 0000", "flv: video body at 2: cut: have 2 bytes, want 3"},
	{"AVC frame cut", media.Video, "27 01 0000", "flv: video body at 2: cut inside the composition time"},
	{"legacy command cut", media.Video, "57", "flv: video body at 1: cut: have 0 bytes, want 1"},
	{"AAC without a packet type", media.Audio, "AF", "flv: audio body at 1: cut: have 0 bytes, want 1"},
	{"codec missing", media.Video, "90", "flv: video body at 1: cut: have 0 bytes, want 4"},
	{"codec cut", media.Audio, "91 4F7075", "flv: audio body at 1: cut: have 3 bytes, want 4"},
	{"command cut", media.Video, "D0", "flv: video body at 1: cut: have 0 bytes, want 1"},
	{"composition time cut", media.Video, "A1 68766331 0000", "flv: video body at 5: cut inside the composition time"},
	{"ModEx without a size", media.Video, "A7", "flv: video body at 1: cut: have 0 bytes, want 1"},
	{"ModEx data cut", media.Video, "A7 02 0000", "flv: video body at 2: cut: have 2 bytes, want 3"},
	{"ModEx without a next type", media.Video, "A7 02 07A120", "flv: video body at 5: cut: have 0 bytes, want 1"},
	{"ModEx long size cut", media.Video, "A7 FF 01", "flv: video body at 2: cut: have 1 bytes, want 2"},
	{"ModEx of 64 KiB in 3 bytes", media.Audio, "97 FF FFFF 000000", "flv: audio body at 4: cut: have 3 bytes, want 65536"},
	{"more ModEx than allowed", media.Video, "A7" + strings.Repeat("00 00 17", maxModEx) + "00 00 12 61766331",
		"flv: video body at 49: more than 16 ModEx"},
	{"multitrack form missing", media.Video, "96", "flv: video body at 1: cut: have 0 bytes, want 1"},
	{"multitrack in multitrack", media.Video, "96 06 61766331 00", "flv: video body at 2: packet type 6 inside multitrack"},
	{"ModEx in multitrack", media.Audio, "95 07 4F707573 00", "flv: audio body at 2: packet type 7 inside multitrack"},
	{"audio multitrack in multitrack", media.Audio, "95 05 4F707573 00", "flv: audio body at 2: packet type 5 inside multitrack"},
	{"unknown multitrack form", media.Video, "96 31 61766331 00", "flv: video body at 2: multitrack type 3"},
	{"no track", media.Video, "96 11 61766331", "flv: video body at 6: multitrack without a track"},
	{"no track of many codecs", media.Audio, "95 21", "flv: audio body at 2: multitrack without a track"},
	{"one track, no id", media.Video, "96 01 61766331", "flv: video body at 6: multitrack without a track"},
	{"one track, no composition time", media.Video, "96 01 61766331 01", "flv: video body at 7: cut inside the composition time"},
	{"track codec cut", media.Audio, "95 21 4F7075", "flv: audio body at 2: cut: have 3 bytes, want 4"},
	{"track id missing", media.Audio, "95 21 4F707573", "flv: audio body at 6: cut: have 0 bytes, want 1"},
	{"track size cut", media.Audio, "95 11 4F707573 00 0000", "flv: audio body at 7: cut: have 2 bytes, want 3"},
	{"track over the message", media.Audio, "95 11 4F707573 00 000002 FC", "flv: audio body at 10: cut: have 1 bytes, want 2"},
	{"second track over the message", media.Audio, "95 11 4F707573 00 000001 FC 01 FFFFFF FC", "flv: audio body at 15: cut: have 1 bytes, want 16777215"},
	{"second track without composition time", media.Video, "A6 11 61766331 00 000003 000000 01 000002 0000 02 000000",
		"flv: video body at 17: cut inside the composition time"},
	{"more tracks than allowed", media.Audio, "95 11 4F707573" + strings.Repeat("00 000000", maxTracks+1),
		"flv: audio body at 134: more than 32 tracks"},
}

func TestParseMalformed(t *testing.T) {
	for _, tc := range malformed {
		body := unhex(tc.hex)
		p, err := Parse(tagType(tc.kind), body)
		if err == nil || p != nil {
			t.Errorf("%s: got %+v, want an error", tc.name, p)
		} else if err.Error() != tc.err {
			t.Errorf("%s:\n got %v\nwant %v", tc.name, err, tc.err)
		}
	}
}
