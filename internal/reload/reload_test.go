package reload

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is when a change that stands still has been taken over.
const soon = pollEvery + 2*settle

// words joins the files; one that holds "bad" is none.
func words(contents [][]byte) (string, error) {
	text := string(bytes.Join(contents, []byte("|")))
	if strings.Contains(text, "bad") {
		return "", errors.New("keys.txt:1: bad")
	}
	return text, nil
}

// world is a directory and a value of some of its files.
type world struct {
	t   *testing.T
	dir string
	log lines
	*Value[string]
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// take returns what was logged since the last call.
func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// follow runs a test under a clock of its own.
func follow(t *testing.T, files map[string]string, paths []string, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: t.TempDir()}
		for name, text := range files {
			w.write(name, text)
		}
		for i := range paths {
			paths[i] = w.path(paths[i])
		}
		v, err := Open(zerolog.New(&w.log), words, paths...)
		if err != nil {
			t.Fatal(err)
		}
		w.Value = v
		defer v.Close()
		test(w)
	})
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	w.ok(os.WriteFile(w.path(name), []byte(text), 0o600))
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// becomes waits until a change has been taken over, or not.
func (w *world) becomes(want string) {
	w.t.Helper()
	pass(soon)
	if got := w.Get(); got != want {
		w.t.Errorf("the value is %q, want %q", got, want)
	}
}

// logged compares what was logged since the last call.
func (w *world) logged(want ...string) {
	w.t.Helper()
	got := w.log.take()
	if n := strings.Count(got, "\n"); n != len(want) {
		w.t.Errorf("%d log lines, want %d:\n%s", n, len(want), got)
		return
	}
	for i, line := range strings.Split(strings.TrimSpace(got), "\n") {
		if len(want) > 0 && !strings.Contains(line, want[i]) {
			w.t.Errorf("log line %s, want %q", line, want[i])
		}
	}
}

const tookOver = `"message":"took over a changed file"`

func TestChanges(t *testing.T) {
	follow(t, map[string]string{"keys": "one"}, []string{"keys"}, func(w *world) {
		w.becomes("one")
		w.logged()
		w.write("keys", "two") // in place, the same length
		w.becomes("two")
		w.logged(tookOver)
		w.write("new", "three") // as editors do
		w.ok(os.Rename(w.path("new"), w.path("keys")))
		w.becomes("three")
		w.ok(os.Remove(w.path("keys")))
		w.write("keys", "three")
		w.becomes("three")
		w.write("keys", "")
		w.becomes("")
		w.logged(tookOver, tookOver)
		pass(time.Hour)
		w.logged()
	})
}

// Kubernetes swaps a link to a directory, certbot a link to a file.
func TestLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: t.TempDir()}
		for _, v := range []string{"v1", "v2"} {
			w.ok(os.Mkdir(w.path(v), 0o700))
			w.write(v+"/keys", v)
		}
		w.ok(os.Symlink("v1", w.path("..data")))
		w.ok(os.Symlink("..data/keys", w.path("keys")))
		v, err := Open(zerolog.New(&w.log), words, w.path("keys"))
		w.ok(err)
		defer v.Close()
		w.Value = v
		w.becomes("v1")
		w.ok(os.Symlink("v2", w.path("..tmp")))
		w.ok(os.Rename(w.path("..tmp"), w.path("..data")))
		w.becomes("v2")
		w.write("v2/keys", "behind the links")
		w.becomes("behind the links")
	})
}

// What cannot be used is told once, and changes nothing.
func TestErrors(t *testing.T) {
	follow(t, map[string]string{"keys": "one"}, []string{"keys"}, func(w *world) {
		stays := "what it held before stays in force"
		w.write("keys", "bad")
		w.becomes("one")
		pass(time.Hour)
		w.logged(stays)
		w.write("keys", "very bad") // another mistake
		w.becomes("one")
		w.logged(`"error":"keys.txt:1: bad"`)
		w.ok(os.Remove(w.path("keys")))
		w.becomes("one")
		pass(time.Hour)
		w.logged("keys: no such file")
		w.ok(os.Mkdir(w.path("keys"), 0o700))
		w.becomes("one")
		w.logged("keys is no regular file")
		w.ok(os.Remove(w.path("keys")))
		w.write("keys", strings.Repeat("x", maxFile+1))
		w.becomes("one")
		w.logged("keys has 1048577 bytes, at most 1048576 are read")
		w.write("keys", "one") // as it was
		w.becomes("one")
		w.logged(tookOver)
	})
}

// A change counts when it stands still: not while it is being written, and not
// between two files that belong together.
func TestUnsettled(t *testing.T) {
	follow(t, map[string]string{"cert": "c1", "key": "k1"}, []string{"cert", "key"}, func(w *world) {
		w.becomes("c1|k1")
		pass(time.Millisecond) // not at the moment at which it looks
		for i := range 200 {
			w.write("cert", fmt.Sprint("part", i))
			pass(settle / 2)
			if got := w.Get(); got != "c1|k1" {
				w.t.Fatalf("a file that is being written was taken over: %q", got)
			}
		}
		w.write("cert", "c2")
		pass(settle / 2)
		w.write("key", "k2")
		w.becomes("c2|k2")
		w.logged(tookOver)
	})
}

// What is wrong at the start is the caller's.
func TestOpenErrors(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.write("good", "one")
	w.write("bad", "bad")
	w.write("large", strings.Repeat("x", maxFile+1))
	for name, want := range map[string]string{
		"bad": "keys.txt:1: bad", "missing": "no such file", "large": "at most 1048576 are read", ".": "no regular file", "good/x": "not a directory",
	} {
		v, err := Open(zerolog.New(&w.log), words, w.path("good"), w.path(name))
		if err == nil || !strings.Contains(err.Error(), want) || v != nil {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	w.logged()
	w.write("full", strings.Repeat("x", maxFile))
	v, err := Open(zerolog.New(&w.log), words, w.path("full"))
	if err != nil || len(v.Get()) != maxFile {
		t.Errorf("a file of the size that is allowed: %v", err)
	}
	v.Close()
}

// BenchmarkPoll is what following a certificate and two files of keys costs each
// second.
func BenchmarkPoll(b *testing.B) {
	dir := b.TempDir()
	var paths []string
	for i := range 4 {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 4<<10), 0o600); err != nil {
			b.Fatal(err)
		}
		paths = append(paths, path)
	}
	v, err := Open(zerolog.Nop(), words, paths...)
	if err != nil {
		b.Fatal(err)
	}
	v.Close()
	for b.Loop() {
		v.poll()
	}
}
