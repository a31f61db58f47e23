package e2e

import (
	"math/rand"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
)

// The server is killed while it records three streams: what is on the disk plays,
// inspect says that it is unfinished, fix finishes it and nothing is lost.
func TestKilledWhileRecording(t *testing.T) {
	realTime(t)
	streams := []struct{ name, codec, format string }{
		{"live/a", "h264", "flv"}, {"live/b", "h265", "mp4"}, {"live/c", "h264", "mp4"},
	}
	var servers []*server
	var paths, viewers []string
	for _, st := range streams {
		s := serve(t, "--record-format", st.format)
		servers = append(servers, s)
		_, viewer := s.watch(st.name)
		viewers = append(viewers, viewer)
		s.publish(peers.Source(t, st.codec), st.name)
		paths = append(paths, s.await("recording", st.name)["path"].(string))
	}
	long := time.Second + time.Duration(rand.Intn(2000))*time.Millisecond
	t.Logf("killed after %v", long)
	for i, s := range servers {
		awaitRecorded(t, paths[i], long)
		s.cmd.Process.Kill()
		<-s.exited
	}
	for i, st := range streams {
		source := peers.Source(t, st.codec)
		video := killedPrefix(t, source, paths[i])
		if code, out := tool(t, "inspect", paths[i]); code != 3 || !strings.Contains(out, "UNFINISHED: fix finishes it, nothing is lost") {
			t.Errorf("inspect of the killed file: exit %d\n%s", code, out)
		}
		if code, out := tool(t, "fix", filepath.Dir(paths[i])); code != 0 || !strings.Contains(out, "nothing is lost") {
			t.Errorf("fix: exit %d\n%s", code, out)
		}
		if code, out := tool(t, "inspect", paths[i]); code != 0 || !strings.Contains(out, "WHOLE") {
			t.Errorf("inspect of the fixed file: exit %d\n%s", code, out)
		}
		if code, out := tool(t, "fix", paths[i]); code != 0 || !strings.Contains(out, "nothing to do") {
			t.Errorf("fix again: exit %d\n%s", code, out)
		}
		whole(t, paths[i])
		if after := killedPrefix(t, source, paths[i]); after < video {
			t.Errorf("%s: %d frames after fix, %d before", st.name, after, video)
		}
		// Viewers have what the server had read.
		if seen := len(peers.Packets(t, viewers[i], "v")); video < seen-2 {
			t.Errorf("%s: %d frames recorded, but a viewer saw %d", st.name, video, seen)
		}
	}
}

// killedPrefix fails unless a file has the first packets of the source, and
// returns how many frames.
func killedPrefix(t *testing.T, source, path string) int {
	t.Helper()
	frames := 0
	for _, stream := range []string{"v", "a"} {
		want, got := hashes(peers.Packets(t, source, stream)), hashes(looselyRead(t, path, stream))
		if n := len(got); n == 0 || n > len(want) || !equal(want[:n], got) {
			t.Errorf("%s, stream %s: %d packets that are not the first of the source's %d", path, stream, n, len(want))
		}
		if stream == "v" {
			frames = len(got)
		}
	}
	return frames
}

// tool runs the program and returns its exit code and output.
func tool(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(binary, args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// looselyRead reads packets as players do: one message about a torn end is no
// reason to refuse the file.
func looselyRead(t *testing.T, path, stream string) []peers.Packet {
	t.Helper()
	stdout, stderr, err := peers.Run(t, patience, peers.FFprobe(t), "-v", "error", "-select_streams", stream,
		"-show_entries", "packet=size,data_hash", "-show_data_hash", "md5", "-of", "csv=p=0", path)
	if err != nil || strings.Count(strings.TrimSpace(stderr), "\n") > 0 {
		t.Fatalf("ffprobe %s: %v: %s", path, err, stderr)
	}
	var packets []peers.Packet
	for line := range strings.Lines(stdout) {
		size, hash, _ := strings.Cut(strings.TrimSpace(line), ",")
		n, _ := strconv.Atoi(size)
		packets = append(packets, peers.Packet{Size: n, Hash: strings.TrimSuffix(strings.TrimPrefix(hash, "MD5:"), ",")})
	}
	return packets
}
