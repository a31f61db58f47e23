package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/container"
)

func TestFileName(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 4, 5, 6, time.Local)
	for _, tt := range []struct{ stream, want string }{
		{"live/main", "live_main"},
		{"live/a_b", "live_a_b"},
		{"live_a/b", "live_a_b"},
		{"..", "_."},
		{"../../etc/passwd", "_._.._etc_passwd"},
		{".hidden", "_hidden"},
		{"a.b-c_D9", "a.b-c_D9"},
		{"a\x00b\nc", "a_b_c"},
		{"caf\u00e9", "caf__"},
		{`a\b:c*d?e"f<g>h|i j`, "a_b_c_d_e_f_g_h_i_j"},
		{"$(rm -rf)", "__rm_-rf_"},
		{"-rf", "_rf"},
		{"CON", "CON"},
		{"nul.tar.gz", "nul_tar.gz"},
		{"COM1.a/b", "COM1_a_b"},
		{"COM.a", "COM.a"},
		{"conf.a", "conf.a"},
		{"e\u0301", "e__"},
		{"\u00e9", "__"},
		{"a\u202egpj.flv", "a___gpj.flv"},
		{"\xff\xfe", "__"},
		{"", ""},
		{strings.Repeat("x", 512), strings.Repeat("x", 160)},
		{strings.Repeat("\u4e16", 200), strings.Repeat("_", 160)},
	} {
		got := fileName(tt.stream, at)
		if got != tt.want+"_20261122_030405" {
			t.Errorf("%q: %q, want %q", tt.stream, got, tt.want)
		}
		if n := len(got + "-1000.flv"); n > 200 {
			t.Errorf("%q: a name of %d bytes", tt.stream, n)
		}
		if filepath.Base(got) != got {
			t.Errorf("%q leaves the directory", got)
		}
	}
}

func quiet(dir string) Config { return Config{Dir: dir, Logger: zerolog.Nop()} }

// A name that is taken, by whatever, gets a number.
func TestNameCollisions(t *testing.T) {
	dir := t.TempDir()
	c := quiet(dir)
	at := time.Date(2026, 11, 22, 3, 4, 5, 0, time.Local)
	if err := os.WriteFile(filepath.Join(dir, "live_a_b_20261122_030405-3.flv"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ stream, want string }{
		{"live/a_b", "live_a_b_20261122_030405.flv"},
		{"live_a/b", "live_a_b_20261122_030405-2.flv"},
		{"live/a_b", "live_a_b_20261122_030405-4.flv"},
		{"live/other", "live_other_20261122_030405.flv"},
	} {
		f, path, err := c.CreateFile(tt.stream, at, ".flv")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}()
		if path != filepath.Join(dir, tt.want) {
			t.Errorf("%s: %s, want %s", tt.stream, path, tt.want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "live_a_b_20261122_030405-3.flv")); err != nil || string(b) != "mine" {
		t.Errorf("%q, %v: a file of somebody else was touched", b, err)
	}
}

// A name is given up at last, with an error that names the path.
func TestNameCollisionsEnd(t *testing.T) {
	dir := t.TempDir()
	c := quiet(dir)
	at := time.Now()
	for n := range maxNameTries {
		name := fileName("a", at) + ".flv"
		if n > 0 {
			name = fmt.Sprintf("%s-%d.flv", fileName("a", at), n+1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, path, err := c.CreateFile("a", at, ".flv")
	if !errors.Is(err, os.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%s: %v", path, err)
	}
}

// A directory that was removed is made again; one that cannot be is an error.
func TestCreateInMissingDirectory(t *testing.T) {
	dir := t.TempDir()
	c := quiet(filepath.Join(dir, "gone"))
	f, path, err := c.CreateFile("a", time.Now(), ".flv")
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	c.Dir = filepath.Join(path, "gone") // below a file
	if _, path, err := c.CreateFile("a", time.Now(), ".flv"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%s: %v", path, err)
	}
}

// Real files: two in the same second, locked as long as they are recorded.
func TestRealFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		r := live.NewRegistry(live.Config{})
		var sessions []*session
		for _, name := range []string{"live/a_b", "live_a/b"} {
			f := newFeed(t, r, name)
			f.configs()
			f.key()
			s := &session{feed: f, Recorder: Start(quiet(dir), name, f.p.Cursor())}
			sessions = append(sessions, s)
			synctest.Wait()
		}
		for i, want := range []string{"", "-2"} {
			s := sessions[i]
			path := s.Status().Path
			if want := "live_a_b_20000101_000000" + want + ".flv"; time.Local == time.UTC && filepath.Base(path) != want {
				t.Errorf("path %s, want %s", path, want)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := container.TryLock(f); err != container.ErrLocked {
				t.Errorf("%v while it is recorded, want ErrLocked", err)
			}
			s.gop(10)
			s.end()
			if err := container.TryLock(f); err != nil {
				t.Errorf("%v after the end", err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			wantFinished(t, data)
			wantTags(t, data, 0, frames(s.sent)...)
		}
	})
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

// A lock that an error leaves is given back too.
func TestLockAfterError(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
		c := quiet(dir)
		c.Create = func(stream string, at time.Time, ext string) (File, string, error) {
			f, path, err := (&Config{Dir: dir}).CreateFile(stream, at, ext)
			return &failingFile{File: f}, path, err
		}
		s := &session{feed: f, Recorder: Start(c, "live/a", f.p.Cursor())}
		s.gop(10)
		<-s.Done()
		if !errors.Is(s.Status().Err, errDisk) {
			t.Errorf("status %+v", s.Status())
		}
		again, err := os.OpenFile(s.Status().Path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := container.TryLock(again); err != nil {
			t.Error(err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		data, err := os.ReadFile(s.Status().Path)
		if err != nil {
			t.Fatal(err)
		}
		wantFinished(t, data)
		s.end()
	})
}

// failingFile fails at its third write.
type failingFile struct {
	File
	writes int
}

func (f *failingFile) WriteAt(b []byte, offset int64) (int, error) {
	if f.writes++; f.writes == 3 {
		n, _ := f.File.WriteAt(b[:len(b)/2], offset)
		return n, errDisk
	}
	return f.File.WriteAt(b, offset)
}

func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // what is there already is fine
		if err := Prepare(filepath.Join(dir, "a", "b")); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(dir, "a", "b")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	forbidden := unwritable(t)
	for _, tt := range []struct{ dir, want, path string }{
		{file, "create the recording directory", file},
		{filepath.Join(file, "below"), "create the recording directory", file},
		{forbidden, "write to the recording directory", forbidden},
	} {
		if err := Prepare(tt.dir); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: %v, want %q and the path", tt.dir, err, tt.want)
		}
	}
}

// unwritable returns a directory in which nobody can create a file, root included
// where there is one.
func unwritable(t *testing.T) string {
	if runtime.GOOS == "linux" {
		return "/proc/self"
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	return dir
}
