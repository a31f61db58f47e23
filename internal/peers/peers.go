// Package peers finds and runs the real programs that tests talk to and are judged by: FFmpeg,
// GStreamer, rtmpdump, Chromium and strace, and the streams that tests publish. `.ci/tools` makes all of
// them available; only tests import this package.
package peers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

// minAVUtil is libavutil's major version in FFmpeg 8, the oldest that tests use from PATH. Unlike
// FFmpeg's own version it is there in a build from source too.
const minAVUtil = 60

// program is looked up once a process: asking FFmpeg for its version takes some 50 ms.
type program func() (string, error)

var programs = map[string]program{
	"ffmpeg":         lookUp("ffmpeg", recentFFmpeg),
	"ffprobe":        lookUp("ffprobe", recentFFmpeg),
	"gst-launch-1.0": lookUp("gst-launch-1.0", completeGStreamer),
	"rtmpdump":       lookUp("rtmpdump", func(string) bool { return true }),
	"chromium":       lookUpChromium,
	"strace":         func() (string, error) { return exec.LookPath("strace") },
}

// FFmpeg returns the path of ffmpeg. A test that cannot have it fails under CI, and is skipped elsewhere.
func FFmpeg(tb testing.TB) string { tb.Helper(); return find(tb, "ffmpeg") }

// FFprobe returns the path of ffprobe, or ends the test as FFmpeg does.
func FFprobe(tb testing.TB) string { tb.Helper(); return find(tb, "ffprobe") }

// GStreamer returns the path of gst-launch-1.0, with the elements x264enc, flvmux, rtmp2sink and
// rtmp2src, or ends the test as FFmpeg does.
func GStreamer(tb testing.TB) string { tb.Helper(); return find(tb, "gst-launch-1.0") }

// RTMPDump returns the path of rtmpdump, or ends the test as FFmpeg does.
func RTMPDump(tb testing.TB) string { tb.Helper(); return find(tb, "rtmpdump") }

// Chromium returns the path of Chromium or of Google Chrome, or ends the test as FFmpeg does.
func Chromium(tb testing.TB) string { tb.Helper(); return find(tb, "chromium") }

// Strace returns the path of strace, or ends the test as FFmpeg does.
func Strace(tb testing.TB) string { tb.Helper(); return find(tb, "strace") }

// Source returns the path of a stream to publish, or ends the test as FFmpeg does. The names are
// h264, h265, av1, vp9 and aac: FLV files of 12 s with AAC in stereo and, but for aac, 360 frames of
// 720p30 with a keyframe every 60; h264 and h265 have B-frames.
func Source(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := toolsDir()
	path := filepath.Join(dir, "media", name+".flv")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		missing(tb, "the test stream "+name, err)
	}
	return path
}

func find(tb testing.TB, name string) string {
	tb.Helper()
	path, err := programs[name]()
	if err != nil {
		missing(tb, name, err)
	}
	return path
}

// missing ends the test: with CI=true a test that cannot run is a failure.
func missing(tb testing.TB, what string, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatalf("%s is missing: run .ci/tools (%v)", what, err)
	}
	tb.Logf("%s is missing", what)
	tb.Skip("needs programs or streams that are not installed: run .ci/tools") // one reason for all, for the count
}

// lookUp finds a program on PATH if it is good enough there, else where .ci/tools puts it.
func lookUp(name string, good func(path string) bool) program {
	return sync.OnceValues(func() (string, error) {
		if path, err := exec.LookPath(name); err == nil && good(path) {
			return path, nil
		}
		dir, err := toolsDir()
		if err != nil {
			return "", err
		}
		return exec.LookPath(filepath.Join(dir, "bin", name))
	})
}

// lookUpChromium finds a browser on PATH: .ci/tools installs it as a package of the machine.
var lookUpChromium = program(sync.OnceValues(func() (string, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		path, err = exec.LookPath("google-chrome")
	}
	return path, err
}))

// toolsDir is where .ci/tools puts what it makes.
func toolsDir() (string, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("neither XDG_CACHE_HOME nor HOME is set")
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "rtmptool-tools"), nil
}

var avutilLine = regexp.MustCompile(`(?m)^libavutil +(\d+)\.`)

func recentFFmpeg(path string) bool {
	out, err := exec.Command(path, "-version").Output()
	m := avutilLine.FindSubmatch(out)
	if err != nil || m == nil {
		return false
	}
	major, err := strconv.Atoi(string(m[1]))
	return err == nil && major >= minAVUtil
}

func completeGStreamer(string) bool {
	for _, element := range []string{"x264enc", "flvmux", "rtmp2sink", "rtmp2src"} {
		if exec.Command("gst-inspect-1.0", element).Run() != nil {
			return false
		}
	}
	return true
}

// tail returns the end of a program's output, for messages.
func tail(s string) string {
	const limit = 2000
	if len(s) > limit {
		return fmt.Sprintf("... %s", s[len(s)-limit:])
	}
	return s
}
