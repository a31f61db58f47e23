package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// What nothing proves is told when a recording is recovered: later nobody can see it.
func TestRecoveryTellsTheUnproven(t *testing.T) {
	dir := t.TempDir()
	for name, b := range recordings(t) {
		if name == "unfinished.flv" || name == "unfinished.mp4" {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	var log bytes.Buffer
	if err := recoverRecordings(t.Context(), dir, zerolog.New(&log)); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(log.String()) {
		told := strings.Contains(line, `"unproven":"kept, but nothing proves 11 frames, 88 bytes, from 0.005 s to 1.005 s`)
		if want := strings.Contains(line, "unfinished.flv"); told != want {
			t.Errorf("the unproven is told: %v, want %v: %s", told, want, line)
		}
	}
	if n := strings.Count(log.String(), `"message":"recovered a recording"`); n != 2 {
		t.Errorf("%d recordings are recovered, want 2:\n%s", n, &log)
	}
}

// stuck is a writer that stands still, as a disk can.
type stuck struct{ reached, free chan struct{} }

func (s stuck) Write(b []byte) (int, error) {
	close(s.reached)
	<-s.free
	return len(b), nil
}

// A sweep for old recordings that never ends does not hold up the end of serve.
func TestStopWhileSweepHangs(t *testing.T) {
	dir, whole := t.TempDir(), recordings(t)["whole.flv"]
	synctest.Test(t, func(t *testing.T) {
		path, old := filepath.Join(dir, "live_a_20260115_143022.flv"), time.Now().Add(-time.Hour)
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
		log := stuck{make(chan struct{}), make(chan struct{})}
		stop := (&recordOptions{all: true, dir: dir, keep: ageValue(time.Minute)}).retain(zerolog.New(log))
		<-log.reached
		stop()
		close(log.free)
	})
}
