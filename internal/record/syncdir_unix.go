//go:build unix

package record

import (
	"errors"
	"os"
	"syscall"
)

// syncDir makes a new directory entry survive a power cut, where the file system
// can do that: some network file systems cannot.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
