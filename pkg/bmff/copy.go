package bmff

import (
	"cmp"
	"io"
	"iter"
	"math"
	"slices"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Copy writes the samples of anybody's file, in the order in which they lie there,
// into a new plain file: ftyp | mdat | moov.
func Copy(dst container.File, src io.ReaderAt, x *Index) error {
	y := &Index{Index: container.Index{Created: x.Created}, InBand: x.InBand, details: x.details}
	var rows []*source
	for _, t := range x.Tracks {
		to := &container.Track{Track: t.Track, Timescale: t.Timescale}
		y.Tracks = append(y.Tracks, to)
		next, stop := iter.Pull(t.Rows())
		defer stop()
		s := &source{next: next, to: to}
		s.advance()
		rows = append(rows, s)
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
	for len(rows) > 0 {
		first := slices.MinFunc(rows, func(a, b *source) int { return cmp.Compare(a.offset(), b.offset()) })
		if first.offset() == math.MaxInt64 {
			break
		}
		row := first.row
		if row.Offset != end {
			if err := move(); err != nil {
				return err
			}
			from = row.Offset
		}
		end = row.End()
		row.Offset = at
		first.to.Add(row)
		at += int64(row.Size)
		first.advance()
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

// source is a track that is being copied.
type source struct {
	next func() (container.Row, bool)
	row  container.Row
	done bool
	to   *container.Track
}

func (s *source) advance() {
	row, ok := s.next()
	s.row, s.done = row, !ok
}

func (s *source) offset() int64 {
	if s.done {
		return math.MaxInt64
	}
	return s.row.Offset
}
