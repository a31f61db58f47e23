package flv

import (
	"math"
	"time"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Index is what is known of an FLV file without its media: what Finalize needs to
// finish it. Writer fills it tag by tag; Scan rebuilds it with the same code. Only
// Scan lists the samples of the tracks; the offset of one is that of its tag's body.
type Index struct {
	container.Index
	FrameRate float64 // as announced, by the publisher or onMetaData; 0 if it was not
	Tags      int     // audio and video tags

	video, audio trackInfo
	start        point   // the first decoder configuration
	points       []point // every stride-th keyframe
	stride       int     // doubles when points is full
	keys         int     // keyframes seen
	synced       int64   // a mark tells that what lies before is on the disk

	finished bool // onMetaData tells duration and size; Finalize sets it

	// What Scan has found besides.
	Ours      bool // written by rtmptool
	claims    claims
	repairs   container.Plan // what mends damaged tags in place
	immovable bool           // there is damage that cannot be mended so
	torn      []outcast      // tags that a power cut has touched
	unproven  unproven
}

// point is a place where a player can begin.
type point struct {
	time   time.Duration
	offset int64
}

// trackInfo is what onMetaData says of track 0 of a kind: of its first
// configuration, should it change, as players read it before that one.
type trackInfo struct {
	seen          bool
	codec         media.Codec
	codecID       float64 // legacy number, or FourCC
	width, height int
	fps           float64
	rate          int // samples a second
	channels      int
	frames        int
	first, last   time.Duration
	step          time.Duration // between the last two frames
}

func (t *trackInfo) end() time.Duration { return t.last + t.step }

// Duration is the time from the first frame to the end of the last one. The last
// frame is taken to be as long as the one before it.
func (x *Index) Duration() time.Duration {
	v, a := &x.video, &x.audio
	switch {
	case v.frames == 0:
		return a.end() - a.first
	case a.frames == 0:
		return v.end() - v.first
	}
	return max(v.end(), a.end()) - min(v.first, a.first)
}

// Frames counts the video and audio frames of track 0.
func (x *Index) Frames() (video, audio int) { return x.video.frames, x.audio.frames }

// Codecs returns the codecs of track 0, 0 for one that is absent.
func (x *Index) Codecs() (video, audio media.Codec) { return x.video.codec, x.audio.codec }

// add takes note of a tag at an offset and of the file's new end.
func (x *Index) add(p *media.Packet, at time.Duration, offset, end int64) {
	x.Tags++
	x.End = end
	t := &x.audio
	if p.Kind == media.Video {
		t = &x.video
	}
	if p.Role == media.Decoder && x.start.offset == 0 {
		x.start = point{at, offset}
	}
	if p.Track != 0 {
		return
	}
	switch p.Role {
	case media.Decoder:
		t.describe(p, Config(p))
	case media.Frame:
		t.describe(p, nil)
		t.frame(at)
		if p.Key {
			x.addPoint(point{at, offset})
		}
	}
}

// frame counts a frame. Times that go back do not count for the step.
func (t *trackInfo) frame(at time.Duration) {
	if t.frames == 0 {
		t.first, t.last = at, at
	}
	if at > t.last {
		t.step, t.last = at-t.last, at
	}
	t.first = min(t.first, at)
	t.frames++
}

// addPoint keeps the list of keyframes within its room, evenly spread.
func (x *Index) addPoint(p point) {
	x.stride = max(x.stride, 1)
	if x.keys%x.stride == 0 {
		x.points = append(x.points, p)
	}
	x.keys++
	if len(x.points) < maxKeyframes {
		return
	}
	kept := x.points[:0]
	for i := 0; i < len(x.points); i += 2 {
		kept = append(kept, x.points[i])
	}
	x.points = kept
	x.stride *= 2
}

// keyframes is the index as players expect it: entry 0 is the first decoder
// configuration (mpegts.js drops that one), then the keyframes. FFmpeg clears an
// index whose first two entries do not follow each other, so a stream without a
// configuration in front has none of it here.
func (x *Index) keyframes() []point {
	if len(x.points) == 0 || x.start.offset == 0 || x.start.offset > x.points[0].offset {
		return x.points
	}
	return append([]point{x.start}, x.points...)
}

// frameRate is the announced rate, else that of the configuration, else 0.
func (x *Index) frameRate() float64 {
	if x.FrameRate > 0 {
		return x.FrameRate
	}
	return x.video.fps
}

// measuredRate is the mean rate of all frames, for a finished file.
func (x *Index) measuredRate() float64 {
	v := &x.video
	if v.last <= v.first {
		return 0
	}
	rate := float64(v.frames-1) / (v.last - v.first).Seconds()
	return math.Round(rate*100) / 100
}

// describe learns a track's properties from its configuration, and from its
// first frame where a codec has none. What cannot be read stays unknown.
func (t *trackInfo) describe(p *media.Packet, config []byte) {
	if !t.seen {
		t.seen, t.codec, t.codecID = true, p.Codec, codecID(p)
	}
	if p.Kind == media.Video {
		t.describeVideo(p, config)
	} else {
		t.describeAudio(p, config)
	}
}

func (t *trackInfo) describeVideo(p *media.Packet, config []byte) {
	if config != nil {
		v, err := codec.ParseVideo(p.Codec, config)
		if err == nil && t.width == 0 {
			t.width, t.height = v.Width, v.Height
		}
		if err == nil && t.fps == 0 {
			t.fps = v.FPS
		}
	}
	if t.width == 0 && p.Key {
		t.width, t.height, _ = codec.ParseFrameSize(p.Codec, payload(p))
	}
}

func (t *trackInfo) describeAudio(p *media.Packet, config []byte) {
	if t.rate != 0 {
		return
	}
	if config == nil {
		config = Config(p)
	}
	if config != nil {
		if a, err := codec.ParseAudio(p.Codec, config); err == nil {
			t.rate, t.channels = a.SampleRate, a.Channels
		}
	}
}

// codecID is what onMetaData calls the codec: the legacy number of a legacy body
// (FLV E.5), the FourCC as a number of an enhanced one (E-RTMP "onMetaData").
func codecID(p *media.Packet) float64 {
	h, err := ParseHeader(p.Kind, p.Body)
	switch {
	case err != nil || h.Enhanced:
		return float64(p.Codec)
	case p.Kind == media.Video:
		return float64(h.Legacy & 15)
	}
	return float64(h.Legacy >> 4)
}
