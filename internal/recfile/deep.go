package recfile

import (
	"fmt"
	"io"

	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// rot are the findings about media alone: no repair changes it.
var rot = map[string]bool{"F26": true, "M33": true, "M49": true}

// deepFLV reads the media of an FLV. It has no checksum.
func (r *Recording) deepFLV(f bare) error {
	return r.units(f, "F26", func(t *container.Track, body []byte, naluLength int) bool {
		p, err := flv.Parse(flv.TagVideo, body)
		if err != nil {
			return true // it was counted when it could be read
		}
		for s := range flv.Samples(p) {
			if s.Track == t.ID && !codec.UnitsFit(s.Codec, s.Data, naluLength) {
				return false
			}
		}
		return true
	})
}

// deepMP4 reads the media of an MP4, and compares it with the CRCs of ours.
func (r *Recording) deepMP4(f bare, x *bmff.Index) error {
	if x.Ours {
		f.job.step(f.File, r.Size)
		findings, err := bmff.Verify(f, r.Size, x)
		r.Findings = append(r.Findings, findings...)
		return err
	}
	return r.units(f, "M33", func(t *container.Track, sample []byte, naluLength int) bool {
		return codec.UnitsFit(t.Codec, sample, naluLength)
	})
}

// maxUnits is how long a sample is that units reads, in bytes.
const maxUnits = 64 << 20

// units finds the frames whose NAL units have lengths that do not add up. Where a format
// has no checksum that is all that can be told of the media: damage to anything else of a
// frame is not seen. Frames in a row are one finding.
func (r *Recording) units(f bare, code string, fit func(t *container.Track, sample []byte, naluLength int) bool) error {
	f.job.step(f.File, r.Size)
	var buf []byte
	for _, t := range r.Index.Tracks {
		if t.Kind != media.Video {
			continue
		}
		v, _ := codec.ParseVideo(t.Codec, t.Config) // of what cannot be read lengths have four bytes
		var from, last container.Row
		frames := 0
		found := func() {
			if frames == 0 {
				return
			}
			which := "a frame"
			if frames > 1 {
				which = fmt.Sprintf("%d frames, from %.3f s to %.3f s,", frames, t.Time(from.DTS).Seconds(), t.Time(last.DTS).Seconds())
			}
			r.Findings = append(r.Findings, container.Finding{Code: code, Severity: container.Warning, Offset: min(from.Offset, last.Offset), End: max(from.End(), last.End()),
				Text: "rot: the lengths of the NAL units of " + which + " do not add up: damaged, or published so"})
			frames = 0
		}
		for row := range t.Rows() {
			if row.Size > maxUnits {
				continue
			}
			if int(row.Size) > cap(buf) {
				buf = make([]byte, row.Size)
			}
			sample := buf[:row.Size]
			if n, err := f.ReadAt(sample, row.Offset); n < len(sample) {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return fmt.Errorf("read %d bytes at %d: %w", len(sample), row.Offset, err)
			}
			if fit(t, sample, v.NALULength) {
				found()
				continue
			}
			if frames == 0 {
				from = row
			}
			last = row
			frames++
		}
		found()
	}
	return nil
}
