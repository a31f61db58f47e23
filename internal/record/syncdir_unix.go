//go:build unix

package record

import (
	"errors"
	"os"
)

// syncDir makes a new directory entry survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
