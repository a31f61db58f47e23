package record

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/disk"
	"github.com/rtmptool/rtmptool/pkg/container"
)

const (
	maxNameKey   = 160 // bytes of the key in a name, so that the name stays under 200
	maxNameTries = 1000
	filePerm     = 0o644
	dirPerm      = 0o755
)

// Prepare makes the directory for recordings if it is missing and makes sure
// that files can be created there.
func Prepare(dir string) error {
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("create the recording directory: %w", err)
	}
	f, err := os.CreateTemp(dir, ".rtmptool-*")
	if err != nil {
		return fmt.Errorf("write to the recording directory: %w", err)
	}
	if err = container.TryLock(f); err != nil {
		err = fmt.Errorf("lock a file in the recording directory: %w", err)
	}
	return errors.Join(err, container.Remove(f))
}

// makeDir makes a directory, and those above it that are missing, so that they
// survive a power cut.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil {
		return os.MkdirAll(dir, dirPerm) // somebody else made it, or the error says what is there
	}
	return disk.SyncDir(parent)
}

// CreateFile opens a new, locked recording. A name that is taken gets a number.
func (c *Config) CreateFile(stream string, at time.Time, ext string) (File, string, error) {
	base := filepath.Join(c.Dir, fileName(stream, at))
	for n := 1; ; n++ {
		path := base + ext
		if n > 1 {
			path = fmt.Sprintf("%s-%d%s", base, n, ext)
		}
		f, err := container.Create(path, filePerm)
		if errors.Is(err, fs.ErrNotExist) && makeDir(c.Dir) == nil {
			// Somebody removed the directory: the next recording is worth a new one.
			f, err = container.Create(path, filePerm)
		}
		if errors.Is(err, fs.ErrExist) && n < maxNameTries {
			continue
		}
		if err != nil {
			return nil, path, err
		}
		return &diskFile{File: f, spare: c.Spare}, path, nil
	}
}

// fileName is {key}_{YYYYMMDD}_{HHMMSS} in local time. What could leave the
// directory, hide the file, look like an option, or trouble a shell or another system
// becomes an underscore.
func fileName(stream string, at time.Time) string {
	key := []byte(stream)
	for i, b := range key {
		switch {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '_', (b == '-' || b == '.') && i > 0:
		default:
			key[i] = '_'
		}
	}
	if dot := bytes.IndexByte(key, '.'); dot > 0 && isDevice(string(key[:dot])) {
		key[dot] = '_'
	}
	return string(key[:min(len(key), maxNameKey)]) + at.Format("_20060102_150405")
}

// isDevice reports whether Windows takes every file of this name, whatever follows a
// dot, for a device.
func isDevice(name string) bool {
	switch name = strings.ToUpper(name); name {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(name) == 4 && (name[:3] == "COM" || name[:3] == "LPT") && name[3] >= '0' && name[3] <= '9'
}
