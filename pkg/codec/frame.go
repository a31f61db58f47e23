package codec

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// SelfDescribing reports whether a frame of the codec stands where others have a
// configuration: in MP3, AC-3 and E-AC-3 each one begins with what a decoder must
// know.
func SelfDescribing(c media.Codec) bool {
	return c == media.MP3 || c == media.AC3 || c == media.EAC3
}

// SyncFrame is a frame of MP3, AC-3 or E-AC-3, which tells where it ends.
type SyncFrame struct {
	Size      int  // bytes
	Samples   int  // of each channel
	Dependent bool // a substream of E-AC-3 that belongs to the frame before it
}

// ParseSyncFrame reads the head of the frame that data begins with. The frame may
// be longer than data.
func ParseSyncFrame(c media.Codec, data []byte) (SyncFrame, error) {
	switch c {
	case media.MP3:
		return parseMP3Frame(data)
	case media.AC3:
		f, err := parseAC3Frame(data)
		return SyncFrame{Size: f.size, Samples: f.samples()}, err
	case media.EAC3:
		f, err := parseEAC3Frame(data)
		// Another program is heard instead of the first one, not after it.
		return SyncFrame{Size: f.size, Samples: f.samples(), Dependent: f.dependent || f.substream > 0}, err
	}
	return SyncFrame{}, ErrUnknownCodec
}

// Samples tells how many samples of each channel a packet of sound holds, at the
// rate of its track; 0 if that cannot be told.
func (a Audio) Samples(c media.Codec, packet []byte) int {
	switch c {
	case media.Opus:
		const longest = opusRate * 120 / 1000 // RFC 6716, 3.2.5
		if n := int(opus.PacketDuration2(packet)); n <= longest {
			return n
		}
		return 0
	case media.FLAC:
		return flacSamples(packet)
	case media.PCM, media.ALaw, media.MuLaw:
		return len(packet) / max(1, a.Channels*a.SampleBits/8)
	}
	if SelfDescribing(c) {
		f, _ := ParseSyncFrame(c, packet)
		return f.Samples
	}
	return a.FrameSamples
}

// flacSamples reads the block size from the header of a frame (RFC 9639, 9.1).
func flacSamples(frame []byte) int {
	const head = 4
	if len(frame) < head+1 || frame[0] != 0xFF || frame[1]&0xFE != 0xF8 {
		return 0
	}
	// Behind the head stands a number coded like UTF-8, of up to 7 bytes, and then
	// an uncommon block size.
	rest := frame[head:]
	ones := 0
	for rest[0]<<ones&0x80 != 0 && ones < 8 {
		ones++
	}
	rest = rest[min(max(ones, 1), len(rest)):]
	switch n := frame[2] >> 4; {
	case n == 1:
		return 192
	case n >= 2 && n <= 5:
		return 144 << n
	case n == 6 && len(rest) >= 1:
		return int(rest[0]) + 1
	case n == 7 && len(rest) >= 2:
		return int(rest[0])<<8 + int(rest[1]) + 1
	case n >= 8:
		return 1 << n
	}
	return 0
}

// FrameConfig returns what a frame tells where a configuration is missing: the
// frame itself if such a codec needs no other, the record of a key frame of VP8 or
// VP9, or nil, as of a frame that cannot be read. It may alias the frame.
func FrameConfig(c media.Codec, frame []byte, key bool) []byte {
	switch {
	case SelfDescribing(c):
		config := frame[:min(len(frame), MaxConfig)]
		if _, err := ParseAudio(c, config); err == nil { // else a later one tells
			return config
		}
	case key && c == media.VP8:
		return vp8Record(frame)
	case key && c == media.VP9:
		return vp9Record(frame)
	}
	return nil
}
