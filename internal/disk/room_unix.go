//go:build unix

package disk

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Room returns how many bytes an ordinary user can still write below a directory,
// and how many its file system has in all.
func Room(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), uint64(st.Blocks) * uint64(st.Bsize), nil
}

// IsFull reports whether an error says that there is no room: neither on the disk
// nor, maybe, in the quota of the user.
func IsFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
