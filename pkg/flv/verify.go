package flv

import (
	"fmt"
	"io"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Verify reads every frame of video of a file that Scan made the index of, and finds (F26)
// those whose NAL units have lengths that do not add up: damaged, or published so. FLV has
// no checksum, so that other damage to media is not seen. The error is one of reading.
func Verify(r io.ReaderAt, x *Index) ([]container.Finding, error) {
	var all []container.Finding
	for _, t := range x.Tracks {
		if t.Kind != media.Video {
			continue
		}
		v, _ := codec.ParseVideo(t.Codec, t.Config) // of what cannot be read lengths have four bytes
		found, err := container.Misfits(r, t, func(body []byte) bool {
			p, err := parseVideo(body)
			if err != nil {
				return true // it was counted when it could be read
			}
			for s := range Samples(&p) {
				if s.Track == t.ID && !codec.UnitsFit(s.Codec, s.Data, v.NALULength) {
					return false
				}
			}
			return true
		}, "F26", "rot: the lengths of the NAL units of %s do not add up: damaged, or published so")
		if err != nil {
			return nil, fmt.Errorf("flv: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}
