package recfile

import (
	"os"
	"runtime"
	"sync"

	"github.com/rtmptool/rtmptool/pkg/bmff"
)

// ahead is an MP4 whose headers are read by other goroutines before Scan comes to them.
// A recording of hours has hundreds of thousands, and the system takes longer to read
// one than Scan to understand it.
type ahead struct {
	bare
	parts   []*part       // that at work, and those behind it
	todo    chan *part    // parts that nobody has begun to read
	spare   chan *headers // so few that no part far ahead is read
	quit    chan struct{} // closed by stop
	readers sync.WaitGroup
	here    *headers // of the part at work; nil: not asked for yet
}

// part is a part of a file that begins and ends with a fragment.
type part struct {
	from, to int64
	headers  chan *headers
}

// headers are what was read of a part, in the order of the file.
type headers struct {
	pieces []piece
	passed int // pieces that Scan has passed
	buf    []byte
}

type piece struct {
	offset     int64
	begin, end int // in buf
}

const (
	maxReaders = 4
	minMarks   = 8       // of a file that is worth it
	maxParts   = 512     // of 15 s in 2 h, with a sync a second
	maxHeaders = 4 << 20 // bytes of a part; Scan reads the rest of it itself
)

// readAhead begins to read a file, if it is long. It must be stopped.
func readAhead(f bare, size int64) *ahead {
	a := &ahead{bare: f, parts: parts(f, size), quit: make(chan struct{})}
	a.todo = make(chan *part, len(a.parts))
	for _, p := range a.parts {
		a.todo <- p
	}
	close(a.todo)
	readers := min(len(a.parts), maxReaders, runtime.GOMAXPROCS(0))
	a.spare = make(chan *headers, 2*readers)
	for range cap(a.spare) {
		a.spare <- &headers{}
	}
	for range readers {
		a.readers.Go(a.read)
	}
	return a
}

// parts cuts a file at some of its marks; a short one has no parts.
func parts(f bare, size int64) (all []*part) {
	marks := bmff.Marks(f.File, size)
	if len(marks) < minMarks {
		return nil
	}
	from := int64(0)
	for i := 0; i < len(marks); i += len(marks)/maxParts + 1 {
		all = append(all, &part{from, marks[i], make(chan *headers, 1)})
		from = marks[i]
	}
	return append(all, &part{from, size, make(chan *headers, 1)})
}

func (a *ahead) stop() {
	close(a.quit)
	a.readers.Wait()
}

// read reads one part after the other. An error is for Scan to meet.
func (a *ahead) read() {
	for {
		select {
		case <-a.quit:
			return
		case h := <-a.spare:
			p, ok := <-a.todo
			if !ok {
				return
			}
			h.read(a.File, p)
			p.headers <- h
		}
	}
}

func (h *headers) read(f *os.File, p *part) {
	*h = headers{pieces: h.pieces[:0], buf: h.buf[:0]}
	for offset, b := range bmff.Headers(f, p.from, p.to) {
		h.pieces = append(h.pieces, piece{offset, len(h.buf), len(h.buf) + len(b)})
		h.buf = append(h.buf, b...)
		if len(h.buf) > maxHeaders {
			return
		}
	}
}

// Peek returns what was read at an offset.
func (a *ahead) Peek(offset int64) []byte {
	if !a.reach(offset) || a.job.err() != nil {
		return nil
	}
	for h := a.here; h.passed < len(h.pieces); h.passed++ {
		switch p := h.pieces[h.passed]; {
		case p.offset == offset:
			a.job.reached(a.File, offset, offset+int64(p.end-p.begin))
			return h.buf[p.begin:p.end]
		case p.offset > offset:
			return nil
		}
	}
	return nil
}

// reach waits for the headers of the part that an offset is in. Scan may have passed it.
func (a *ahead) reach(offset int64) bool {
	for len(a.parts) > 0 && offset >= a.parts[0].from {
		if a.here == nil {
			a.here = <-a.parts[0].headers
		}
		if offset < a.parts[0].to {
			return true
		}
		a.spare <- a.here
		a.parts, a.here = a.parts[1:], nil
	}
	return false
}
