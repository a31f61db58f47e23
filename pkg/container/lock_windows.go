package container

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockOffsetHigh is where the locked byte is: far behind any recording, because a
// lock on Windows keeps others from reading what it covers.
const lockOffsetHigh = 0x7FFFFFFF

// TryLock takes the exclusive lock that whoever writes a recording holds from its
// first byte to its last. It does not wait: ErrLocked means that somebody else
// has it. Closing the file gives it back.
func TryLock(f *os.File) error {
	at := windows.Overlapped{OffsetHigh: lockOffsetHigh}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if err == windows.ERROR_LOCK_VIOLATION {
		return ErrLocked
	}
	return err
}

// Locked reports whether somebody writes a recording. It disturbs nobody who asks the
// same.
func Locked(f *os.File) bool {
	at := windows.Overlapped{OffsetHigh: lockOffsetHigh}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	return err == windows.ERROR_LOCK_VIOLATION
}
