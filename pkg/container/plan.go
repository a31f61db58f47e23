package container

import (
	"fmt"
	"io"
)

// File is what a recording is written to and repaired in. *os.File is one; tests
// use files that fail, stall or remember every write.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
}

// Op is a kind of edit.
type Op uint8

// The kinds of edits.
const (
	Write    Op = iota // write Data at Offset
	Truncate           // cut or extend the file to Offset bytes
	Sync               // wait until all earlier edits are on the disk
)

// Edit is one step of a plan.
type Edit struct {
	Op     Op
	Offset int64
	Data   []byte
}

// String describes the edit in the words of a dry run.
func (e Edit) String() string {
	switch e.Op {
	case Write:
		return fmt.Sprintf("write %d bytes at %d", len(e.Data), e.Offset)
	case Truncate:
		return fmt.Sprintf("set the size to %d", e.Offset)
	}
	return "sync"
}

// Plan is a list of edits in the order in which they must reach the file.
type Plan []Edit

// Apply carries out a plan. It stops at the first error; applying a new plan for
// the file as it is then leads to the same end.
func (p Plan) Apply(f File) error {
	for _, e := range p {
		if err := e.apply(f); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
	}
	return nil
}

func (e Edit) apply(f File) error {
	switch e.Op {
	case Write:
		_, err := f.WriteAt(e.Data, e.Offset)
		return err
	case Truncate:
		return f.Truncate(e.Offset)
	}
	return f.Sync()
}
