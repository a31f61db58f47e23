package record

import (
	"os"
	"path/filepath"
)

// diskFile is a recording on a real disk.
type diskFile struct {
	*os.File
	named bool // its directory entry is durable; owned by whoever syncs
}

// Sync waits until what was written would survive a power cut; the first time the
// name too. It is not called twice at once.
func (f *diskFile) Sync() error {
	if err := f.syncData(); err != nil || f.named {
		return err
	}
	f.named = true
	return syncDir(filepath.Dir(f.Name()))
}
