package server

import (
	"bytes"
	"fmt"
	"time"

	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Limits for what others must keep of a publisher.
const (
	maxTracks     = 16       // of a kind
	maxHeader     = 64 << 10 // bytes of a header; a longer one is passed on, but kept for nobody
	maxHeaderRate = 10       // headers a second that differ from the one before, of a slot
)

// headers watches the tracks of a publisher and what precedes their frames.
type headers struct {
	tracks map[trackKey]bool
	count  [media.Data + 1]int // of tracks, by kind
	newest map[media.Slot]*header
}

type header struct {
	body []byte
	rate rate
}

func newHeaders() headers {
	return headers{tracks: make(map[trackKey]bool), newest: make(map[media.Slot]*header)}
}

// admit notes a packet. Of two errors the first one says what is wrong with a header
// that is passed on all the same, the second one why a packet must be dropped.
func (h *headers) admit(p *media.Packet, now time.Time) (broken, err error) {
	if key := (trackKey{p.Kind, p.Track}); !h.tracks[key] {
		if h.count[p.Kind] == maxTracks {
			return nil, fmt.Errorf("%s track %d: more than %d tracks", p.Kind, p.Track, maxTracks)
		}
		h.tracks[key] = true
		h.count[p.Kind]++
	}
	if !p.Config() {
		return nil, nil
	}
	if n := len(p.Body); n > maxHeader {
		p.Role = media.Other
		return fmt.Errorf("%s header of %d bytes: more than %d are not kept for viewers who join", p.Kind, n, maxHeader), nil
	}
	last := h.newest[p.Slot()]
	if last == nil {
		last = &header{rate: rate{limit: maxHeaderRate, burst: maxHeaderRate}}
		h.newest[p.Slot()] = last
	}
	if bytes.Equal(last.body, p.Body) {
		return nil, nil // many encoders repeat it with every keyframe
	}
	if !last.rate.allow(now) {
		return nil, fmt.Errorf("%s track %d: more than %d changed headers a second", p.Kind, p.Track, maxHeaderRate)
	}
	last.body = p.Body
	return flv.CheckConfigs(p), nil
}
