package recfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Outcome is what fix did with a file.
type Outcome uint8

// The outcomes.
const (
	Nothing  Outcome = iota // it was whole
	Repaired                // and nothing was lost
	Lossy                   // repaired, but whole samples were damaged
	Irreparable
	InUse // somebody is recording it
)

// Fixed is the result of Fix.
type Fixed struct {
	Outcome Outcome
	Before  *Recording
	After   *Recording // nil unless something was repaired
	Output  string     // the new file, if one was written
}

// Fix mends a recording: a file of ours in place, anybody else's as a new file
// beside it. The file is locked while it is mended. With dryRun nothing is
// written.
func Fix(path string, dryRun bool) (Fixed, error) {
	flags := os.O_RDWR
	if dryRun {
		flags = os.O_RDONLY
	}
	f, err := os.OpenFile(path, flags, 0)
	if errors.Is(err, fs.ErrPermission) { // a copy needs no right to write
		f, err = os.Open(path)
	}
	if err != nil {
		return Fixed{}, err
	}
	defer f.Close() // what was written is synced by then
	if err := container.TryLock(f); errors.Is(err, container.ErrLocked) {
		r, err := scan(path, f)
		return Fixed{Outcome: InUse, Before: r}, err
	} else if err != nil {
		return Fixed{}, fmt.Errorf("lock %s: %w", path, err)
	}
	before, err := scan(path, f)
	if err != nil {
		return Fixed{}, err
	}
	result := Fixed{Before: before, Outcome: before.outcome()}
	if dryRun || result.Outcome == Nothing || result.Outcome == Irreparable {
		return result, nil
	}
	if before.copy != nil {
		return result, result.writeCopy()
	}
	if err := before.plan.Apply(f); err != nil {
		return result, fmt.Errorf("%s: %w", path, err)
	}
	if result.After, err = scan(path, f); err != nil {
		return result, err
	}
	return result, result.check()
}

// outcome is what mending the file leads to.
func (r *Recording) outcome() Outcome {
	switch {
	case r.Verdict == Whole:
		return Nothing
	case r.Verdict == Hopeless:
		return Irreparable
	case r.Verdict == Damaged && r.lossy():
		return Lossy
	}
	return Repaired
}

// lossy: something that was whole once is damaged now. A torn end is not.
func (r *Recording) lossy() bool {
	for _, f := range r.Findings {
		switch f.Code {
		case "F05", "M22", "M46":
			return true
		}
	}
	return false
}

// check fails if a mended file is not whole: then the tool is wrong, and says so.
func (f *Fixed) check() error {
	if f.After.Verdict != Whole {
		return fmt.Errorf("%s: still %s after the repair: please report this", f.After.Path, f.After.Verdict)
	}
	return nil
}

// partSuffix marks a copy that is not complete.
const partSuffix = ".part"

// writeCopy writes a finished copy beside the file, under its name only when it is
// complete.
func (f *Fixed) writeCopy() error {
	ext := filepath.Ext(f.Before.Path)
	f.Output = strings.TrimSuffix(f.Before.Path, ext) + ".fixed" + ext
	if _, err := os.Lstat(f.Output); err == nil {
		return fmt.Errorf("%s: %w: remove it, or keep it as the result of an earlier fix", f.Output, fs.ErrExist)
	}
	part := f.Output + partSuffix
	out, err := os.Create(part)
	if err != nil {
		return err
	}
	err = f.Before.copy(out)
	if err == nil {
		f.After, err = scan(f.Output, out)
	}
	if err == nil {
		err = f.check()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, f.Output)
}
