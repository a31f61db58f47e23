package flv

import (
	"errors"
	"io"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// copyFlush is how much of a copy collects before it is written, in bytes.
const copyFlush = 1 << 20

// errNothing: there is nothing to copy.
var errNothing = errors.New("flv: no whole tag")

// Copy writes all whole audio and video tags of anybody's file, of which x is what
// Scan found, into a new file of ours: finished, with times from 0, and without what
// is damaged.
func Copy(dst container.File, src io.ReaderAt, size int64, x *Index) error {
	if x.Tags == 0 {
		return errNothing
	}
	w := NewWriter(dst, Options{Created: x.Created, FrameRate: x.FrameRate})
	s := newScanner(src, size)
	s.giveWay = x.torn
	base := x.begin()
	for tag := range s.tags() {
		if d, ok := parseDrop(tag.Type, tag.Body); ok && x.Ours {
			d.At = tag.Time - base
			if err := w.Drop(d); err != nil {
				return err
			}
			continue
		}
		if isScript(tag.Type) || len(tag.Body) == 0 {
			continue
		}
		p, err := classify(tag.Type, tag.Body)
		if err != nil {
			continue // nothing that a player could use
		}
		if err := w.Write(&p, max(0, tag.Time-base)); err != nil {
			return err
		}
		if w.Buffered() >= copyFlush {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	if s.err != nil {
		return s.err
	}
	return w.Close()
}

// begin is the time of the first frame of track 0.
func (x *Index) begin() time.Duration {
	switch {
	case x.video.frames == 0:
		return x.audio.first
	case x.audio.frames == 0:
		return x.video.first
	}
	return min(x.video.first, x.audio.first)
}
