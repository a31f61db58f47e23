package flv

import (
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

// Names of script data.
const (
	metadataName    = "onMetaData"
	setDataFrame    = "@setDataFrame"
	clearDataFrame  = "@clearDataFrame"
	metadataEncoder = "rtmptool"
)

// The script tag of our files has one size for life, so that closing a file, or
// mending it, only overwrites it. What is not used is a spacer of zeros, behind
// the arrays in "keyframes": FFmpeg wants those first, and as numbers.
const (
	scriptSize   = 36 << 10 // bytes of body: fewer values than pkg/amf's limit
	numberSize   = 9        // an AMF number
	minSpacer    = 1
	maxKeyframes = 2000 // then every other entry goes

	blanks = "        " // fill what is less than a number
)

// StripDataFrame removes the "@setDataFrame" with which publishers mark metadata
// to be kept (RTMP has no clause for it; every server does so). It reports false
// for "@clearDataFrame", which is nothing to pass on.
func StripDataFrame(body []byte) ([]byte, bool) {
	name, n, err := amf.ParseValue(body)
	switch {
	case err != nil || name == clearDataFrame:
		return nil, false
	case name == setDataFrame:
		return body[n:], true
	}
	return body, true
}

// FrameRate returns the frames a second that a publisher's metadata announces,
// or 0.
func FrameRate(body []byte) float64 {
	values, _ := amf.Parse(body)
	return frameRate(values)
}

// AnnouncesAudio reports whether a publisher's metadata names an audio codec.
func AnnouncesAudio(body []byte) bool {
	values, _ := amf.Parse(body)
	for _, v := range values {
		if _, ok := amf.Get(v, "audiocodecid"); ok {
			return true
		}
	}
	return false
}

func frameRate(values []any) float64 {
	for _, v := range values {
		if rate, ok := amf.Get(v, "framerate"); ok {
			if fps, ok := amf.Number(rate); ok && fps > 0 && fps < 1000 {
				return fps
			}
		}
	}
	return 0
}

// created returns when a file of ours began, or zero.
func created(values []any) time.Time {
	for _, v := range values {
		date, _ := amf.Get(v, "creationdate")
		if s, ok := date.(string); ok {
			if at, err := time.Parse(time.RFC3339, s); err == nil {
				return wallClock(at)
			}
		}
	}
	return time.Time{}
}

// wallClock returns a time as "creationdate" keeps it, or zero if it cannot.
func wallClock(at time.Time) time.Time {
	at = at.UTC().Truncate(time.Second)
	if at.Year() < 0 || at.Year() > 9999 { // RFC 3339 has four digits
		return time.Time{}
	}
	return at
}

// appendScript appends the body of onMetaData, exactly scriptSize bytes.
func (x *Index) appendScript(dst []byte) []byte {
	base := len(dst)
	properties := x.properties()
	keyframes := x.keyframes()
	times := make(amf.StrictArray, len(keyframes))
	positions := make(amf.StrictArray, len(keyframes))
	for i, k := range keyframes {
		times[i] = k.time.Seconds()
		positions[i] = float64(k.offset)
	}
	encode := func(spacer int, padding string) []byte {
		zeros := make(amf.StrictArray, spacer)
		for i := range zeros {
			zeros[i] = 0.0
		}
		room := amf.Property{Key: "spacer", Value: zeros}
		if len(keyframes) > 1 { // FFmpeg warns of a shorter index
			room = amf.Property{Key: "keyframes", Value: amf.Object{
				{Key: "times", Value: times}, {Key: "filepositions", Value: positions}, room}}
		}
		all := append(slices.Clip(properties), room, amf.Property{Key: "padding", Value: padding})
		return amf.Append(dst[:base], metadataName, all)
	}
	free := scriptSize - (len(encode(minSpacer, "")) - base)
	if free < 0 {
		panic("internal error: the script tag has no room for its index")
	}
	return encode(minSpacer+free/numberSize, blanks[:free%numberSize])
}

// properties lists what is known of the file, in the order of FLV E.5 and as
// FFmpeg and players look for it.
func (x *Index) properties() amf.ECMAArray {
	var p amf.ECMAArray
	add := func(key string, value any) { p = append(p, amf.Property{Key: key, Value: value}) }
	duration, size := 0.0, 0.0 // unknown: players look for the last tag
	if x.finished {
		duration, size = x.Duration().Seconds(), float64(x.End)
	}
	add("duration", duration)
	add("filesize", size)
	if v := x.video; v.seen {
		if v.width > 0 {
			add("width", float64(v.width))
			add("height", float64(v.height))
		}
		add("videocodecid", v.codecID)
	}
	if rate := x.frameRate(); rate > 0 { // maybe announced for video that is still to come
		add("framerate", rate)
	}
	if a := x.audio; a.seen {
		if a.rate > 0 {
			add("audiosamplerate", float64(a.rate))
			add("audiosamplesize", 16.0)
		}
		if a.channels > 0 {
			add("audiochannels", float64(a.channels))
			add("stereo", a.channels > 1)
		}
		add("audiocodecid", a.codecID)
	}
	add("hasVideo", x.video.seen)
	add("hasAudio", x.audio.seen)
	add("hasKeyframes", len(x.points) > 0)
	add("canSeekToEnd", true)
	add("encoder", metadataEncoder)
	if !x.Created.IsZero() {
		add("creationdate", x.Created.UTC().Format(time.RFC3339))
	}
	return p
}
