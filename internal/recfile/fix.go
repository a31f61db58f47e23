package recfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rtmptool/rtmptool/internal/disk"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// Outcome is what fix did with a file.
type Outcome uint8

// The outcomes.
const (
	Nothing  Outcome = iota // it was whole, with all that fix would add
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
	defer container.Close(f) // what was written is synced by then
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
	// Whoever began the file may have been stopped before its name was durable.
	if err := disk.SyncDir(filepath.Dir(path)); err != nil {
		return err
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
	case r.Verdict == Whole && r.copy == nil:
		return Nothing
	case r.Verdict == Hopeless || r.Verdict == Rotten:
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
// complete. One that is there is taken as the result of an earlier fix if it holds the
// same samples.
func (j *Job) writeCopy(f *Fixed, dryRun bool) error {
	ext := filepath.Ext(f.Before.Path)
	output := strings.TrimSuffix(f.Before.Path, ext) + ".fixed" + ext
	part := output + partSuffix
	if _, err := os.Lstat(output); err == nil {
		if earlier, err := j.inspect(output); err != nil || earlier.Verdict != Whole || !earlier.holds(f.Before) {
			return fmt.Errorf("%s: is in the way and no finished copy of %s: remove it, then fix again", output, filepath.Base(f.Before.Path))
		}
		f.Outcome, f.Output = Nothing, output
		if dryRun {
			return nil
		}
		return errors.Join(removePart(part), disk.SyncDir(filepath.Dir(output))) // it was stopped before, maybe
	}
	if dryRun {
		return nil
	}
	out, err := createPart(part)
	if err != nil {
		return err
	}
	j.step(out, f.Before.Size)
	if err = f.Before.copy(bare{out, j}); err != nil {
		err = fmt.Errorf("%s: %w", output, err)
	} else if f.After, err = j.scan(output, out); err == nil {
		err = f.check()
	}
	if err != nil {
		_ = container.Remove(out) // the first error counts
	} else if err = place(out, output); err == nil {
		err = disk.SyncDir(filepath.Dir(output))
	}
	if err != nil {
		f.After = nil
		return err
	}
	f.Output = output
	return nil
}

// holds reports whether a copy has as many samples of each track as its original.
func (r *Recording) holds(original *Recording) bool {
	samples := func(r *Recording) (all []int) {
		for _, t := range r.Index.Tracks {
			if t.Samples > 0 {
				all = append(all, t.Samples)
			}
		}
		return all
	}
	return slices.Equal(samples(r), samples(original))
}

// removePart removes what an earlier fix has left behind. What somebody writes, and what
// else is there, a link to somewhere, stays.
func removePart(path string) error {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if container.TryLock(f) != nil {
		return container.Close(f)
	}
	return container.Remove(f)
}

// createPart makes a locked file that does not exist, but for what an earlier fix has
// left behind.
func createPart(path string) (*os.File, error) {
	if err := removePart(path); err != nil {
		return nil, err
	}
	return container.Create(path, 0o644)
}

// place gives a locked new file its name, but never another file's, where the file system
// can tell, and closes it.
func place(f *os.File, to string) error {
	err := os.Link(f.Name(), to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return errors.Join(err, container.Remove(f))
	}
	// There are no hard links.
	if err := container.Close(f); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}
