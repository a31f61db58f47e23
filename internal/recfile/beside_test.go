package recfile

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/record"
)

// Two servers record into one directory, under the same names in the same second, while
// others recover what is in it and remove what is old: every recording keeps its name, from
// its creation to its end, and nobody else's bytes are in it.
func TestRecoverBesideRecorders(t *testing.T) {
	dir := t.TempDir()
	head, _ := flvFile(t, nil)
	_, closed := flvFile(t, stream(2))
	at := time.Date(2026, 1, 15, 14, 30, 22, 0, time.UTC)
	var recorders, others sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		others.Go(func() {
			for keeper := NewKeeper(dir, time.Hour); ; {
				select {
				case <-done:
					return
				default:
				}
				err := Recover(t.Context(), dir, func(int) {}, func(r Recovered) {
					if r.Err != nil || !r.Removed {
						t.Errorf("%+v", r)
					}
				})
				if err != nil {
					t.Error(err)
				}
				if err := keeper.Sweep(t.Context(), time.Now(), func(x Expired) { t.Errorf("%+v", x) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	const rounds = 2000
	for range 2 {
		recorders.Go(func() {
			c := record.Config{Dir: dir, Logger: zerolog.Nop()}
			for range rounds {
				f, path, err := c.CreateFile("live/main", at, ".flv")
				if err != nil {
					t.Error(err)
					return
				}
				for i, b := range [][]byte{head, closed} {
					if _, err := f.WriteAt(b, 0); err != nil {
						t.Error(err)
					}
					if !names(path, f) {
						t.Errorf("%s: gone or somebody else's after write %d", filepath.Base(path), i)
					}
				}
				if err := f.Remove(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	recorders.Wait()
	close(done)
	others.Wait()
}

// names reports whether a path still names a file.
func names(path string, f record.File) bool {
	there, err := os.Stat(path)
	info, err2 := f.(interface{ Stat() (os.FileInfo, error) }).Stat()
	return err == nil && err2 == nil && os.SameFile(there, info)
}
