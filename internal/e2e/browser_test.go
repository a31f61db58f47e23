package e2e

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/internal/recfile"
)

const browserLength = 40 * time.Second // of the recording, at least

//go:embed testdata/player.html
var playerPage string

// playback is what testdata/player.html reports.
type playback struct {
	Error     string
	Duration  float64
	Width     int
	Played    float64 // where it was after a second from the start
	PlayedOf  int     // frames decoded until then
	Sought    float64 // where the seek to 30 s ended
	Resumed   float64 // where it was a second later
	ResumedOf int     // frames decoded until then
}

// A browser plays and seeks an H.264 recording: one that was closed, one that was killed,
// and one that was killed and fixed. So do FFmpeg and GStreamer, without a word. All have
// our boxes between and behind those of players, the copy of the init moov among them.
func TestBrowserPlays(t *testing.T) {
	realTime(t)
	dir, s := t.TempDir(), serve(t, "--record-format", "mp4")
	names := []string{"closed", "killed", "fixed"}
	files, lengths := make(map[string]string), make(map[string]time.Duration)
	for _, name := range names {
		files[name] = filepath.Join(dir, name+".mp4")
	}
	dies := serve(t, "--record-format", "mp4")
	publisher := s.loop("-t", "40")
	dies.loop()
	path := dies.await("recording", "live/main")["path"].(string)
	awaitRecorded(t, path, browserLength)
	dies.kill()
	finish(t, "publisher", publisher)
	rename(t, s.await("recorded", "live/main")["path"].(string), files["closed"])

	write(t, files["killed"], read(t, path))
	lengths["killed"] = untorn(t, files["killed"])
	if code, out := tool(t, "fix", path); code != 0 {
		t.Fatalf("fix: exit %d\n%s", code, out)
	}
	rename(t, path, files["fixed"])
	for _, name := range []string{"closed", "fixed"} {
		lengths[name] = looped(t, files[name])
	}
	for _, name := range names {
		seeksSilently(t, files[name])
	}
	for name, got := range play(t, files, names) {
		length := lengths[name].Seconds()
		t.Logf("%s, %.3f s: %+v", name, length, got)
		switch {
		case got.Error != "":
			t.Errorf("%s: the browser: %s", name, got.Error)
		case length < browserLength.Seconds()-0.1 || got.Duration < length-0.1 || got.Duration > length+0.1 || got.Width != 1280:
			t.Errorf("%s: the browser sees %.3f s, %d wide, want %.3f s, 1280 wide", name, got.Duration, got.Width, length)
		case got.Played < 1 || got.PlayedOf < 5:
			t.Errorf("%s: the browser does not play: at %.3f s after %d frames", name, got.Played, got.PlayedOf)
		case got.Sought < 29.9 || got.Sought > 30.1 || got.Resumed < 31 || got.ResumedOf < got.PlayedOf+5:
			t.Errorf("%s: the browser does not play on after the seek: from %.3f to %.3f s, %d frames more",
				name, got.Sought, got.Resumed, got.ResumedOf-got.PlayedOf)
		}
	}
}

// loop publishes the H.264 source again and again, at eight times its speed.
func (s *server) loop(options ...string) *peers.Process {
	s.t.Helper()
	args := append([]string{"-v", "warning", "-nostdin", "-readrate", "8", "-stream_loop", "-1", "-i", peers.Source(s.t, "h264"), "-c", "copy", "-f", "flv"}, options...)
	return peers.Start(s.t, peers.FFmpeg(s.t), append(args, s.URL+"/live/main")...)
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// untorn cuts the torn end of a recording that was killed. It returns how long it is.
func untorn(t *testing.T, path string) time.Duration {
	t.Helper()
	r, err := recfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, r.Index.End); err != nil {
		t.Fatal(err)
	}
	return r.Duration()
}

// seeksSilently fails unless FFmpeg decodes the keyframes of a recording with the copy of its init
// moov, and all frames from 30 s on for a while, and GStreamer takes every sample out of it, without a word.
// Frames of a source that was sent several times do not keep to the rate behind a joint,
// where FFmpeg's null muxer would round their times to it.
func seeksSilently(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("\x8f\x1c\x6b\x2einit")) {
		t.Error("there is no copy of the init moov")
	}
	output := []string{"-enc_time_base", "demux", "-f", "null", "-"}
	silent(t, slices.Concat([]string{"-skip_frame", "nokey", "-i", path, "-ss", "30", "-t", "2", "-i", path, "-map", "0"}, output, []string{"-map", "1"}, output)...)
	sizes := map[string]int64{}
	for _, kind := range []string{"v", "a"} {
		for _, p := range peers.Packets(t, path, kind) {
			sizes[kind] += int64(p.Size)
		}
	}
	demuxes(t, path, sizes)
}

// looped is whole for a source that was sent several times, but for what seeksSilently does.
func looped(t *testing.T, path string) time.Duration {
	t.Helper()
	if code, out := tool(t, "inspect", path); code != 0 || !strings.Contains(out, "WHOLE") {
		t.Errorf("inspect: exit %d\n%s", code, out)
	}
	r, err := recfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r.Duration()
}

// play lets a browser play files over HTTP and returns what it reports of each. It reads a file of
// fragments, the killed one, from its start; in another one it goes where it seeks to.
func play(t *testing.T, files map[string]string, names []string) map[string]playback {
	t.Helper()
	type report struct {
		name string
		playback
	}
	reports := make(chan report, len(names))
	var ranges sync.Map // requests for another place than the start, by path
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, playerPage)
	})
	mux.HandleFunc("GET /{file}", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimSuffix(r.PathValue("file"), ".mp4")
		if from := r.Header.Get("Range"); from != "" && !strings.HasPrefix(from, "bytes=0-") {
			ranges.Store(name, true)
		}
		http.ServeFile(w, r, files[name]) // answers requests with Range
	})
	mux.HandleFunc("POST /seen/{name}", func(_ http.ResponseWriter, r *http.Request) {
		got := report{name: r.PathValue("name")}
		if err := json.NewDecoder(r.Body).Decode(&got.playback); err != nil {
			got.Error = err.Error()
		}
		select {
		case reports <- got:
		default:
		}
	})
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)

	profile := filepath.Join(t.TempDir(), "profile")
	browser := peers.Start(t, peers.Chromium(t), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--disable-breakpad", "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0", "--user-data-dir="+profile,
		web.URL+"/#"+strings.Join(names, ","))
	seen := make(map[string]playback)
	for range names {
		select {
		case got := <-reports:
			seen[got.name] = got.playback
		case <-browser.Done():
			t.Fatalf("the browser ended: %v", browser.Wait(0))
		case <-time.After(patience):
			t.Fatalf("the browser reports nothing: %s", browser.Stderr())
		}
	}
	browser.Stop() // before its profile is removed
	for _, name := range names {
		if _, ok := ranges.Load(name); !ok && name != "killed" {
			t.Errorf("%s: the browser made no request for a range behind the start", name)
		}
	}
	return seen
}
