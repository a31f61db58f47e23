package recfile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Find lists the recordings that files and directories name: a file itself, and
// below a directory everything that has the ending of a recording.
func Find(paths []string) ([]string, error) {
	var all []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			all = append(all, path)
			continue
		}
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Type().IsRegular() && isRecordingName(d.Name()) {
				all = append(all, p)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", path, err)
		}
	}
	return all, nil
}

func isRecordingName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".flv", ".mp4":
		return !strings.HasPrefix(name, ".")
	}
	return false
}
