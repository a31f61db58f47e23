//go:build unix

package container

import (
	"os"

	"golang.org/x/sys/unix"
)

// TryLock takes the exclusive lock that whoever writes a recording holds from its
// first byte to its last. It does not wait: ErrLocked means that somebody else
// has it. Closing the file gives it back.
func TryLock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return ErrLocked
	}
	return err
}

// Locked reports whether somebody writes a recording. It disturbs nobody who asks the
// same.
func Locked(f *os.File) bool {
	return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == unix.EWOULDBLOCK
}
