package recfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Find lists the recordings that files and directories name: a file itself, and
// below a directory everything that has the ending of a recording. What cannot be
// listed is in the list too: who opens it learns why.
func Find(paths []string) []string {
	var all []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			all = append(all, path)
			continue
		}
		// With a separator a link to a directory is followed. What the function
		// returns is nil or SkipDir, and so is what WalkDir returns.
		_ = filepath.WalkDir(path+string(filepath.Separator), func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				all = append(all, filepath.Clean(p))
				return fs.SkipDir
			case d.Type().IsRegular() && isRecordingName(d.Name()):
				all = append(all, p)
			}
			return nil
		})
	}
	return all
}

func isRecordingName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".flv", ".mp4":
		return !strings.HasPrefix(name, ".")
	}
	return false
}
