package disk

import (
	"errors"

	"golang.org/x/sys/windows"
)

// Room returns how many bytes the user can still write below a directory, and how
// many its volume has in all.
func Room(dir string) (free, total uint64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	err = windows.GetDiskFreeSpaceEx(path, &free, &total, nil)
	return free, total, err
}

// IsFull reports whether an error says that there is no room, on the disk or in
// the quota of the user.
func IsFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}
