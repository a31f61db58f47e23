package container

import (
	"fmt"
	"io"
)

// maxMisfit is how long a sample is that Misfits reads, in bytes.
const maxMisfit = 64 << 20

// Misfits reads every sample of a track and finds those that do not fit, whatever that
// means; the next reuses the bytes of one. Samples in a row are one finding, a warning. Of
// a format without checksums that is all that can be told of its media. The error is one of reading.
func Misfits(r io.ReaderAt, t *Track, fit func(sample []byte) bool, code, text string) ([]Finding, error) {
	var all []Finding
	var buf []byte
	var first, last Row
	n := 0 // in a row
	end := func() {
		which := "a frame"
		if n > 1 {
			which = fmt.Sprintf("%d frames, from %.3f s to %.3f s,", n, t.Time(first.DTS).Seconds(), t.Time(last.DTS).Seconds())
		}
		if n > 0 {
			all = append(all, Finding{Code: code, Severity: Warning, Offset: min(first.Offset, last.Offset), End: max(first.End(), last.End()),
				Text: fmt.Sprintf(text, which)})
		}
		n = 0
	}
	for row := range t.Rows() {
		if row.Size > maxMisfit {
			continue
		}
		if int(row.Size) > cap(buf) {
			buf = make([]byte, row.Size)
		}
		sample := buf[:row.Size]
		if got, err := r.ReadAt(sample, row.Offset); got < len(sample) {
			return nil, fmt.Errorf("read %d bytes at %d: %w", len(sample), row.Offset, err)
		}
		if fit(sample) {
			end()
			continue
		}
		if n == 0 {
			first = row
		}
		last = row
		n++
	}
	end()
	return all, nil
}
