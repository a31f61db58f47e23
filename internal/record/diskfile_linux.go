package record

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

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

// Reserve keeps room for the file up to an offset without changing its size.
func (f *diskFile) Reserve(end int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, end)
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
