package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/internal/recfile"
)

// Two servers record into one directory, under the same names in the same seconds and in another
// file every 4 s, while others start in it, recover, and end or are killed, and fix and
// inspect go over it: each of the two has every packet of its own streams.
func TestServersShareADirectory(t *testing.T) {
	long(t)
	const parts = 3                                            // a source is 12 s long, with a keyframe every 2 s
	streams := map[string]string{"a_b": "h264", "a/b": "h265"} // they have the same name, and in MP4 the same ending
	servers := []*server{serve(t, "--record-segment", "4s")}
	dir := servers[0].Dir
	servers = append(servers, serve(t, "--record-segment", "4s", "--record-dir", dir, "--record-format", "mp4"))
	var publishers []*peers.Process
	for _, s := range servers {
		for name, codec := range streams {
			publishers = append(publishers, s.publish(peers.Source(t, codec), name))
		}
	}
	rounds := 0
	for ; rounds < 10 && running(publishers); rounds++ {
		beside(t, dir, rounds%2 == 0)
	}
	for _, p := range publishers {
		finish(t, "a publisher", p)
	}
	for _, s := range servers {
		for name := range streams {
			s.awaitNth("recorded", name, parts)
		}
		if err := s.interrupt(); err != nil {
			t.Error(err)
		}
		for name, codec := range streams {
			recorded(t, s, name, peers.Source(t, codec), parts)
		}
	}
	paths := servers[0].recordings()
	if len(paths) != parts*len(streams)*len(servers) {
		t.Errorf("%d files: %v", len(paths), paths)
	}
	t.Logf("%d servers came and went, over %d files", rounds, len(paths))
}

func running(publishers []*peers.Process) bool {
	return slices.ContainsFunc(publishers, func(p *peers.Process) bool {
		select {
		case <-p.Done():
			return false
		default:
			return true
		}
	})
}

// beside starts a server on a directory in which others record, ends it, and goes over the
// files by hand. Nothing of that changes any of them.
func beside(t *testing.T, dir string, kill bool) {
	t.Helper()
	s := serve(t, "--record-dir", dir)
	if kill {
		s.kill()
	} else if err := s.interrupt(); err != nil {
		t.Error(err)
	}
	for _, l := range s.log() {
		if l["path"] != nil {
			t.Errorf("a server beside others touches a file: %v", l)
		}
	}
	for _, args := range [][]string{{"fix"}, {"fix", "--dry-run"}, {"inspect"}} {
		if code, out := tool(t, append(args, dir)...); code != 0 && (code != 6 || args[0] == "inspect") {
			t.Errorf("%v beside recorders: exit %d\n%s", args, code, out)
		}
	}
}

// A live file is nobody's but its recorder's: not of fix by its name or by its directory, not of
// a server that would recover it, not of one that is started by mistake with the same settings,
// and however long it has not grown not of one that removes what is old.
func TestLiveFileIsLeftAlone(t *testing.T) {
	realTime(t)
	for codec, format := range map[string]string{"h264": "flv", "h265": "mp4"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.sendMessages("live/old", messages(packetsOf(t, peers.Source(t, codec))))
			old := s.await("recorded", "live/old")["path"].(string)
			publisher := s.publish(peers.Source(t, codec), "live/main")
			path := s.await("recording", "live/main")["path"].(string)
			awaitRecorded(t, path, time.Second)
			if err := publisher.Freeze(); err != nil {
				t.Fatal(err)
			}
			await(t, "a file with nothing left to sync", func() bool {
				info, err := os.Stat(path)
				return err == nil && time.Since(info.ModTime()) > 2*time.Second // twice --record-sync
			})
			before := read(t, path)
			keeper := serve(t, "--record-dir", s.Dir, "--record-keep", "1s")
			if removed := keeper.await("removed an old recording", "")["path"]; removed != old {
				t.Errorf("removed %v, want %s", removed, old)
			}
			for _, args := range [][]string{{"fix", path}, {"fix", "--dry-run", path}, {"fix", s.Dir}} {
				if code, out := tool(t, args...); code != 6 || !strings.Contains(out, filepath.Base(path)) {
					t.Errorf("%v: exit %d\n%s", args, code, out)
				}
			}
			address := strings.TrimPrefix(s.URL, "rtmp://")
			if code, out := tool(t, "serve", "--record-all", "--record-dir", s.Dir, "--listen", address); code != 1 || !strings.Contains(out, address) {
				t.Errorf("serve on the same port: exit %d\n%s", code, out)
			}
			if after := read(t, path); !bytes.Equal(before, after) {
				t.Errorf("%d bytes are %d, or others", len(before), len(after))
			}
			if err := keeper.interrupt(); err != nil {
				t.Error(err)
			}
			for _, l := range keeper.log() {
				if l["path"] == path {
					t.Errorf("a server touches the live file of another: %v", l)
				}
			}
			if err := publisher.Thaw(); err != nil {
				t.Fatal(err)
			}
			finish(t, "the publisher", publisher)
			s.await("recorded", "live/main")
			recorded(t, s, "live/main", peers.Source(t, codec), 1)
		})
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A server was killed with many recordings. Servers that start at once share the work: each
// file is finished by one of them, to the same bytes that one alone would make of it.
func TestServersRecoverTogether(t *testing.T) {
	realTime(t)
	s := serve(t)
	s.publishAll(killStreams)
	for _, st := range killStreams {
		awaitRecorded(t, s.await("recording", st.name)["path"].(string), 3*time.Second)
	}
	s.kill()
	left := s.recordings()
	dir := filepath.Join(t.TempDir(), "left")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	copies := map[string]string{} // and what they are copies of
	for n := range 24 {
		from := left[n%len(left)]
		name := fmt.Sprintf("live_copy_20260115_%06d%s", n, filepath.Ext(from))
		if err := os.WriteFile(filepath.Join(dir, name), read(t, from), 0o644); err != nil {
			t.Fatal(err)
		}
		copies[name] = from
	}
	for _, path := range left {
		if _, err := recfile.Fix(path, false); err != nil {
			t.Fatal(err)
		}
	}
	var servers []*server
	for range 4 {
		servers = append(servers, start(t, "--record-dir", dir))
	}
	finished := map[string]int{}
	for _, s := range servers {
		s.await("ready", "")
		for _, l := range s.log() {
			if path, ok := l["path"].(string); ok {
				if l["message"] != "recovered a recording" {
					t.Errorf("%v", l)
				}
				finished[filepath.Base(path)]++
			}
		}
		if err := s.interrupt(); err != nil {
			t.Error(err)
		}
	}
	for name, from := range copies {
		if finished[name] != 1 || !bytes.Equal(read(t, filepath.Join(dir, name)), read(t, from)) {
			t.Errorf("%s: finished by %d servers, or to other bytes", name, finished[name])
		}
	}
}

// Fixes of one file at once: of ours one mends it, of somebody else's one writes the copy; who
// comes meanwhile is told that it is in use, who comes later that nothing is to be done.
func TestFixesOfOneFile(t *testing.T) {
	realTime(t)
	s := serve(t)
	s.publish(peers.Source(t, "h265"), "live/main")
	ours := s.await("recording", "live/main")["path"].(string)
	awaitRecorded(t, ours, 2*time.Second)
	s.kill()
	foreign := filepath.Join(t.TempDir(), "talk.mp4")
	if _, stderr, err := peers.Run(t, patience, peers.FFmpeg(t), "-v", "error", "-nostdin", "-i", peers.Source(t, "h264"), "-c", "copy",
		"-movflags", "empty_moov+default_base_moof+frag_keyframe", foreign); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	for path, result := range map[string]string{ours: ours, foreign: filepath.Join(filepath.Dir(foreign), "talk.fixed.mp4")} {
		var all []*exec.Cmd
		for range 8 {
			cmd := exec.Command(binary, "fix", path)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			all = append(all, cmd)
		}
		codes := map[int]int{}
		for _, cmd := range all {
			_ = cmd.Wait() // its code tells
			codes[cmd.ProcessState.ExitCode()]++
		}
		t.Logf("%s: exit codes and how often: %v", filepath.Base(path), codes)
		if codes[0] == 0 || codes[0]+codes[6] != len(all) {
			t.Errorf("%s: exit codes %v, want 0 and 6", path, codes)
		}
		whole(t, result)
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.part")); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
}
