package flv

import (
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// run is a recorded stream.
type run struct {
	name     string
	options  Options
	bodies   []timedBody
	flush    int // packets a flush
	duration time.Duration
	drops    map[int]container.Drop // in front of these bodies, or at the end
	long     bool
}

type timedBody struct {
	kind media.Kind
	ms   int64
	hex  string
}

func video(ms int64, hex string) timedBody { return timedBody{media.Video, ms, hex} }
func audio(ms int64, hex string) timedBody { return timedBody{media.Audio, ms, hex} }

// timedPacket is a packet, or a drop.
type timedPacket struct {
	*media.Packet
	at   time.Duration
	drop *container.Drop
}

func (p timedPacket) writeTo(w *Writer) error {
	if p.drop != nil {
		return w.Drop(*p.drop)
	}
	return w.Write(p.Packet, p.at)
}

func (r run) packets(t testing.TB) (packets []timedPacket) {
	for i := range len(r.bodies) + 1 {
		if d, ok := r.drops[i]; ok {
			packets = append(packets, timedPacket{&media.Packet{Kind: media.Data, Body: appendDropBody(nil, d)}, d.At, &d})
		}
		if i < len(r.bodies) {
			b := r.bodies[i]
			packets = append(packets, timedPacket{parse(t, b.kind, b.hex), time.Duration(b.ms) * time.Millisecond, nil})
		}
	}
	return packets
}

func (r run) flushAt(i int) bool { return i%r.flush == r.flush-1 }

// frames appends n video frames 40 ms apart, every gop-th of them a keyframe, and
// two audio frames behind each. An empty body is left out.
func frames(bodies []timedBody, n, gop int, key, inter func(i int) string, sound string) []timedBody {
	for i := range n {
		ms := int64(i * 40)
		body := inter(i)
		if i%gop == 0 {
			body = key(i)
		}
		if body != "" {
			bodies = append(bodies, video(ms, body))
		}
		if sound != "" {
			bodies = append(bodies, audio(ms+3, sound), audio(ms+24, sound))
		}
	}
	return bodies
}

func always(s string) func(int) string { return func(int) string { return s } }

var runs = []run{
	{name: "H.264 and AAC", options: Options{Created: someTime, FrameRate: 25}, flush: 3, duration: 805 * time.Millisecond,
		bodies: frames([]timedBody{video(0, "17 00 000000"+avcC720), audio(0, "AF 00 1190")},
			20, 5, always("17 01 000000"+avcKey), always("27 01 000000"+avcInter), "AF 01"+aacFrame)},
	{name: "H.264 with B-frames, rate from the configuration", flush: 1, duration: 800 * time.Millisecond,
		bodies: frames([]timedBody{video(0, "17 00 000000"+avcC720)},
			20, 7, always("17 01 000050"+avcKey), func(i int) string {
				return "27 01" + []string{"000078", "000000", "FFFFD8"}[i%3] + avcInter
			}, "")},
	{name: "HEVC and Opus, enhanced", options: Options{Created: someTime}, flush: 4, duration: 805 * time.Millisecond,
		bodies: frames([]timedBody{audio(0, "90 4F707573"+opusHead), audio(0, "94 4F707573 01 02 00000003"), video(0, "90 68766331"+hvcC)},
			20, 6, always("91 68766331 000028"+hevcKey), always("A3 68766331"+hevcInter), "91 4F707573 FC")},
	{name: "AV1, enhanced", flush: 2, duration: 480 * time.Millisecond, // without a rate: it is measured
		bodies: frames([]timedBody{video(0, "84 61763031 02 0009 636F6C6F72496E666F 03 000009"), video(0, "90 61763031"+av1C)},
			12, 4, always("91 61763031"+av1Key), always("A1 61763031"+av1Inter), "")},
	{name: "VP9 and FLAC, enhanced, size from the keyframe", flush: 5, duration: 485 * time.Millisecond,
		bodies: frames([]timedBody{audio(0, "90 664C6143"+streamInfo), video(0, "90 76703039"+vpcC)},
			12, 4, always("93 76703039"+vp9Key), always("A3 76703039"+vp9Inter), "91 664C6143 FFF8")},
	{name: "VP8 without a configuration", flush: 2, duration: 480 * time.Millisecond,
		bodies: frames(nil, 12, 4, always("91 76703038"+vp8Key), always("A1 76703038"+vp8Inter), "")},
	{name: "MP3 alone", options: Options{Created: someTime}, flush: 3, duration: 802 * time.Millisecond,
		bodies: frames(nil, 20, 1, always(""), always(""), "2F"+mp3Frame)},
	{name: "configuration changes", flush: 3, duration: 1700 * time.Millisecond,
		bodies: append(frames([]timedBody{video(0, "17 00 000000"+avcC720), audio(0, "AF 00 1190")},
			10, 5, always("17 01 000000"+avcKey), always("27 01 000000"+avcInter), "AF 01"+aacFrame),
			video(1500, "17 00 000000"+avcC1080), audio(1500, "AF 00 1210"), video(1500, "17 01 000000"+avcKey), video(1600, "27 01 000000"+avcInter),
			audio(1600, "AF 01"+aacFrame), audio(1621, "AF 01"+aacFrame))},
	{name: "video comes late", options: Options{FrameRate: 30}, flush: 2, duration: 4200 * time.Millisecond,
		bodies: []timedBody{audio(0, "2F"+mp3Frame), audio(1000, "2F"+mp3Frame), audio(2000, "2F"+mp3Frame), video(3000, "17 00 000000"+avcC720),
			video(3000, "17 01 000000"+avcKey), video(4000, "17 01 000000"+avcKey), video(4050, "27 01 000000"+avcInter), video(4050, "27 01 000000"+avcInter),
			audio(3100, "2F"+mp3Frame)}},
	{name: "tracks and oddities", flush: 4, duration: 288 * time.Millisecond, bodies: []timedBody{
		audio(-5, "AF 01"+aacFrame), // before its configuration
		video(0, "17 00 000000"+avcC720), audio(0, "AF 00 1190"), audio(0, "95 00 4F707573 01"+opusHead), video(0, "96 00 61766331 01"+avcC1080),
		video(0, "17 01 000000"+avcKey), video(0, "96 01 61766331 01 000000"+avcKey), audio(5, ""), audio(10, "AF 00"), audio(16, "95 01 4F707573 01 FC"),
		video(40, "27 01 000000"+avcInter), video(50, "D0 00"), video(120, "17 01 000000"+avcKey), video(80, "27 01 000000"+avcInter),
		video(120, "17 03 000000"), video(0, "17 02 000000"), video(120, "A9 61766331"), audio(139, "B2 01")}},
	{name: "times beyond 2^31 ms", flush: 1, duration: 11 * (1<<28 - 1) * time.Millisecond,
		bodies: func() (bodies []timedBody) {
			for i := range int64(11) {
				bodies = append(bodies, video(i*(1<<28-1), "17 01 000000"+avcKey))
			}
			return bodies
		}()},
	{name: "more keyframes than the index takes", flush: 50, duration: 4300 * 40 * time.Millisecond, long: true,
		bodies: frames([]timedBody{video(0, "90 76703039"+vpcC)},
			4300, 1, always("93 76703039"+vp9Key), always(""), "")},
	{name: "the disk was too slow", flush: 3, duration: 4724 * time.Millisecond,
		bodies: append(frames([]timedBody{video(0, "17 00 000000"+avcC720), audio(0, "AF 00 1190")},
			6, 5, always("17 01 000000"+avcKey), always("27 01 000000"+avcInter), "AF 01"+aacFrame),
			video(224, "17 00 000000"+avcC720), audio(224, "AF 00 1190"), video(4600, "17 01 000000"+avcKey), audio(4603, "AF 01"+aacFrame),
			video(4640, "27 01 000000"+avcInter), audio(4680, "AF 01"+aacFrame), audio(4702, "AF 01"+aacFrame)),
		drops: map[int]container.Drop{
			20: {At: 224 * time.Millisecond, Length: 4376 * time.Millisecond, Video: 109, Audio: 206},
			27: {At: 4702 * time.Millisecond, Length: time.Hour, Video: 1 << 31},
		}},
}
