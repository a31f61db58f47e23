package flv

import (
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// Tag types, which are also RTMP message types (FLV E.4.1).
const (
	TagAudio      = 8
	TagVideo      = 9
	TagScriptAMF3 = 15
	TagScript     = 18
)

// The file (FLV E.2, E.3, E.4.1), sizes in bytes.
const (
	signature     = "FLV\x01"
	flagAudio     = 4
	flagVideo     = 1
	flagsOffset   = 4
	dataOffset    = 5
	headerSize    = 13 // with the back pointer that precedes the first tag
	tagHeaderSize = 11
	backPointer   = 4   // size of the tag before it, header included
	sector        = 512 // files have room on a disk in units of at least so much
	minTag        = tagHeaderSize + backPointer
	tagTypeMask   = 0x1F
	filterBit     = 0x20      // the tag is encrypted
	maxBody       = 1<<24 - 1 // 24-bit DataSize
	timestampMask = 1<<31 - 1 // players read the 32 bits as signed
)

// maxTime is where a file should end, at the next keyframe: 20 h before its times have no room.
const maxTime = 24 * 24 * time.Hour

// First byte of a video body: frame type and codec (FLV E.4.3.1), or the
// enhanced mark, frame type and packet type (E-RTMP "ExVideoTagHeader").
const (
	enhancedVideo     = 0x80
	frameKey          = 1
	frameGeneratedKey = 4
	frameCommand      = 5

	videoAVC  = 7
	videoHEVC = 12 // an extension of several encoders, shaped like AVC
)

// First byte of an audio body: format, rate, size and channels (FLV E.4.2.1), or
// format 9 and the packet type (E-RTMP "ExAudioTagHeader").
const (
	audioPCM       = 0 // "platform endian", for which all readers take little endian
	audioMP3       = 2
	audioPCMLittle = 3
	audioNelly16   = 4 // at 16 kHz
	audioNelly8    = 5 // at 8 kHz
	audioNelly     = 6
	audioALaw      = 7
	audioMuLaw     = 8
	audioEnhanced  = 9
	audioAAC       = 10
	audioSpeex     = 11
	audioOpus      = 13 // an extension of several servers
	audioMP3Low    = 14 // MP3 at 8 kHz
)

// PacketType is the kind of an enhanced body. Video and audio share numbers 0 to
// 2 and 7; legacy AVC, HEVC and AAC bodies are mapped to the same.
type PacketType uint8

// Packet types (E-RTMP "VideoPacketType", "AudioPacketType").
const (
	SequenceStart       PacketType = 0
	CodedFrames         PacketType = 1
	SequenceEnd         PacketType = 2
	CodedFramesX        PacketType = 3 // video: no composition time
	VideoMetadata       PacketType = 4
	MultichannelConfig  PacketType = 4 // audio
	MPEG2TSSequence     PacketType = 5 // video
	audioMultitrack     PacketType = 5
	videoMultitrack     PacketType = 6
	modEx               PacketType = 7
	modExTimestampNanos            = 0 // "TimestampOffsetNano"
)

// Multitrack is how a body carries several tracks (E-RTMP "AvMultitrackType").
type Multitrack uint8

// Forms of multitrack bodies; Single is ours for a body without any.
const (
	OneTrack             Multitrack = 0
	ManyTracks           Multitrack = 1
	ManyTracksManyCodecs Multitrack = 2
	Single               Multitrack = 0xFF
)

// Limits of a body.
const (
	maxModEx  = 16     // chained extensions
	maxTracks = 32     // tracks in one message
	maxNanos  = 999999 // of a nanosecond offset
)

// legacyCodec gives the numbers of FLV without a FourCC one of ours, in capitals:
// "VID2" for Sorenson H.263, "AUD1" for ADPCM.
func legacyCodec(kind media.Kind, id uint8) media.Codec {
	const digits = "0123456789abcdef"
	d := media.Codec(digits[id&15])
	if kind == media.Video {
		switch id {
		case videoAVC:
			return media.H264
		case videoHEVC:
			return media.H265
		}
		return 'V'<<24 | 'I'<<16 | 'D'<<8 | d
	}
	switch id {
	case audioAAC:
		return media.AAC
	case audioMP3, audioMP3Low:
		return media.MP3
	case audioOpus:
		return media.Opus
	case audioPCM, audioPCMLittle:
		return media.PCM
	case audioALaw:
		return media.ALaw
	case audioMuLaw:
		return media.MuLaw
	case audioSpeex:
		return media.Speex
	case audioNelly16, audioNelly8, audioNelly:
		return media.Nellymoser
	}
	return 'A'<<24 | 'U'<<16 | 'D'<<8 | d
}

// hasComposition reports whether CodedFrames of a codec begin with a composition
// time (E-RTMP "CodedFrames": AVC, HEVC and VVC only).
func hasComposition(c media.Codec) bool {
	return c == media.H264 || c == media.H265 || c == media.VVC
}
