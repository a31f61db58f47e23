package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/internal/peers"
)

// Every form in which FFmpeg writes fragmented MP4 is copied packet by packet: also that
// whose moov lists the samples of the first fragment itself. Where the end is cut off, the
// samples that are whole are kept.
func TestFragmentedByFFmpeg(t *testing.T) {
	t.Parallel()
	dir, args, eighths := t.TempDir(), []string{"-v", "error", "-nostdin", "-i", peers.Source(t, "h264")}, []int{5} // where it is cut
	if number(t, "RTMPTOOL_LONG", 0) != 0 {
		eighths = []int{3, 5, 7}
	}
	list, forms := filepath.Join(dir, "sent"+peers.ListExt), []string{"frag_keyframe", "frag_keyframe+faststart", "frag_keyframe+delay_moov", "frag_keyframe+empty_moov", "dash"}
	for _, flags := range forms {
		args = append(args, "-t", "6", "-c", "copy", "-movflags", flags, filepath.Join(dir, flags+".mp4"))
	}
	args = append(args, "-t", "6", "-c", "copy", "-f", "framemd5", list)
	if _, stderr, err := peers.Run(t, patience, peers.FFmpeg(t), args...); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	for _, flags := range forms {
		t.Run(flags, func(t *testing.T) {
			path := filepath.Join(dir, flags+".mp4")
			if code, out := tool(t, "fix", path); code != 0 || !strings.Contains(out, "nothing is lost") {
				t.Fatalf("exit %d\n%s", code, out)
			}
			fixed := strings.TrimSuffix(path, ".mp4") + ".fixed.mp4"
			isWhole(t, fixed)
			packets := map[string][]string{}
			for _, kind := range []string{"v", "a"} {
				packets[kind] = hashes(peers.Packets(t, list, kind))
				if !slices.Equal(hashes(peers.Packets(t, fixed, kind)), packets[kind]) {
					t.Errorf("stream %s differs", kind)
				}
			}

			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range eighths {
				size := len(data) * part / 8
				cut := filepath.Join(t.TempDir(), "cut.mp4")
				if err := os.WriteFile(cut, data[:size], 0o644); err != nil {
					t.Fatal(err)
				}
				if code, out := tool(t, "fix", cut); code != 0 || !strings.Contains(out, "nothing is lost") {
					t.Fatalf("cut at %d: exit %d\n%s", size, code, out)
				}
				mended := strings.TrimSuffix(cut, ".mp4") + ".fixed.mp4"
				isWhole(t, mended)
				kept := 0
				for kind, all := range packets {
					got := peers.Packets(t, mended, kind)
					if len(got) == 0 || len(got) >= len(all) || !slices.Equal(hashes(got), all[:len(got)]) {
						t.Errorf("cut at %d: stream %s has %d packets of %d, or others", size, kind, len(got), len(all))
					}
					for _, p := range got {
						kept += p.Size
					}
				}
				const torn = 70 << 10 // a keyframe, a frame of sound, headers
				if kept < size-torn {
					t.Errorf("cut at %d: %d bytes of packets are left", size, kept)
				}
			}
		})
	}
}

// A QuickTime file under the name of an MP4 is one, sound included.
func TestQuickTimeByFFmpeg(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theirs.mp4")
	if _, stderr, err := peers.Run(t, patience, peers.FFmpeg(t), "-v", "error", "-nostdin", "-i", peers.Source(t, "h264"),
		"-c", "copy", "-f", "mov", path); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	isWhole(t, path)
	if _, out := tool(t, "inspect", path); !strings.Contains(out, "audio  AAC-LC 48 kHz stereo  564 frames") {
		t.Errorf("inspect:\n%s", out)
	}
}

func isWhole(t *testing.T, path string) {
	t.Helper()
	if code, out := tool(t, "inspect", path); code != 0 || !strings.Contains(out, "  WHOLE\n") {
		t.Errorf("inspect: exit %d\n%s", code, out)
	}
}
