//go:build unix

package server

import "golang.org/x/sys/unix"

// reservedFiles are for listeners, recordings being opened, logs and the runtime.
const reservedFiles = 100

// maxFiles is how many connections the limit for open files allows, 0 if that is
// not known. Go has raised the soft limit to the hard one.
func maxFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<30 {
		return 0
	}
	return max(1, int(limit.Cur)-reservedFiles)
}
