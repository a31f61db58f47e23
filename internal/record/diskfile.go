package record

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rtmptool/rtmptool/internal/disk"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// diskFile is a recording on a real disk.
type diskFile struct {
	*os.File
	named bool                   // its directory entry is durable; owned by whoever syncs
	spare func(bytes int64) bool // see Config
}

// Sync waits until what was written would survive a power cut; the first time the
// name too. It is not called twice at once.
func (f *diskFile) Sync() error {
	if err := f.syncData(); err != nil || f.named {
		return err
	}
	f.named = true
	return disk.SyncDir(filepath.Dir(f.Name()))
}

// Close also makes sure of the name: of a directory that is gone nothing can be.
func (f *diskFile) Close() error {
	err := disk.SyncDir(filepath.Dir(f.Name()))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, f.File.Close())
}

// Remove removes the file and closes it.
func (f *diskFile) Remove() error { return container.Remove(f.File) }
