package recfile

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Recovered is what the recovery did with a file that a recorder had left behind.
type Recovered struct {
	Path    string
	Fixed   Fixed
	Removed bool // it held nothing
	Err     error
}

// ourName matches the names that recorders give.
var ourName = regexp.MustCompile(`_\d{8}_\d{6}(-\d+)?\.(flv|mp4)$`)

// Recover finishes what recorders of ours have left unfinished in a directory, not
// below it, and removes what holds nothing. Files that are whole, somebody else's
// or being recorded are left alone. It reports each file that it touched.
func Recover(dir string, report func(Recovered)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !isRecordingName(e.Name()) {
			continue
		}
		if r, touched := recoverFile(filepath.Join(dir, e.Name())); touched {
			report(r)
		}
	}
	return nil
}

func recoverFile(path string) (Recovered, bool) {
	r := Recovered{Path: path}
	before, err := Open(path)
	switch {
	case errors.Is(err, ErrUnknown):
		return r, false
	case err != nil:
		r.Err = err
		return r, true
	case before.Verdict == Hopeless && before.isRemnant():
		r.Removed = true
		r.Err = removeUnlocked(path)
		return r, true
	case !before.Ours || before.Verdict == Whole || before.Verdict == Live || before.Verdict == Hopeless:
		return r, false
	}
	r.Fixed, r.Err = Fix(path, false)
	return r, r.Fixed.Outcome != Nothing && r.Fixed.Outcome != InUse || r.Err != nil
}

// isRemnant: a recorder was stopped before the first sample was written.
func (r *Recording) isRemnant() bool {
	return ourName.MatchString(filepath.Base(r.Path)) && (r.Ours || r.Size < maxRemnant && r.ourHead)
}

// maxRemnant is more than the head of an FLV file of ours, in bytes.
const maxRemnant = 64 << 10

// removeUnlocked removes a file that nobody holds.
func removeUnlocked(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := container.TryLock(f); err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(os.Remove(path), f.Close())
}
