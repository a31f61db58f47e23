// Package powercut shows tests what a disk may hold after a power cut. A file
// remembers every write, cut and sync. What no sync had made durable before the cut
// may have reached the disk or not, in any order: each sector of the file, or each
// page, is as it was after any of the writes that touched it, or as it was before
// them all, and so is the size. That covers what is lost, torn, zero-filled and
// reordered.
package powercut

import (
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
)

// Units that reach a disk as a whole, in bytes.
const (
	Sector = 512
	Page   = 4096
)

// Disk is a file in memory. The zero Disk is an empty one.
type Disk struct {
	now    []byte
	epochs []*epoch // one a sync, and the one that lasts
}

// epoch is what was done between two syncs.
type epoch struct {
	before []byte             // durable
	blocks map[int64][][]byte // the sectors that were touched: what they were, and after each write
	sizes  []int64            // what the size was, and after each change
}

// NewDisk returns a file with durable contents.
func NewDisk(durable []byte) *Disk { return &Disk{now: slices.Clone(durable)} }

// Bytes is what the file holds as long as the power is on.
func (d *Disk) Bytes() []byte { return d.now }

func (d *Disk) current() *epoch {
	if len(d.epochs) == 0 {
		d.begin()
	}
	return d.epochs[len(d.epochs)-1]
}

func (d *Disk) begin() {
	d.epochs = append(d.epochs, &epoch{before: slices.Clone(d.now), blocks: make(map[int64][][]byte), sizes: []int64{int64(len(d.now))}})
}

// ReadAt implements io.ReaderAt.
func (d *Disk) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(d.now)) {
		return 0, io.EOF
	}
	n := copy(p, d.now[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (d *Disk) WriteAt(p []byte, at int64) (int, error) {
	end := at + int64(len(p))
	d.change(at, end, func() {
		if grow := int(end) - len(d.now); grow > 0 {
			d.now = append(d.now, make([]byte, grow)...)
		}
		copy(d.now[at:], p)
	})
	return len(p), nil
}

// Truncate sets the size.
func (d *Disk) Truncate(size int64) error {
	d.change(min(size, int64(len(d.now))), max(size, int64(len(d.now))), func() {
		if grow := int(size) - len(d.now); grow > 0 {
			d.now = append(d.now, make([]byte, grow)...)
		}
		d.now = d.now[:size]
	})
	return nil
}

// change does something to a range of the file and remembers the sectors.
func (d *Disk) change(from, to int64, do func()) {
	e := d.current()
	for i := from / Sector; i*Sector < to; i++ {
		if e.blocks[i] == nil {
			e.blocks[i] = [][]byte{sector(d.now, i)}
		}
	}
	do()
	for i := from / Sector; i*Sector < to; i++ {
		e.blocks[i] = append(e.blocks[i], sector(d.now, i))
	}
	if size := int64(len(d.now)); size != e.sizes[len(e.sizes)-1] {
		e.sizes = append(e.sizes, size)
	}
}

// sector returns the i-th sector, with zeros behind the end.
func sector(b []byte, i int64) []byte {
	s := make([]byte, Sector)
	if at := int(i * Sector); at < len(b) {
		copy(s, b[at:])
	}
	return s
}

// Sync makes everything durable.
func (d *Disk) Sync() error {
	d.current()
	d.begin()
	return nil
}

// Reserve takes no room: what is kept there is not in the file.
func (d *Disk) Reserve(int64, int64) error { return nil }

// State is what the disk holds after a cut.
type State struct {
	Data    []byte
	Durable int64  // everything before was synced
	Epoch   int    // how many syncs had returned
	How     string // for the message of a test
}

// States yields the states that a cut at any moment can leave. Between two syncs it
// yields all of them where there are no more than limit, else as many that are
// chosen at random: every kind of mixture, in sectors and in pages.
func (d *Disk) States(random *rand.Rand, limit int) iter.Seq[State] {
	return func(yield func(State) bool) {
		for n, e := range d.epochs {
			for s := range e.states(random, limit) {
				s.Epoch, s.Durable = n, int64(len(e.before))
				s.How = fmt.Sprintf("cut after %d syncs, %s", n, s.How)
				if !yield(s) {
					return
				}
			}
		}
	}
}

// states yields all states, or as many as the limit says.
func (e *epoch) states(random *rand.Rand, limit int) iter.Seq[State] {
	if e.count(limit) <= limit {
		return e.all()
	}
	return func(yield func(State) bool) {
		for n := range limit {
			if !yield(e.sample(random, n)) {
				return
			}
		}
	}
}

// count is the number of states, or more than limit.
func (e *epoch) count(limit int) int {
	n := len(e.sizes)
	for _, versions := range e.blocks {
		if n *= len(versions); n > limit {
			return n
		}
	}
	return n
}

// touched lists the sectors that were, in order.
func (e *epoch) touched() []int64 {
	var all []int64
	for i := range e.blocks {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

// all yields every combination of sizes and sectors.
func (e *epoch) all() iter.Seq[State] {
	return func(yield func(State) bool) {
		touched := e.touched()
		choice := make([]int, len(touched))
		for {
			for _, size := range e.sizes {
				s := e.state(size, touched, func(i int) int { return choice[i] })
				s.How = fmt.Sprintf("size %d, versions %v of sectors %v", size, choice, touched)
				if !yield(s) {
					return
				}
			}
			i := 0
			for ; i < len(choice); i++ { // count on
				if choice[i]++; choice[i] < len(e.blocks[touched[i]]) {
					break
				}
				choice[i] = 0
			}
			if i == len(choice) {
				return
			}
		}
	}
}

// sample is the n-th of many states: two plain ones, then others at random.
func (e *epoch) sample(random *rand.Rand, n int) State {
	touched := e.touched()
	newest := func(i int) int { return len(e.blocks[touched[i]]) - 1 }
	size, how := e.sizes[len(e.sizes)-1], ""
	var version func(i int) int
	unit := []int64{Sector, Page}[random.IntN(2)]
	group := func(i int) int64 { return touched[i] * Sector / unit }
	switch pick := random.IntN(len(touched) + 1); {
	case n == 0:
		how, size, version = "nothing is there", e.sizes[0], func(int) int { return 0 }
	case n == 1:
		how, version = "all is there", newest
	case n%6 == 0:
		how, version = fmt.Sprintf("%d units of %d bytes are there", pick, unit), e.only(newest, func(i int) bool { return i < len(touched) && pick > 0 && group(i) < group(min(pick, len(touched)-1)) })
	case n%6 == 1:
		how, version = fmt.Sprintf("the unit of %d bytes at sector %d is missing", unit, pick), e.only(newest, func(i int) bool { return group(i) != group(min(pick, len(touched)-1)) })
	case n%6 == 2:
		other := random.IntN(len(touched) + 1)
		how = fmt.Sprintf("sectors %d to %d of those written are missing", min(pick, other), max(pick, other))
		version = e.only(newest, func(i int) bool { return i < min(pick, other) || i >= max(pick, other) })
	case n%6 == 3:
		how, size, version = "all is there up to a size in between", e.sizes[random.IntN(len(e.sizes))], newest
	default: // in any mixture: half of the units, or few, or almost all
		share := []float64{0.1, 0.5, 0.9}[random.IntN(3)]
		chosen := make(map[int64]float64)
		how = fmt.Sprintf("about %.0f %% of units of %d bytes are there, in any version", share*100, unit)
		version = func(i int) int {
			if _, ok := chosen[group(i)]; !ok {
				chosen[group(i)] = random.Float64()
			}
			if chosen[group(i)] >= share {
				return 0
			}
			if random.IntN(4) == 0 {
				return random.IntN(newest(i) + 1)
			}
			return newest(i)
		}
		if random.IntN(2) == 0 {
			size = e.sizes[random.IntN(len(e.sizes))]
		}
	}
	s := e.state(size, touched, version)
	s.How = fmt.Sprintf("%s, size %d", how, size)
	return s
}

// only is the newest version of some sectors, and what the others were before.
func (e *epoch) only(newest func(int) int, there func(i int) bool) func(i int) int {
	return func(i int) int {
		if there(i) {
			return newest(i)
		}
		return 0
	}
}

// state puts a file together.
func (e *epoch) state(size int64, touched []int64, version func(i int) int) State {
	data := make([]byte, size)
	copy(data, e.before)
	for i, n := range touched {
		if at := n * Sector; at < size {
			copy(data[at:], e.blocks[n][version(i)])
		}
	}
	return State{Data: data}
}
