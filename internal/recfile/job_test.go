package recfile

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// countdown is a context that ends after it was asked a number of times, and notes
// how far its job was each time.
type countdown struct {
	context.Context
	left int
	job  *Job
	seen [][2]int64
}

func (c *countdown) Err() error {
	if c.job != nil {
		done, total := c.job.Progress()
		c.seen = append(c.seen, [2]int64{done, total})
	}
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestJobCounts(t *testing.T) {
	openFLV, closedFLV := flvFile(t, stream(12))
	openMP4, _, _ := mp4File(t, 12, 0)
	foreign := foreignFLV(stream(4000))
	dir := t.TempDir()
	files := []struct {
		name string
		b    []byte
		fix  int64 // times its size that fix goes through
	}{
		{"a.flv", openFLV, 2}, {"b.mp4", openMP4, 2}, {"c.flv", closedFLV, 1}, {"d.flv", foreign, 3}, {"e.flv", foreign, 3}, {"f.flv", []byte("some notes"), 1},
	}
	var paths []string
	sum, fixed := int64(0), int64(0)
	for _, f := range files {
		p := filepath.Join(dir, f.name)
		put(t, p, f.b)
		paths = append(paths, p)
		sum += int64(len(f.b))
		fixed += int64(len(f.b)) * f.fix
	}
	paths = append(paths, filepath.Join(dir, "missing.flv"), dir)
	ctx := &countdown{Context: t.Context(), left: 1 << 30}
	for _, tt := range []struct {
		name string
		work func(*Job, string)
		want int64
	}{
		{"inspect", func(j *Job, p string) { _, _ = j.Open(p) }, sum},
		{"fix", func(j *Job, p string) { _, _ = j.Fix(p, false) }, fixed},
	} {
		name := tt.name
		j := NewJob(ctx, paths)
		ctx.job, ctx.seen = j, nil
		if done, total := j.Progress(); done != 0 || total != sum {
			t.Errorf("%s begins at %d of %d bytes, want 0 of %d", name, done, total, sum)
		}
		ahead := sum
		for i, p := range paths {
			tt.work(j, p)
			if i < len(files) {
				ahead -= int64(len(files[i].b))
			}
			if done, total := j.Progress(); total < done || total-ahead < done || total-ahead > done+int64(len(foreign)) {
				t.Errorf("%s: %d of %d bytes, and %d ahead, after %s", name, done, total, ahead, filepath.Base(p))
			}
		}
		before := [2]int64{}
		between := false
		for _, at := range ctx.seen {
			if at[0] < before[0] || at[1] < before[1]-int64(len(foreign)) || at[0] > at[1] {
				t.Fatalf("%s: %d of %d bytes after %d of %d", name, at[0], at[1], before[0], before[1])
			}
			between = between || at[0]-before[0] < int64(len(foreign))/2 && at[0] > before[0]
			before = at
		}
		if !between {
			t.Errorf("%s: the count leaps: %v", name, ctx.seen)
		}
		// Copies grow by the head and the tables that the source does not have.
		done, total := j.Progress()
		if total < tt.want || total > tt.want+4*(40<<10) {
			t.Errorf("%s: %d of %d bytes at the end, want about %d", name, done, total, tt.want)
		}
	}
}

// Whenever a job is interrupted, the files are as they were, or finished.
func TestJobInterrupted(t *testing.T) {
	t.Parallel()
	foreign := foreignFLV(stream(4000))
	openMP4, closedMP4, _ := mp4File(t, 12, 0)
	interrupted := 0
	for left := 0; ; left += 1 + left/8 {
		dir := t.TempDir()
		flv, mp4 := filepath.Join(dir, "a.flv"), filepath.Join(dir, "b.mp4")
		put(t, flv, foreign)
		put(t, mp4, openMP4)
		j := NewJob(&countdown{Context: t.Context(), left: left}, []string{flv, mp4})
		first, err := j.Fix(flv, false)
		_, err2 := j.Fix(mp4, false)
		_, there := os.Stat(filepath.Join(dir, "a.fixed.flv"))
		if (err == nil) != (first.After != nil) || (err == nil) != (there == nil) || len(state(t, dir)) > 3 {
			t.Fatalf("after %d reads: %v, %+v, %v", left, err, first, state(t, dir))
		}
		if b := get(t, mp4); string(b) != string(openMP4) && string(b) != string(closedMP4) {
			t.Fatalf("after %d reads: %v, and an MP4 of %d bytes", left, err2, len(b))
		}
		if _, err := os.Stat(filepath.Join(dir, "a.fixed.flv"+partSuffix)); err == nil {
			t.Fatalf("after %d reads: the copy that was begun is left", left)
		}
		if err == nil && err2 == nil {
			break
		}
		interrupted++
	}
	if interrupted < 10 {
		t.Errorf("only %d interruptions", interrupted)
	}
}

// A look at the end of a file is no progress: the walk is where it goes on.
func TestProgressIsNoLook(t *testing.T) {
	t.Parallel()
	open, closed, _ := mp4File(t, 400, 0)
	foreign := foreignFLV(stream(400))
	const tail = 64 << 20
	for name, b := range map[string][]byte{"open.mp4": open, "closed.mp4": closed[:len(closed)-100], "foreign.flv": foreign} {
		p := filepath.Join(t.TempDir(), name)
		put(t, p, b)
		if err := os.Truncate(p, tail); err != nil { // zeros, which are searched to the end
			t.Fatal(err)
		}
		ctx := &countdown{Context: t.Context(), left: 1 << 30}
		j := NewJob(ctx, []string{p})
		ctx.job = j
		if _, err := j.Open(p); err != nil {
			t.Fatal(err)
		}
		within := 0
		for _, at := range ctx.seen {
			if at[0] > int64(len(b)) && at[0] < tail-2<<20 {
				within++
			}
		}
		if within < 10 {
			t.Errorf("%s: %d of %d steps are within the tail", name, within, len(ctx.seen))
		}
	}
}
