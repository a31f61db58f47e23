package recfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/rtmptool/rtmptool/internal/disk"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
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
// or being recorded are left alone. It tells how many files it has to read, if there
// are any, and reports each one that it touched. It ends early with the context.
func Recover(ctx context.Context, dir string, begin func(files int), report func(Recovered)) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var paths []string
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(dir, e.Name())
		if e.Type().IsRegular() && isRecordingName(e.Name()) && !finished(path) {
			paths = append(paths, path)
		}
	}
	if len(paths) > 0 {
		begin(len(paths))
	}
	j := NewJob(ctx, paths)
	removed := false
	for _, path := range paths {
		r, touched := j.recover(path)
		removed = removed || r.Removed
		if errors.Is(r.Err, errInterrupted) {
			return ctx.Err()
		}
		if touched {
			report(r)
		}
	}
	if removed {
		return disk.SyncDir(dir)
	}
	return nil
}

// finished reports whether a file needs no recovery, by its head and its tail alone: a
// recorder closed it, or none wrote it. What cannot be read is for who reads it all.
func finished(path string) bool {
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && finishedFile(f, info.Size(), ourName.MatchString(filepath.Base(path)))
}

// finishedFile looks at a file that is named like ours or not. One that is may be ours
// though its head is damaged.
func finishedFile(f io.ReaderAt, size int64, named bool) bool {
	head := make([]byte, 64)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return false
	}
	switch head = head[:n]; {
	case flv.Ours(head):
		return flv.Finished(f, size)
	case bmff.Ours(head):
		return bmff.Finished(f, size)
	}
	return !named
}

func (j *Job) recover(path string) (Recovered, bool) {
	r := Recovered{Path: path}
	f, before, err := j.hold(path)
	if err == nil {
		defer container.Close(f) // what was written is synced by then
	}
	ours := ourName.MatchString(filepath.Base(path))
	switch {
	case errors.Is(err, container.ErrLocked), errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrUnknown) && !ours:
		return r, false // somebody records or mends it, or it is gone
	case err != nil:
		r.Err = err
	case before.isRemnant():
		r.Err = container.Remove(f)
		r.Removed = r.Err == nil
	case before.Verdict == Hopeless && ours, before.Ours && before.Copies():
		r.Err = fmt.Errorf("%s: damaged, and not mended without being asked", path)
	case !before.Ours || before.Verdict == Whole || before.Verdict == Hopeless:
		return r, false
	default:
		r.Fixed = Fixed{Before: before, Outcome: before.outcome()}
		r.Err = j.mend(&r.Fixed, f)
	}
	return r, true
}

// hold opens a file and reads it under its lock, so that it stays what it is until it is
// closed.
func (j *Job) hold(path string) (*os.File, *Recording, error) {
	j.next(path)
	f, err := open(path, os.O_RDWR)
	if err != nil {
		return nil, nil, err
	}
	var r *Recording
	if err = container.TryLock(f); err != nil {
		err = fmt.Errorf("lock %s: %w", path, err)
	} else {
		r, err = j.scan(path, f)
	}
	if err != nil {
		_ = container.Close(f) // nothing was written
		return nil, nil, err
	}
	return f, r, nil
}

// isRemnant: a recorder was stopped before the first sample was written. What could be
// anything else is nobody's to remove.
func (r *Recording) isRemnant() bool {
	return r.Verdict == Hopeless && ourName.MatchString(filepath.Base(r.Path)) &&
		(r.Size == 0 || r.Ours && r.spent)
}

// maxRemnant is more than the head of a file of ours and its configurations, in
// bytes. A file with more in it has something, be it nothing that we can read.
const maxRemnant = 1 << 20
