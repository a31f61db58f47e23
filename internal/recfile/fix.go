package recfile

import (
	"errors"
	"fmt"
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
	Output  string     // the new file, if one was written, now or by an earlier fix
}

// Fix mends a recording: a file of ours in place, anybody else's as a new file
// beside it. The file is locked while it is mended. With dryRun nothing is
// written.
func Fix(path string, dryRun bool) (Fixed, error) { return new(Job).Fix(path, dryRun) }

// Fix is the function Fix, as a part of the job.
func (j *Job) Fix(path string, dryRun bool) (Fixed, error) {
	j.next(path)
	flags := os.O_RDWR
	if dryRun {
		flags = os.O_RDONLY
	}
	f, err := open(path, flags)
	var readOnly error
	if err != nil && flags == os.O_RDWR { // a copy needs no right to write, nor what is whole
		readOnly = err
		f, err = open(path, os.O_RDONLY)
	}
	if err != nil {
		return Fixed{}, err
	}
	defer f.Close() // what was written is synced by then
	if err := container.TryLock(f); errors.Is(err, container.ErrLocked) {
		r, err := j.scan(path, f)
		if err != nil {
			r = &Recording{Path: path} // so young, or not ours to judge
		}
		r.live()
		return Fixed{Outcome: InUse, Before: r}, nil
	} else if err != nil {
		return Fixed{}, fmt.Errorf("lock %s: %w", path, err)
	}
	before, err := j.scan(path, f)
	if err != nil {
		return Fixed{}, err
	}
	result := Fixed{Before: before, Outcome: before.outcome()}
	switch {
	case result.Outcome == Nothing || result.Outcome == Irreparable:
		return result, nil
	case before.copy != nil:
		return result, j.writeCopy(&result, dryRun)
	case dryRun:
		return result, nil
	case readOnly != nil:
		return result, readOnly
	}
	return result, j.mend(&result, f)
}

// mend carries out the plan for a file, in place.
func (j *Job) mend(result *Fixed, f *os.File) error {
	path := result.Before.Path
	if err := result.Before.plan.Apply(bare{f, j}); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	after, err := j.scan(path, f)
	if err != nil {
		return err
	}
	result.After = after
	return result.check()
}

// outcome is what mending the file leads to.
func (r *Recording) outcome() Outcome {
	switch {
	case r.Verdict == Whole:
		return Nothing
	case r.Verdict == Hopeless:
		return Irreparable
	case r.lossy():
		return Lossy
	}
	return Repaired
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
// complete. One that is there is taken as the result of an earlier fix.
func (j *Job) writeCopy(f *Fixed, dryRun bool) error {
	ext := filepath.Ext(f.Before.Path)
	output := strings.TrimSuffix(f.Before.Path, ext) + ".fixed" + ext
	if _, err := os.Lstat(output); err == nil {
		if earlier, err := j.inspect(output); err != nil || earlier.Verdict != Whole {
			return fmt.Errorf("%s: is in the way and not whole: remove it, then fix again", output)
		}
		f.Outcome, f.Output = Nothing, output
		return nil
	}
	if dryRun {
		return nil
	}
	part := output + partSuffix
	out, err := os.Create(part)
	if err != nil {
		return err
	}
	j.step(out, f.Before.Size)
	if err = f.Before.copy(bare{out, j}); err != nil {
		err = fmt.Errorf("%s: %w", output, err)
	} else if f.After, err = j.scan(output, out); err == nil {
		err = f.check()
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(part, output)
	}
	if err != nil {
		f.After = nil
		_ = os.Remove(part) // the first error counts
		return err
	}
	f.Output = output
	return nil
}
