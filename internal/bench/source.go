package bench

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// source makes the messages of one stream: frames of a size, a keyframe four times as
// long as others, AAC of 64 kbit/s beside them. The parameter sets are those of encoders (x264, x265:
// 1280x720, 30 frames a second, no B frames), and slices begin as theirs do, so that servers
// that read them can; the pictures are noise that no decoder is shown.
type source struct {
	video   codec
	fps     int
	gop     int // frames from one keyframe to the next
	frame   int // bytes
	key     int // bytes
	payload []byte
}

// codec is how a video frame is wrapped.
type codec struct {
	config     []byte // message body
	key, frame []byte // start of a message body, up to the length of the NAL unit
	slice      func(dst []byte, inGOP int, n uint64) []byte
}

var codecs = map[string]codec{
	// Legacy FLV video tag; AVCDecoderConfigurationRecord: ISO/IEC 14496-15, 5.3.3.1.
	"h264": {
		config: unhex("17 00 000000" + "0164001fffe10018" + "6764001facb402802dd80880000003008000001e478c1950" + "01000468ee0fcb" + "fdf8f800"),
		key:    unhex("17 01 000000"), frame: unhex("27 01 000000"),
		slice: appendAVCSlice,
	},
	// Enhanced RTMP, SequenceStart and CodedFramesX; HEVCDecoderConfigurationRecord: 8.3.3.1.
	"hevc": {
		config: unhex("90 68766331" + hvcC),
		key:    unhex("93 68766331"), frame: unhex("a3 68766331"),
		slice: appendHEVCSlice,
	},
}

const hvcC = "0101600000009000000000005df000fcfdf8f800000f03" +
	"2000010018" + "40010c01ffff01600000030090000003000003005dba0240" +
	"2100010029" + "42010101600000030090000003000003005da00280802d165ba924c2f0168080000003008000000f04" +
	"2200010007" + "4401c172b02240"

// Sound: AAC-LC of 48 kHz, stereo, a frame of 1024 samples each 21.3 ms.
var (
	aacConfig = unhex("af 00 1190")
	aacFrame  = append(unhex("af 01"), make([]byte, aacBytes)...)
)

const (
	aacBytes = 171 // 64 kbit/s
	aacTime  = 1024 * time.Second / 48000
	maxFrame = 8 << 20
)

func unhex(s string) []byte {
	var out []byte
	for i := range len(s) {
		if s[i] != ' ' {
			out = append(out, s[i])
		}
	}
	b, err := hex.DecodeString(string(out))
	if err != nil {
		panic(err)
	}
	return b
}

// newSource divides a bitrate (bit/s, sound included) among frames.
func newSource(codecName string, bitrate int64, fps, gop int) (*source, error) {
	c, ok := codecs[codecName]
	if !ok {
		return nil, fmt.Errorf("codec %q is unknown: use h264 or hevc", codecName)
	}
	const keyTimes = 4
	perSecond := bitrate/8 - int64(float64(len(aacFrame))*float64(time.Second)/float64(aacTime))
	s := &source{video: c, fps: fps, gop: gop}
	s.frame = int(perSecond * int64(gop) / int64(fps) / int64(gop+keyTimes-1))
	s.key = keyTimes * s.frame
	least := len(c.key) + 4 + maxSlice + stampSize
	if s.frame < least {
		return nil, fmt.Errorf("a bitrate of %d bit/s is too small for %d frames a second and sound: use %d or more", bitrate, fps,
			int64(8*least*fps)*int64(gop+keyTimes-1)/int64(gop)+8*int64(len(aacFrame))*50)
	}
	if s.key > maxFrame {
		return nil, fmt.Errorf("a keyframe would be %d bytes, at most %d are sent: lower the bitrate or raise the frame rate", s.key, maxFrame)
	}
	s.payload = make([]byte, s.key)
	seed := uint32(1)
	for i := range s.payload { // noise that never looks like a start code
		seed = seed*1664525 + 1013904223
		s.payload[i] = 0x80 | byte(seed>>24)
	}
	return s, nil
}

// head returns what a stream begins with.
func (s *source) head() []rtmp.Message {
	return []rtmp.Message{{Type: rtmp.TypeVideo, Body: s.video.config}, {Type: rtmp.TypeAudio, Body: aacConfig}}
}

// inGOP is how many frames after a keyframe frame n is, 0 for a keyframe. The first GOP is so
// many frames shorter as early says, which is less than a GOP.
func (s *source) inGOP(n, early int) int {
	if n < s.gop-early {
		return n
	}
	return (n + early) % s.gop
}

// appendFrame appends the body of a video frame, which is so many after a keyframe as inGOP says.
func (s *source) appendFrame(dst []byte, inGOP int, st stamp) []byte {
	start, size := s.video.frame, s.frame
	if inGOP == 0 {
		start, size = s.video.key, s.key
	}
	end := len(dst) + size
	unit := size - len(start) - 4
	dst = append(dst, start...)
	dst = append(dst, byte(unit>>24), byte(unit>>16), byte(unit>>8), byte(unit))
	dst = s.video.slice(dst, inGOP, st.frame)
	at := len(dst)
	dst = append(dst, s.payload[:end-at]...)
	st.put(dst[at:])
	return dst
}

// dueAt is when video frame n is due, from the start of its stream.
func (s *source) dueAt(n int) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(s.fps)
}

// findStamp looks for the stamp of a video message, behind at most a few NAL units that a
// server may have put in front.
func findStamp(body []byte) (stamp, bool) {
	const far = 512
	for i := range min(len(body), far) {
		if body[i] == stampMark[0] {
			if s, ok := readStamp(body[i:]); ok {
				return s, true
			}
		}
	}
	return stamp{}, false
}
