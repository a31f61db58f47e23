//go:build unix

package container

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return ErrLocked
	}
	return err
}

// awaitLock is lock that waits.
func awaitLock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != unix.EINTR {
			return err
		}
	}
}

func unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }

// Locked reports whether somebody writes a recording. It disturbs nobody who asks the
// same.
func Locked(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}

// Remove removes a locked recording and closes it. It does so under the lock: nobody else who
// asks for one gives the name away meanwhile.
func Remove(f *os.File) error {
	err := named(f)
	if err == nil {
		err = os.Remove(f.Name())
	}
	return errors.Join(err, f.Close())
}
