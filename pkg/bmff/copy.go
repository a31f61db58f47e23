package bmff

import (
	"io"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Copy writes the samples of anybody's file, in the order in which they lie there,
// into a new plain file: ftyp | mdat | moov.
func Copy(dst container.File, src io.ReaderAt, x *Index) error {
	y := &Index{Index: container.Index{Created: x.Created}, InBand: x.InBand, details: x.details}
	for _, t := range x.Tracks {
		y.Tracks = append(y.Tracks, &container.Track{Track: t.Track, Timescale: t.Timescale})
	}
	at := int64(headSize)
	var from, end int64 // what lies in one piece and is not copied yet
	move := func() error {
		if end == from {
			return nil
		}
		n, err := io.Copy(io.NewOffsetWriter(dst, at-(end-from)), io.NewSectionReader(src, from, end-from))
		if err == nil && n < end-from {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	for i, r := range container.InFileOrder(x.Tracks) {
		row := *r
		if row.Offset != end {
			if err := move(); err != nil {
				return err
			}
			from = row.Offset
		}
		end = row.End()
		row.Offset = at
		y.Tracks[i].Add(row)
		at += int64(row.Size)
	}
	if err := move(); err != nil {
		return err
	}
	return y.seal(at).Apply(dst)
}

// seal plans the moov and the head of a file whose samples end at an offset.
func (x *Index) seal(end int64) container.Plan {
	x.End = end
	w := closing(x)
	return container.Plan{
		{Op: container.Write, Offset: end, Size: w.size(), Stream: w.writeTo},
		{Op: container.Sync},
		{Op: container.Write, Offset: 0, Data: closedHead(end)},
		{Op: container.Sync},
	}
}
