package bmff

import (
	"bytes"
	"io"
	"iter"
	"slices"
)

// Peeker is a file of which something was read already. Scan looks there first.
type Peeker interface {
	io.ReaderAt
	// Peek returns what was read at an offset, valid until the next call, or nothing.
	Peek(offset int64) []byte
}

// Headers reads the headers of the boxes between two offsets, and the moofs, and yields
// each piece that it reads, until the next one, with its offset. It ends at what is no
// box.
func Headers(r io.ReaderAt, from, to int64) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		w, before := newWindow(r, to), int64(-1)
		w.step = minWindow
		for at := from; at < to; before = w.offset {
			b, err := w.box(at, to)
			if err != nil {
				return
			}
			if b.kind == "moof" && b.size <= maxWindow {
				w.moof(b)
			}
			if w.offset != before && !yield(w.offset, w.bytes) {
				return
			}
			at = b.end()
		}
	}
}

// Marks finds the offsets up to which an open file of ours was synced, in order. Only
// its own header tells where a fragment ends and the next one begins; but at each of
// these offsets one begins too, unless the file is damaged, so that several readers can
// go on from there.
//
// The last fragment tells the last mark, the fragment there the one before, and so on.
// Beside these headers only what is behind the last fragment is read.
func Marks(r io.ReaderAt, size int64) (offsets []int64) {
	w := newWindow(r, size)
	if !isOpenHead(w.at(0, headSize)) {
		return nil
	}
	w.step = minWindow
	at := w.lastMoof()
	for {
		m, ok := w.mark(at)
		if !ok || m.synced <= headSize || m.synced >= at {
			break
		}
		at = m.synced
		offsets = append(offsets, at)
	}
	slices.Reverse(offsets)
	return offsets
}

// mark reads our mark of the fragment at an offset.
func (w *window) mark(at int64) (m mark, ok bool) {
	b, err := w.box(at, w.size)
	if err == nil && b.kind == "uuid" && w.isCopy(at, b.end()) {
		b, err = w.box(b.end(), w.size) // which was written with it
	}
	if err != nil || b.kind != "moof" || b.size > maxWindow {
		return mark{}, false
	}
	var f fragment
	moof := w.moof(b)
	for rest := moof[min(boxHeader, len(moof)):]; len(rest) > 0; {
		kind, body, behind := split(rest)
		if kind == "uuid" {
			f.parseMark(body, 0)
		}
		rest = behind
	}
	return f.mark, f.marked
}

// lastMoof finds the last whole moof of ours, or what looks like it; 0 if there is none.
func (w *window) lastMoof() int64 {
	const limit = 64 << 20 // bytes: a torn keyframe may follow it
	tries := 16            // media seldom looks like it
	buf, kind := make([]byte, maxWindow), []byte("moof")
	for to := w.size; to > max(headSize, w.size-limit); to -= maxWindow - boxHeader {
		from := max(0, to-maxWindow)
		n, _ := w.r.ReadAt(buf[:to-from], from)
		for n = bytes.LastIndex(buf[:n], kind); n >= 0 && tries > 0; n = bytes.LastIndex(buf[:n], kind) {
			at := from + int64(n) - 4
			if _, ok := w.mark(at); ok {
				return at
			}
			tries--
		}
	}
	return 0
}
