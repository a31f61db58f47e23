package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// restart starts a server on a directory that a killed one has left behind, and fails
// unless it has cleaned up: each file is gone or whole, and the log says so.
func restart(t *testing.T, dir string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--record-dir", dir) // the last one counts
	logged := map[string]string{}
	for _, l := range s.log() {
		if path, ok := l["path"].(string); ok {
			logged[path] = l["message"].(string)
		}
	}
	for _, path := range left {
		_, err := os.Stat(path)
		switch message := logged[path]; {
		case os.IsNotExist(err) && message == "removed a recording that held nothing":
		case err == nil && message == "recovered a recording":
			if code, out := tool(t, "inspect", path); code != 0 {
				t.Errorf("inspect of the recovered file: exit %d\n%s", code, out)
			}
		default:
			t.Errorf("%s: %v, logged %q", path, err, message)
		}
	}
	if err := s.interrupt(); err != nil {
		t.Errorf("serve: %v", err)
	}
	if len(logged) != len(left) {
		t.Errorf("the log has %d files, left were %d", len(logged), len(left))
	}
}

// The server is killed as soon as a recording exists: that is between its creation
// and its first byte, or a little later. The next start cleans up.
func TestKilledAtCreation(t *testing.T) {
	realTime(t)
	for _, format := range []string{"auto", "mp4"} {
		for round := range 4 {
			t.Run(fmt.Sprint(format, round), func(t *testing.T) {
				t.Parallel()
				s := serve(t, "--record-format", format)
				s.publishAll(killStreams)
				after := time.Duration(round) * time.Duration(rand.Int64N(int64(3*time.Millisecond)))
				// The moment of creation is short: nothing else is waited for here.
				for deadline := time.Now().Add(patience); len(s.recordings()) == 0; runtime.Gosched() {
					if time.Now().After(deadline) {
						t.Fatal("nothing is recorded")
					}
				}
				<-time.After(after)
				s.kill()
				for _, path := range s.recordings() {
					if info, err := os.Stat(path); err == nil {
						t.Logf("%s: %d bytes, killed after %v", filepath.Base(path), info.Size(), after)
					}
				}
				restart(t, s.Dir)
			})
		}
	}
}

// The server is killed while it waits for a first frame: there is no file yet.
func TestKilledBeforeTheFirstSample(t *testing.T) {
	realTime(t)
	s := serve(t)
	s.publish(peers.Source(t, "aac"), "live/radio") // recorded after 2 s without video
	s.await("publishing", "live/radio")
	s.kill()
	if paths := s.recordings(); len(paths) != 0 {
		t.Errorf("recordings: %v", paths)
	}
	restart(t, s.Dir)
}

// A recording that was cut at any place before the end of its first frame, and a
// little behind it, is removed or recovered by the next start.
func TestRestartOnTornHead(t *testing.T) {
	realTime(t)
	for _, format := range []string{"flv", "mp4"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := serve(t, "--record-format", format)
			s.publish(peers.Source(t, "h264"), "live/main")
			path := s.await("recording", "live/main")["path"].(string)
			awaitRecorded(t, path, time.Second)
			s.kill()
			head, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			first := firstFrame(t, path)
			dir := filepath.Join(t.TempDir(), "left")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			// Every byte of the first box or tag header, then steps.
			for size, n := 0, 0; size < first+200; size, n = size+1+size/64, n+1 {
				name := fmt.Sprintf("live_main_20260101_%06d.%s", n, format)
				if err := os.WriteFile(filepath.Join(dir, name), head[:size], 0o644); err != nil {
					t.Fatal(err)
				}
			}
			restart(t, dir)
		})
	}
}

// firstFrame is the offset behind the first frame of a recording.
func firstFrame(t *testing.T, path string) int {
	t.Helper()
	r, err := recfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, track := range r.Index.Tracks {
		if track.Kind == media.Video && track.Samples > 0 {
			return int(track.First.End())
		}
	}
	t.Fatalf("%s has no frame", path)
	return 0
}
