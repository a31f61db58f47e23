//go:build unix

package status

import "golang.org/x/sys/unix"

// freeBytes is what an ordinary user can still write below a directory.
func freeBytes(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}
