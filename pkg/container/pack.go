package container

import (
	"encoding/binary"
	"math/bits"
)

// block is rows as columns of numbers that change little from row to row: the size,
// the gap in front of the sample, the step of the DTS, and the CTS with the key flag
// in the lowest bit.
type block struct {
	rows    int
	numbers [columns][blockRows]int64
}

const (
	columns   = 4
	blockRows = 256
)

// add appends the row that follows on a sample with that end and DTS.
func (b *block) add(r *Row, end, dts int64) {
	i := b.rows % blockRows
	shown := int64(r.CTS) << 1
	if r.Key {
		shown++
	}
	b.numbers[0][i] = int64(r.Size)
	b.numbers[1][i] = r.Offset - end
	b.numbers[2][i] = r.DTS - dts
	b.numbers[3][i] = shown
	b.rows++
}

// A packed block is how many rows there are, in 2 bytes, and the columns: the least
// number, in 8 bytes, how many bytes each of them takes, and each less the least. So a
// column of equal numbers takes nothing more.
const (
	blockHeader  = 2
	columnHeader = 8 + 1
	pastColumns  = 8 // behind the last column: a number is read as 8 bytes
)

func (b *block) pack() []byte {
	var least [columns]int64
	var width [columns]int
	size := blockHeader + pastColumns
	for c := range columns {
		numbers := b.numbers[c][:b.rows]
		low, high := numbers[0], numbers[0]
		for _, v := range numbers {
			low, high = min(low, v), max(high, v)
		}
		least[c] = low
		width[c] = (bits.Len64(uint64(high-low)) + 7) / 8
		size += columnHeader + width[c]*b.rows
	}
	packed := make([]byte, size)
	binary.LittleEndian.PutUint16(packed, uint16(b.rows))
	at := packed[blockHeader:]
	for c := range columns {
		binary.LittleEndian.PutUint64(at, uint64(least[c]))
		at[8] = byte(width[c])
		at = at[columnHeader:]
		for i, v := range b.numbers[c][:b.rows] {
			to := i * width[c]
			binary.LittleEndian.PutUint64(at[to:to+8], uint64(v-least[c])) // the next one covers what is too much
		}
		at = at[width[c]*b.rows:]
	}
	return packed
}

// unpack returns the rows of a packed block, in memory that is given, that follow on a
// sample with that end and DTS.
func unpack(rows []Row, packed []byte, end, dts int64) []Row {
	rows = rows[:binary.LittleEndian.Uint16(packed)]
	sizes, rest := unpackColumn(packed[blockHeader:], len(rows))
	gaps, rest := unpackColumn(rest, len(rows))
	steps, rest := unpackColumn(rest, len(rows))
	shown, _ := unpackColumn(rest, len(rows))
	for i := range rows {
		r := &rows[i]
		size, at := sizes.number(i), shown.number(i)
		dts += steps.number(i)
		r.Offset = end + gaps.number(i)
		r.Size = uint32(size)
		r.DTS = dts
		r.CTS = int32(at >> 1)
		r.Key = at&1 != 0
		end = r.Offset + size
	}
	return rows
}

// column is a packed column.
type column struct {
	b     []byte
	least int64
	width int
	mask  uint64
}

func unpackColumn(b []byte, rows int) (c column, rest []byte) {
	c = column{b: b[columnHeader:], least: int64(binary.LittleEndian.Uint64(b)), width: int(b[8])}
	c.mask = 1<<(8*c.width) - 1
	return c, c.b[c.width*rows:]
}

func (c *column) number(i int) int64 {
	at := i * c.width
	return c.least + int64(binary.LittleEndian.Uint64(c.b[at:at+8])&c.mask)
}
