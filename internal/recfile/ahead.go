package recfile

import (
	"sync"

	"github.com/rtmptool/rtmptool/pkg/bmff"
)

// ahead is an MP4 whose headers are read by another goroutine before Scan asks for them.
// A recording of hours has hundreds of thousands: the system takes most of the time to
// read them, and Scan uses that to understand those before.
type ahead struct {
	bare
	full   chan *batch   // in the order of the file
	spare  chan *batch   // to be filled
	quit   chan struct{} // closed by stop
	reader sync.WaitGroup
	now    *batch // is asked for
}

// batch is so many pieces of a file that handing them over costs little.
type batch struct {
	pieces []piece
	passed int // pieces that nobody asks for any more
	buf    []byte
}

type piece struct {
	offset     int64
	begin, end int // in buf
}

const (
	batches    = 4
	batchBytes = 128 << 10
)

// readAhead begins to read. It must be stopped.
func readAhead(f bare, size int64) *ahead {
	a := &ahead{bare: f, full: make(chan *batch, batches), spare: make(chan *batch, batches), quit: make(chan struct{}), now: &batch{}}
	for range batches - 1 {
		a.spare <- &batch{}
	}
	a.reader.Go(func() { a.read(size) })
	return a
}

func (a *ahead) stop() {
	close(a.quit)
	a.reader.Wait()
}

// read fills batches. Neither channel is ever full. An error is for Scan to meet: the
// job knows of one goroutine only.
func (a *ahead) read(size int64) {
	defer close(a.full)
	b := <-a.spare
	for offset, p := range bmff.Headers(a.File, size) {
		b.pieces = append(b.pieces, piece{offset, len(b.buf), len(b.buf) + len(p)})
		b.buf = append(b.buf, p...)
		if len(b.buf) < batchBytes {
			continue
		}
		a.full <- b
		select {
		case b = <-a.spare:
		case <-a.quit:
			return
		}
	}
	a.full <- b
}

// ReadAt returns what was read already, or reads.
func (a *ahead) ReadAt(p []byte, offset int64) (int, error) {
	b := a.piece(offset)
	if len(b) < len(p) {
		return a.bare.ReadAt(p, offset)
	}
	if err := a.job.err(); err != nil {
		return 0, err
	}
	a.job.reached(a.File, offset+int64(len(p)))
	return copy(p, b), nil
}

// piece finds the piece that begins at an offset, among those that were not passed yet.
func (a *ahead) piece(offset int64) []byte {
	for {
		for b := a.now; b.passed < len(b.pieces); b.passed++ {
			switch p := b.pieces[b.passed]; {
			case p.offset == offset:
				return b.buf[p.begin:p.end]
			case p.offset > offset:
				return nil
			}
		}
		next, ok := <-a.full
		if !ok {
			return nil
		}
		*a.now = batch{pieces: a.now.pieces[:0], buf: a.now.buf[:0]}
		a.spare <- a.now
		a.now = next
	}
}
