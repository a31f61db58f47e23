package record

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// spareParts: what a recording reserves for later is at most this part of what the
// disk has to spare.
const spareParts = 64

// syncData waits until the data is on the disk, with as much metadata as it takes
// to read it.
func (f *diskFile) syncData() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return pathError("fdatasync", f.Name(), err)
		}
	}
}

// Reserve keeps room for the file up to an offset, and for later by some bytes more,
// without changing its size. That more is a small part of what the disk has to spare:
// recordings must not end for want of room that they hold themselves.
func (f *diskFile) Reserve(end, more int64) error {
	if more > 0 && f.spare != nil && !f.spare(more*spareParts) {
		return pathError("reserve", f.Name(), unix.ENOSPC)
	}
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, end+more)
		switch {
		case err == unix.EINTR:
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return errors.ErrUnsupported
		default:
			return pathError("fallocate", f.Name(), err)
		}
	}
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}
