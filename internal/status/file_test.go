package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/server"
)

// inFile is what a status file says.
type inFile struct {
	Schema int
	State  string
	Time   time.Time
	Totals struct {
		Sent uint64 `json:"sent_bytes"`
	}
}

func readState(t *testing.T, path string) inFile {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f inFile
	if err := json.Unmarshal(text, &f); err != nil || bytes.Count(text, []byte("\n")) != 1 {
		t.Fatalf("%v, or not one line: %s", err, text)
	}
	return f
}

// entries lists a directory.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// TestFile: it is there at once, new each second, and says in the end that the
// server has stopped. Nothing else is left in its directory.
func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "status.json")
		src := &source{}
		var log writes
		f := WriteFile(path, NewSampler(src, ""), zerolog.New(&log))
		begin := time.Now()
		for second := range 3 {
			synctest.Wait()
			got := readState(t, path)
			if got.Schema != 1 || got.State != "serving" || got.Totals.Sent != uint64(second) || !got.Time.Equal(begin.Add(time.Duration(second)*time.Second)) {
				t.Errorf("after %d s: %+v", second, got)
			}
			src.mu.Lock()
			src.totals.Sent++
			src.totals.Stopping = second == 2
			src.mu.Unlock()
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if got := readState(t, path); got.State != "stopping" {
			t.Errorf("%+v while the server stops", got)
		}
		time.Sleep(300 * time.Millisecond)
		f.Stop()
		if got := readState(t, path); got.State != "stopped" || !got.Time.Equal(time.Now()) {
			t.Errorf("%+v in the end", got)
		}
		if names := entries(t, dir); len(names) != 1 || len(log) > 0 {
			t.Errorf("files %q, logged %q", names, log)
		}
	})
}

// TestFileErrors: an error is told once, and again only after the file was written
// in between.
func TestFileErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "run")
		path := filepath.Join(dir, "status.json")
		var log writes
		f := WriteFile(path, NewSampler(&source{}, ""), zerolog.New(&log))
		seconds := func(n int) {
			synctest.Wait()
			time.Sleep(time.Duration(n) * time.Second)
			synctest.Wait()
		}
		check := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if CheckFile(path) == nil {
			t.Error("a missing directory is nothing to say")
		}
		seconds(5)
		check(os.Mkdir(dir, 0o777))
		check(CheckFile(path))
		if names := entries(t, dir); len(names) != 0 {
			t.Errorf("files %q after a look", names)
		}
		seconds(5)
		readState(t, path)
		check(os.Remove(path))
		check(os.Mkdir(path, 0o777)) // something else takes its place
		if CheckFile(path) == nil {
			t.Error("a directory in its place is nothing to say")
		}
		seconds(5)
		if names := entries(t, dir); len(names) != 1 {
			t.Errorf("files %q after an error", names)
		}
		check(os.Remove(path))
		f.Stop()
		readState(t, path)
		var levels []string
		for _, line := range log {
			var l struct{ Level, Error, Path string }
			check(json.Unmarshal([]byte(line), &l))
			if !strings.Contains(l.Error+l.Path, "status.json") {
				t.Errorf("logged without the file: %s", line)
			}
			levels = append(levels, l.Level)
		}
		if diff := cmp.Diff([]string{"error", "info", "error", "info"}, levels); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

// TestFileLeftovers: what a kill left behind goes, and what others put in the way
// is neither followed nor overwritten.
func TestFileLeftovers(t *testing.T) {
	dir := t.TempDir()
	path, temp, victim := filepath.Join(dir, "status.json"), filepath.Join(dir, ".status.json.tmp"), filepath.Join(dir, "victim")
	write := func(path string) {
		if err := os.WriteFile(path, []byte("precious"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	link := func(at string) {
		if err := os.Symlink(victim, at); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	write(victim)
	write(temp)
	if err := ReplaceFile(path, []byte("one")); err != nil {
		t.Error(err)
	}
	link(temp)
	if err := ReplaceFile(path, []byte("two")); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	link(path)
	if err := ReplaceFile(path, []byte("three")); err == nil {
		t.Error("a link was replaced")
	}
	if text, _ := os.ReadFile(victim); string(text) != "precious" {
		t.Errorf("the other file holds %q", text)
	}
	if diff := cmp.Diff([]string{"status.json", "victim"}, entries(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestFileIsAtomic: a reader that never stops sees whole files only.
func TestFileIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status.json")
	write := func(streams int) {
		src := &source{}
		for i := range streams {
			st := stream(time.Now(), uint64(i))
			st.Name = fmt.Sprint("live/", i)
			src.streams = append(src.streams, st)
		}
		src.totals = server.Totals{Sent: uint64(streams)}
		f := File{path: path, log: zerolog.Nop()}
		f.update(NewSampler(src, "").Snapshot())
		if f.failing {
			t.Error("not written")
		}
	}
	write(1)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				write(i * 37 % 200)
			}
		}
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
	for seen := map[int]bool{}; len(seen) < 30; {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			Streams []struct{ Name string }
			Totals  struct {
				Sent int `json:"sent_bytes"`
			}
		}
		if err := json.Unmarshal(text, &f); err != nil || len(f.Streams) != f.Totals.Sent {
			t.Fatalf("%v, %d of %d streams: %.100s", err, len(f.Streams), f.Totals.Sent, text)
		}
		seen[f.Totals.Sent] = true
	}
}
