package container

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockOffsetHigh is where the locked byte is: far behind any recording, because a
// lock on Windows keeps others from reading what it covers.
const lockOffsetHigh = 0x7FFFFFFF

func lock(f *os.File) error {
	at := windows.Overlapped{OffsetHigh: lockOffsetHigh}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	if err == windows.ERROR_LOCK_VIOLATION {
		return ErrLocked
	}
	return err
}

// awaitLock is lock that waits.
func awaitLock(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockOffsetHigh})
}

// unlock does nothing: no other process gets the file.
func unlock(*os.File) error { return nil }

// Locked reports whether somebody writes a recording. It disturbs nobody who asks the
// same.
func Locked(f *os.File) bool {
	at := windows.Overlapped{OffsetHigh: lockOffsetHigh}
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)
	return err == windows.ERROR_LOCK_VIOLATION
}

// Remove removes a locked recording and closes it, first: Windows removes no open file. For
// the same reason it fails if somebody else has opened the file since.
func Remove(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }
