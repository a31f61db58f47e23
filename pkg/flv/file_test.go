package flv

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// memFile is a file in memory that counts what happens to it and can fail.
type memFile struct {
	data   []byte
	writes []int // the size of each write
	syncs  int

	// fail, if set, says how much of a write arrives, and the error behind it.
	fail func(p []byte) (int, error)
}

func (f *memFile) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, at int64) (n int, err error) {
	n = len(p)
	if f.fail != nil {
		n, err = f.fail(p)
	}
	f.writes = append(f.writes, n)
	if n == 0 {
		return 0, err
	}
	if grow := int(at) + n - len(f.data); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	copy(f.data[at:], p[:n])
	return n, err
}

func (f *memFile) Truncate(size int64) error {
	if size > int64(len(f.data)) {
		f.data = append(f.data, make([]byte, size-int64(len(f.data)))...)
	}
	f.data = f.data[:size]
	return nil
}

func (f *memFile) Sync() error {
	f.syncs++
	return nil
}

func (f *memFile) size() int64 { return int64(len(f.data)) }

// bytesFile holds bytes that nobody else sees.
func bytesFile(b []byte) *memFile { return &memFile{data: slices.Clone(b)} }

// finish does what rtmptool fix does with a file.
func finish(t testing.TB, f *memFile) *Index {
	t.Helper()
	x, _ := scan(t, f)
	apply(t, Finalize(x, f.size()), f)
	return x
}

// scan scans a file that can be read.
func scan(t testing.TB, f *memFile) (*Index, []container.Finding) {
	t.Helper()
	x, findings, err := Scan(f, f.size())
	if err != nil {
		t.Fatal(err)
	}
	return x, findings
}

func apply(t testing.TB, plan container.Plan, f *memFile) {
	t.Helper()
	if err := plan.Apply(f); err != nil {
		t.Fatal(err)
	}
}

var errDisk = errors.New("disk is full")

// parse reads a body of hex digits.
func parse(t testing.TB, kind media.Kind, hex string) *media.Packet {
	t.Helper()
	p, err := Parse(tagType(kind), unhex(hex))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
