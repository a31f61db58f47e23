package flv

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// copyFlush is how much of a copy collects before it is written, in bytes.
const copyFlush = 1 << 20

// Copy writes the audio and video tags of anybody's file into a new file of ours,
// finished and with times from 0, up to the first tag that is not whole.
func Copy(dst container.File, src io.ReaderAt, size int64) error {
	tags, err := NewReader(src, size)
	if err != nil {
		return err
	}
	x, _ := Scan(src, size)
	w := NewWriter(dst, Index{Created: x.Created, FrameRate: x.FrameRate})
	base := x.begin()
	for {
		tag, err := tags.Next()
		var broken *container.FormatError
		if err == io.EOF || errors.As(err, &broken) {
			break // Scan has said what it is
		}
		if err != nil {
			return err
		}
		if tag.Type != TagAudio && tag.Type != TagVideo || len(tag.Body) == 0 {
			continue
		}
		p, err := Parse(tag.Type, bytes.Clone(tag.Body))
		if err != nil {
			continue // nothing that a player could use
		}
		if err := w.Write(p, max(0, tag.Time-base)); err != nil {
			return err
		}
		if w.Buffered() >= copyFlush {
			if err := w.Flush(); err != nil {
				return err
			}
		}
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
