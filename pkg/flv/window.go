package flv

import (
	"fmt"
	"io"
)

// source is a file that is read.
type source struct {
	r    io.ReaderAt
	size int64 // at most; less once the end was met before
	err  error // the first one of reading; it stays
}

// read reads bytes that the file has by its size.
func (s *source) read(b []byte, offset int64) {
	n, err := s.r.ReadAt(b, offset)
	switch {
	case n == len(b) || s.err != nil:
	case err == io.EOF:
		s.size = offset + int64(n)
	default:
		s.err = fmt.Errorf("flv: read %d bytes at %d: %w", len(b), offset, err)
	}
}

// window reads a file through a buffer, forward for the most part.
type window struct {
	*source
	ahead int    // how much is read at once, at least
	buf   []byte // of the file, from bufAt on
	bufAt int64
	few   [backPointer]byte
}

// at returns n bytes at an offset, valid until the next call, or those that are
// left. After an error there are none.
func (w *window) at(offset, n int64) []byte {
	n = min(n, w.size-offset)
	if n <= 0 || w.err != nil {
		return nil
	}
	if offset < w.bufAt || offset+n > w.bufAt+int64(len(w.buf)) {
		w.fill(offset, n)
	}
	if n = min(n, w.size-offset); n <= 0 || w.err != nil {
		return nil
	}
	return w.buf[offset-w.bufAt:][:n]
}

// some returns up to so many bytes at an offset: those at hand, or as many as are
// read at once if that is less than the header of a tag.
func (w *window) some(offset, n int64) []byte {
	have := w.bufAt + int64(len(w.buf)) - offset
	if offset < w.bufAt || have < tagHeaderSize {
		have = int64(w.ahead)
	}
	return w.at(offset, min(have, n))
}

// fill moves the buffer to an offset. What it has of that already is not read again.
func (w *window) fill(offset, n int64) {
	n = min(max(n, int64(w.ahead)), w.size-offset)
	var have []byte
	if skip := offset - w.bufAt; skip >= 0 && skip < int64(len(w.buf)) {
		have = w.buf[skip:]
	}
	have = have[:min(int64(len(have)), n)]
	if int64(cap(w.buf)) < n {
		w.buf = make([]byte, n, max(n, 2*int64(cap(w.buf)))) // at most twice the largest tag
	}
	w.buf = w.buf[:n]
	w.bufAt = offset
	kept := copy(w.buf, have)
	w.read(w.buf[kept:], offset+int64(kept))
}

// peek returns the four bytes at an offset and leaves the buffer where it is.
func (w *window) peek(offset int64) []byte {
	w.read(w.few[:], offset)
	return w.few[:]
}
