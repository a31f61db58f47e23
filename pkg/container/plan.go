package container

import (
	"bufio"
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

	// Stream writes Size bytes in place of Data, where they would take much memory.
	Stream func(io.Writer) error
	Size   int64
}

// Length is how many bytes a Write writes.
func (e Edit) Length() int64 {
	if e.Stream != nil {
		return e.Size
	}
	return int64(len(e.Data))
}

// String describes the edit in the words of a dry run.
func (e Edit) String() string {
	switch e.Op {
	case Write:
		return fmt.Sprintf("write %d bytes at %d", e.Length(), e.Offset)
	case Truncate:
		return fmt.Sprintf("set the size to %d", e.Offset)
	}
	return "sync"
}

// Plan is a list of edits in the order in which they must reach the file.
type Plan []Edit

// Resize returns the size of a file of some size once the plan is carried out.
func (p Plan) Resize(size int64) int64 {
	for _, e := range p {
		switch e.Op {
		case Write:
			size = max(size, e.Offset+e.Length())
		case Truncate:
			size = e.Offset
		}
	}
	return size
}

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
		if e.Stream != nil {
			return e.stream(f)
		}
		_, err := f.WriteAt(e.Data, e.Offset)
		return err
	case Truncate:
		return f.Truncate(e.Offset)
	}
	return f.Sync()
}

// streamBuffer is the memory that a streamed edit takes, in bytes.
const streamBuffer = 1 << 20

func (e Edit) stream(f File) error {
	b := bufio.NewWriterSize(io.NewOffsetWriter(f, e.Offset), streamBuffer)
	if err := e.Stream(b); err != nil {
		return err
	}
	return b.Flush()
}
