package report

import (
	"fmt"
	"io"
	"path/filepath"
)

// Progress shows on a terminal which file of how many is being worked on.
type Progress struct {
	out         io.Writer
	interactive bool
	total, done int
}

// NewProgress makes a progress line for a number of files.
func NewProgress(out io.Writer, interactive bool, total int) *Progress {
	return &Progress{out: out, interactive: interactive, total: total}
}

// Next shows the file that is worked on from now.
func (p *Progress) Next(path string) {
	p.done++
	if p.interactive {
		// A terminal that is gone is no reason to stop.
		fmt.Fprintf(p.out, "\r\x1b[K%d of %d  %s", p.done, p.total, filepath.Base(path))
	}
}

// Clear takes the line away, for results to be printed.
func (p *Progress) Clear() {
	if p.interactive {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
