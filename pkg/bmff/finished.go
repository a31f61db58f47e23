package bmff

import "io"

// Finished reports whether a file of ours was closed and has its closing moov, by the
// head and that moov alone. What is between them may still be damaged.
func Finished(r io.ReaderAt, size int64) bool {
	w := window{r: r, size: size, step: boxHeader}
	head := w.at(0, headSize)
	if len(head) < headSize || !Ours(head) {
		return false
	}
	mdat, err := w.box(ftypSize, size)
	if err != nil || string(w.at(0, headSize)) != string(closedHead(mdat.end())) {
		return false
	}
	_, moov, ok := w.whole(mdat.end(), "moov", maxMoov)
	return ok && sealed(moov) && w.err == nil
}

// Ours reports whether a file begins as those of ours do, open or closed.
func Ours(head []byte) bool {
	closed := closedHead(0)[:headSize-8] // the size of its mdat follows
	return len(head) >= headSize && isOpenHead(head) || len(head) >= len(closed) && string(head[:len(closed)]) == string(closed)
}
