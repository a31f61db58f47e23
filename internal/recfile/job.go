package recfile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
)

// Job is the work on some recordings, one after the other. It counts the bytes that
// it has gone through, for whoever watches it from another goroutine, and its context
// ends it early. The zero Job does the same work; nobody can tell how far it is.
type Job struct {
	Deep bool // Open reads the media too, and finds what has changed in it

	done, total atomic.Int64 // bytes

	ctx   context.Context
	sizes map[string]int64 // of the files, when the job began
	ahead int64            // bytes of the files that are not begun

	// The step at work.
	file       *os.File // what it goes through
	begin, end int64    // in done
	from, to   int64    // of the newest read or write of the file
	fail       error    // the first error of reading
}

// NewJob makes a job of the recordings with these paths.
func NewJob(ctx context.Context, paths []string) *Job {
	j := &Job{ctx: ctx, sizes: make(map[string]int64, len(paths))}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			j.sizes[path] = info.Size()
			j.ahead += info.Size()
		}
	}
	j.total.Store(j.ahead)
	return j
}

// Progress tells how many bytes are done, and how many there are. There may be more
// of them later: a copy is written, and what was mended is read again.
func (j *Job) Progress() (done, total int64) { return j.done.Load(), j.total.Load() }

// next begins the work on a file.
func (j *Job) next(path string) {
	j.ahead -= j.sizes[path]
	j.step(nil, 0)
}

// step begins a part of the work on a file, which goes through that many bytes of f.
func (j *Job) step(f *os.File, size int64) {
	j.file, j.begin = f, j.end
	j.end += size
	j.from, j.to = 0, 0
	j.fail = nil
	j.done.Store(j.begin)
	j.total.Store(j.end + j.ahead)
}

// reached notes a read or a write of a file. It counts once the work goes on behind its
// begin: to look at the end of a file, and go on at its head, is no progress. One
// goroutine works, so that a store is enough.
func (j *Job) reached(f *os.File, from, to int64) {
	if f != j.file {
		return
	}
	if at := min(j.begin+j.to, j.end); from > j.from && at > j.done.Load() {
		j.done.Store(at)
	}
	j.from, j.to = from, to
}

var errInterrupted = errors.New("interrupted")

// err is not nil once the job is to end.
func (j *Job) err() error {
	if j.ctx != nil && j.ctx.Err() != nil {
		return errInterrupted
	}
	return nil
}

// bare is a file of a job whose errors do not name it: who calls names it once.
type bare struct {
	*os.File
	job *Job
}

func (b bare) ReadAt(p []byte, at int64) (n int, err error) {
	if err = b.job.err(); err == nil {
		n, err = b.File.ReadAt(p, at)
	}
	if err != nil && err != io.EOF {
		err = withoutPath(err)
		b.job.fail = cmp.Or(b.job.fail, fmt.Errorf("read %d bytes at %d: %w", len(p), at, err))
	}
	b.job.reached(b.File, at, at+int64(n))
	return n, err
}

func (b bare) WriteAt(p []byte, at int64) (int, error) {
	n, err := b.File.WriteAt(p, at)
	b.job.reached(b.File, at, at+int64(n))
	return n, withoutPath(err)
}

func (b bare) Truncate(size int64) error { return withoutPath(b.File.Truncate(size)) }

func (b bare) Sync() error { return withoutPath(b.File.Sync()) }

func withoutPath(err error) error {
	if err == nil {
		return nil
	}
	var named *fs.PathError
	if errors.As(err, &named) {
		return named.Err
	}
	return err
}
