package record

import (
	"time"

	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

const (
	// audioLead is how much audio before the first keyframe is kept.
	audioLead = 2 * time.Second
	// audioAlone is how long video is waited for while there is audio.
	audioAlone = 2 * time.Second
)

// pending holds what comes before a file can begin: the newest configurations,
// and the audio just before the first keyframe.
type pending struct {
	configs   []*media.Packet
	audio     []*media.Packet
	key       *media.Packet // the keyframe to begin with
	sawVideo  bool
	frameRate float64
}

// learn takes the frame rate from the publisher's metadata.
func (q *pending) learn(p *media.Packet) {
	if p.Role == media.Metadata && q.frameRate == 0 {
		q.frameRate = flv.FrameRate(p.Body)
	}
}

// add keeps a packet and reports whether the file can begin: at a keyframe, or
// after enough audio without any video.
func (q *pending) add(p *media.Packet) bool {
	switch {
	case p.Config():
		q.configs = replaceConfig(q.configs, p)
	case p.Role != media.Frame:
	case p.Kind == media.Video:
		q.sawVideo = true
		if p.Key && p.Track == 0 {
			q.key = p
			q.keepAudioSince(p.DTS - audioLead)
			return true
		}
	default:
		q.audio = append(q.audio, p)
		if q.sawVideo {
			q.keepAudioSince(p.DTS - audioLead)
			return false
		}
		return p.DTS-q.audio[0].DTS >= audioAlone
	}
	return false
}

func (q *pending) keepAudioSince(since time.Duration) {
	for len(q.audio) > 0 && q.audio[0].DTS < since {
		q.audio = q.audio[1:]
	}
}

// worthKeeping: the publication ended, and all there is is some audio.
func (q *pending) worthKeeping() bool { return len(q.audio) > 0 }

// take returns everything in the order in which it goes into the file.
func (q *pending) take() []*media.Packet {
	packets := append(q.configs, q.audio...)
	if q.key != nil {
		packets = append(packets, q.key)
	}
	*q = pending{frameRate: q.frameRate}
	return packets
}

// replaceConfig keeps one packet of each kind, role and track, in the order of
// their arrival.
func replaceConfig(configs []*media.Packet, p *media.Packet) []*media.Packet {
	for i, c := range configs {
		if c.Kind == p.Kind && c.Role == p.Role && c.Track == p.Track {
			return append(append(configs[:i:i], configs[i+1:]...), p)
		}
	}
	return append(configs, p)
}

// earliest is the time of the first frame: a file's time counts from there.
func earliest(packets []*media.Packet) time.Duration {
	var base time.Duration
	found := false
	for _, p := range packets {
		if p.Role == media.Frame && (!found || p.DTS < base) {
			base, found = p.DTS, true
		}
	}
	return base
}
