package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrLocked says that another process or recorder holds a recording.
var ErrLocked = errors.New("the recording is in use")

// errGone says that a recording was removed, or another file took its name, between its
// opening and its lock: a lock on it would keep nobody from the name.
var errGone = fmt.Errorf("removed or replaced meanwhile: %w", fs.ErrNotExist)

// TryLock takes the exclusive lock that whoever writes or removes a recording holds, from
// its first byte to its last. It does not wait: ErrLocked means that somebody else has it.
// An error that is fs.ErrNotExist means that the file has lost its name. Close gives the
// lock back.
func TryLock(f *os.File) error {
	if err := lock(f); err != nil {
		return err
	}
	return named(f)
}

// Close gives the lock back, at once, and closes the file: a process that is forked just
// then would hold the lock for as long as it has the file.
func Close(f *os.File) error { return errors.Join(unlock(f), f.Close()) }

// named fails unless a file still has the name that it was opened by.
func named(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(f.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, there) {
		return errGone
	}
	return err
}

// Create makes a recording that did not exist, locked. Between the two somebody may look
// at it, which is waited for, as there is nothing in it to look at for long; or remove it as
// a remnant: then its name is taken, which is fs.ErrExist.
func Create(path string, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	if err = awaitLock(f); err == nil {
		err = named(f)
	}
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, fs.ErrNotExist):
		_ = f.Close() // it holds nothing
		return nil, &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return nil, errors.Join(&fs.PathError{Op: "lock", Path: path, Err: err}, f.Close(), os.Remove(path))
}
