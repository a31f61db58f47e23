package recfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rtmptool/rtmptool/internal/disk"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// Expired is a recording that was removed because it was old, or that could not be.
type Expired struct {
	Path string
	Size int64
	Age  time.Duration // since its last change
	Err  error
}

// Keeper removes recordings of a directory, not below it, when they are old: those
// of ours that are closed and whole. What is damaged, unfinished or anybody else's
// stays for somebody to look at.
type Keeper struct {
	dir    string
	age    time.Duration
	spared map[string]stamp // old files that stay: not read again while they do not change
}

// stamp tells whether a file has changed.
type stamp struct {
	size    int64
	changed time.Time
}

// NewKeeper keeps the recordings of a directory for so long.
func NewKeeper(dir string, age time.Duration) *Keeper {
	return &Keeper{dir: dir, age: age, spared: make(map[string]stamp)}
}

// Sweep removes what is too old by now, and reports each file. It ends early with
// the context.
func (k *Keeper) Sweep(ctx context.Context, now time.Time, report func(Expired)) error {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return err
	}
	spared := make(map[string]stamp)
	gone := false
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !ourName.MatchString(e.Name()) || !k.old(now.Sub(info.ModTime())) {
			continue // it is young, somebody's own, or gone already
		}
		was := stamp{info.Size(), info.ModTime()}
		if k.spared[e.Name()] == was {
			spared[e.Name()] = was
			continue
		}
		x, removed := k.expire(info, now)
		gone = gone || removed
		if removed || x.Err != nil {
			report(x)
		}
		if !removed {
			spared[e.Name()] = was
		}
	}
	k.spared = spared
	if gone {
		return disk.SyncDir(k.dir)
	}
	return nil
}

// maxAge is more than a recording can have: its time is that of a machine whose
// clock was not set yet.
const maxAge = 20 * 365 * 24 * time.Hour

func (k *Keeper) old(age time.Duration) bool { return age >= k.age && age < maxAge }

func (k *Keeper) expire(info fs.FileInfo, now time.Time) (x Expired, removed bool) {
	x = Expired{Path: filepath.Join(k.dir, info.Name()), Size: info.Size(), Age: now.Sub(info.ModTime())}
	f, r, err := new(Job).hold(x.Path)
	switch {
	case errors.Is(err, container.ErrLocked), errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrUnknown):
		return x, false
	case err != nil:
		x.Err = err
		return x, false
	}
	defer container.Close(f)
	if held, err := f.Stat(); err != nil || !held.ModTime().Equal(info.ModTime()) || !r.Ours || r.Verdict != Whole {
		x.Err = err
		return x, false // not old any more, or to be looked at
	}
	x.Err = container.Remove(f)
	return x, x.Err == nil
}
