package container

import (
	"iter"
	"math"
)

// Reader reads the rows of a track in order.
type Reader struct {
	rows     []Row // of a block
	at       int
	blocks   [][]byte // behind it
	open     []byte   // and the last one
	end, dts int64    // of the last one of rows
	buf      [blockRows]Row
}

// Reader begins in front of the first row.
func (t *Track) Reader() *Reader {
	r := &Reader{at: -1, blocks: t.blocks}
	if t.open.rows > 0 {
		r.open = t.open.pack()
	}
	return r
}

// Next moves on to a row, and returns false behind the last one.
func (r *Reader) Next() bool {
	r.at++
	return r.at < len(r.rows) || r.fill()
}

// Row is the row that Next has moved to, until it moves on.
func (r *Reader) Row() *Row { return &r.rows[r.at] }

// fill takes the next block.
func (r *Reader) fill() bool {
	packed := r.open
	switch {
	case len(r.blocks) > 0:
		packed, r.blocks = r.blocks[0], r.blocks[1:]
	case r.open != nil:
		r.open = nil
	default:
		return false
	}
	r.rows, r.at = unpack(r.buf[:], packed, r.end, r.dts), 0
	last := &r.rows[len(r.rows)-1]
	r.end, r.dts = last.End(), last.DTS
	return true
}

// Rows yields the rows in order.
func (t *Track) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		r := t.Reader()
		for r.Next() && yield(*r.Row()) {
		}
	}
}

// InFileOrder yields the rows of tracks, with the index of the track, in the order in
// which the samples lie in the file, as far as each track is in this order. A row is
// valid until the next one.
func InFileOrder(tracks []*Track) iter.Seq2[int, *Row] {
	return func(yield func(int, *Row) bool) {
		readers := make([]*Reader, len(tracks))
		offsets := make([]int64, len(tracks)) // of their rows
		advance := func(i int) {
			offsets[i] = math.MaxInt64
			if readers[i].Next() {
				offsets[i] = readers[i].Row().Offset
			}
		}
		for i, t := range tracks {
			readers[i] = t.Reader()
			advance(i)
		}
		for {
			first, least := 0, int64(math.MaxInt64)
			for i, at := range offsets {
				if at < least {
					first, least = i, at
				}
			}
			if least == math.MaxInt64 || !yield(first, readers[first].Row()) {
				return
			}
			advance(first)
		}
	}
}
