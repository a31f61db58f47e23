package container

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// A lock is worth something only while the file has its name: one that was removed or
// replaced after it was opened is refused.
func TestTryLockOfNameless(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file loses its name there while it is open")
	}
	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".moved") },
		"replaced": func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		},
	} {
		f := newFile(t)
		if err := lose(f.Name()); err != nil {
			t.Fatal(err)
		}
		if err := TryLock(f); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		_, before := os.Lstat(f.Name())
		if err := Remove(f); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, then to be removed: %v", name, err)
		}
		if _, after := os.Lstat(f.Name()); (before == nil) != (after == nil) {
			t.Errorf("%s: what has its name now was removed", name)
		}
	}
}

// A new recording is locked and empty; a name that is taken, by whatever, stays as it is.
func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.flv")
	f, err := Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !locked(t, path) {
		t.Error("it is not locked")
	}
	if _, err := f.WriteString("FLV"); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	link := filepath.Join(filepath.Dir(path), "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(link, 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a link to nowhere: %v", err)
	}
	if _, err := Create(filepath.Join(path, "below"), 0o600); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("below a file: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "FLV" {
		t.Errorf("%q, %v", got, err)
	}
	if err := Remove(f); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}

// Who only looks whether a file is locked takes no name away from a new one.
func TestCreateBesideLookers(t *testing.T) {
	dir, stop := t.TempDir(), make(chan struct{})
	var lookers sync.WaitGroup
	looked := atomic.Int64{}
	for range 4 {
		lookers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if f, err := os.Open(filepath.Join(dir, "a.flv")); err == nil {
					Locked(f)
					looked.Add(1)
					_ = Close(f)
				}
			}
		})
	}
	for n := 0; n < 3000 || looked.Load() == 0; n++ {
		f, err := Create(filepath.Join(dir, "a.flv"), 0o600)
		if err != nil {
			t.Errorf("round %d: %v", n, err)
			break
		}
		if err := Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	lookers.Wait()
}

func locked(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return Locked(f)
}
