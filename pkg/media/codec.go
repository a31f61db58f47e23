package media

// Codec is a FourCC, the first character in the highest byte. The codecs of the
// legacy RTMP numbers that have a FourCC in Enhanced RTMP use that one; the
// others have a FourCC of ours in capitals.
type Codec uint32

// The codecs that rtmptool knows by name (Enhanced RTMP v2, "FourCC"). A packet
// may carry any other one; it is relayed and recorded all the same.
const (
	H264 Codec = 'a'<<24 | 'v'<<16 | 'c'<<8 | '1'
	H265 Codec = 'h'<<24 | 'v'<<16 | 'c'<<8 | '1'
	AV1  Codec = 'a'<<24 | 'v'<<16 | '0'<<8 | '1'
	VP8  Codec = 'v'<<24 | 'p'<<16 | '0'<<8 | '8'
	VP9  Codec = 'v'<<24 | 'p'<<16 | '0'<<8 | '9'
	VVC  Codec = 'v'<<24 | 'v'<<16 | 'c'<<8 | '1'

	AAC  Codec = 'm'<<24 | 'p'<<16 | '4'<<8 | 'a'
	MP3  Codec = '.'<<24 | 'm'<<16 | 'p'<<8 | '3'
	Opus Codec = 'O'<<24 | 'p'<<16 | 'u'<<8 | 's'
	FLAC Codec = 'f'<<24 | 'L'<<16 | 'a'<<8 | 'C'
	AC3  Codec = 'a'<<24 | 'c'<<16 | '-'<<8 | '3'
	EAC3 Codec = 'e'<<24 | 'c'<<16 | '-'<<8 | '3'

	PCM        Codec = 'A'<<24 | 'U'<<16 | 'D'<<8 | '3' // little endian, or bytes without a sign
	Nellymoser Codec = 'A'<<24 | 'U'<<16 | 'D'<<8 | '6'
	ALaw       Codec = 'A'<<24 | 'U'<<16 | 'D'<<8 | '7' // G.711
	MuLaw      Codec = 'A'<<24 | 'U'<<16 | 'D'<<8 | '8' // G.711
	Speex      Codec = 'A'<<24 | 'U'<<16 | 'D'<<8 | 'b'
)

var codecNames = map[Codec]string{
	H264: "h264", H265: "h265", AV1: "av1", VP8: "vp8", VP9: "vp9", VVC: "vvc",
	AAC: "aac", MP3: "mp3", Opus: "opus", FLAC: "flac", AC3: "ac3", EAC3: "eac3",
	PCM: "pcm", ALaw: "alaw", MuLaw: "mulaw", Speex: "speex", Nellymoser: "nellymoser",
}

// String returns the codec's usual name, or the printable FourCC.
func (c Codec) String() string {
	if name, ok := codecNames[c]; ok {
		return name
	}
	if c == 0 {
		return "none"
	}
	b := []byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)}
	for i := range b {
		if b[i] < ' ' || b[i] > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
