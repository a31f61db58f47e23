package record

import (
	"math"
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

const (
	// audioLead is how much audio before the first keyframe is kept.
	audioLead = 2 * time.Second
	// audioAlone is how long video is waited for while there is audio.
	audioAlone = 2 * time.Second
	// audioWait is how long an MP4 file waits for the audio's header.
	audioWait = 500 * time.Millisecond
)

// maxPending bounds pending, whatever the clock of the publisher says, in bytes.
const maxPending = 8 << 20

// pending holds what comes before a file can begin: the newest configurations,
// and the audio just before the first keyframe.
type pending struct {
	configs   []*media.Packet
	audio     []*media.Packet // and the audio configurations that came in between
	key       *media.Packet   // the keyframe to begin with
	after     []*media.Packet // what came while the header of the audio was waited for
	bytes     int             // of all but key
	sawVideo  bool
	keepAll   bool // what comes before the keyframe belongs to no earlier file
	frameRate float64
	silent    bool // the metadata announces no audio
}

// restart forgets what it holds, but not what is known of the stream.
func (q *pending) restart(configs []*media.Packet, sawVideo bool) {
	*q = pending{configs: slices.Clone(configs), sawVideo: sawVideo, frameRate: q.frameRate, silent: q.silent}
	for _, p := range configs {
		q.bytes += p.Size()
	}
}

// forgo lets a keyframe pass with which no file can begin. The sound may be that
// before the next one.
func (q *pending) forgo() {
	for _, p := range q.after {
		if p.Kind == media.Audio {
			q.audio = append(q.audio, p)
		} else {
			q.bytes -= p.Size()
		}
	}
	q.key, q.after, q.keepAll = nil, nil, false
}

// learn takes the frame rate from the publisher's metadata.
func (q *pending) learn(p *media.Packet) {
	if p.Role != media.Metadata {
		return
	}
	if q.frameRate == 0 {
		q.frameRate = flv.FrameRate(p.Body)
	}
	q.silent = !flv.AnnouncesAudio(p.Body)
}

// add keeps a packet and reports whether the file can begin: at a keyframe, or
// after enough audio without any video.
func (q *pending) add(p *media.Packet, format Format) bool {
	switch {
	case q.key != nil: // an MP4 that waits for the audio's header
		q.after = append(q.after, p)
		q.bytes += p.Size()
		return describesAudio(p) || p.DTS-q.key.DTS >= audioWait || q.bytes > maxPending
	case p.Config() && (p.Kind != media.Audio || len(q.audio) == 0):
		q.addConfig(p)
	case p.Kind == media.Video:
		if p.Role != media.Frame {
			return false
		}
		q.sawVideo = true
		if p.Key && p.Track == 0 {
			q.key = p
			if !q.keepAll {
				q.keepAudioSince(p.DTS - audioLead)
			}
			return format.wants(p.Codec) == FLV || q.silent || q.hasAudio()
		}
	case p.Role == media.Frame || p.Config():
		q.audio = append(q.audio, p)
		q.bytes += p.Size()
		switch {
		case q.keepAll:
			q.keepAudioSince(math.MinInt64)
			return false
		case q.sawVideo:
			q.keepAudioSince(p.DTS - audioLead)
			return false
		}
		return p.DTS-q.audio[0].DTS >= audioAlone || q.bytes > maxPending
	}
	return false
}

func (q *pending) keepAudioSince(since time.Duration) {
	for len(q.audio) > 0 && (q.audio[0].DTS < since || q.bytes > maxPending) {
		oldest := q.audio[0]
		q.audio = q.audio[1:]
		q.bytes -= oldest.Size()
		if oldest.Config() {
			q.addConfig(oldest)
		}
	}
}

// addConfig keeps one packet of each kind, role and track, in the order of their
// arrival.
func (q *pending) addConfig(p *media.Packet) {
	q.configs = slices.DeleteFunc(q.configs, func(c *media.Packet) bool {
		old := c.Slot() == p.Slot()
		if old {
			q.bytes -= c.Size()
		}
		return old
	})
	if q.bytes+p.Size() <= maxPending {
		q.configs = append(q.configs, p)
		q.bytes += p.Size()
	}
}

// replaceConfig keeps one packet of each kind, role and track.
func replaceConfig(configs []*media.Packet, p *media.Packet) []*media.Packet {
	return append(slices.DeleteFunc(configs, func(c *media.Packet) bool { return c.Slot() == p.Slot() }), p)
}

func (q *pending) hasAudio() bool {
	return slices.ContainsFunc(q.audio, describesAudio) || slices.ContainsFunc(q.configs, describesAudio)
}

// describesAudio reports whether a track of sound can begin with what a packet tells:
// a header, or a frame where there is none.
func describesAudio(p *media.Packet) bool { return p.Kind == media.Audio && flv.Config(p) != nil }

// worthKeeping: the publication ended, and all there is is some audio.
func (q *pending) worthKeeping() bool {
	return q.key != nil || slices.ContainsFunc(q.audio, func(p *media.Packet) bool { return p.Role == media.Frame })
}

// take returns everything in the order in which it goes into the file.
func (q *pending) take() []*media.Packet {
	packets := append(q.configs, q.audio...)
	if q.key != nil {
		packets = append(packets, q.key)
	}
	packets = append(packets, q.after...)
	*q = pending{frameRate: q.frameRate, silent: q.silent}
	return packets
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
