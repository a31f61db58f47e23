package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/internal/recfile"
)

// patience bounds every wait for a state; only a broken program reaches it.
const patience = 60 * time.Second

var binary string // the program under test

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	// The tests wait for streams in real time, not for processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Unsetenv("GOGC") // of these tests: the memory of the program is measured with its own
	binary = os.Getenv("RTMPTOOL_BIN")
	if binary == "" {
		dir, err := os.MkdirTemp("", "rtmptool-e2e-*")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "rtmptool")
		args := []string{"build", "-o", binary}
		if underRace() {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, "../..")...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

func underRace() bool { return os.Getenv("RTMPTOOL_RACE") == "1" }

// realTime marks a test that takes as long as its stream. They run side by side;
// under the race detector one of them is enough.
func realTime(t *testing.T) {
	t.Helper()
	if underRace() {
		t.Skip("one real-time test is enough with the race detector")
	}
	t.Parallel()
}

// long marks a test that takes minutes of the processors.
func long(t *testing.T) {
	t.Helper()
	if number(t, "RTMPTOOL_LONG", 0) == 0 {
		t.Skip("takes minutes: RTMPTOOL_LONG=1 runs it, as make accept does")
	}
	t.Parallel()
}

// program is the program under test. The variables of the tests are none of its settings.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "RTMPTOOL_") })
	return cmd
}

// server is `rtmptool serve` in a process of its own.
type server struct {
	t   testing.TB
	cmd *exec.Cmd
	URL string // rtmp://127.0.0.1:PORT
	Dir string // where it records

	exited  chan struct{}
	exitErr error

	mu      sync.Mutex
	lines   []logLine
	changed chan struct{} // closed when lines grow
}

// logLine is a line of the JSON log.
type logLine map[string]any

func (l logLine) is(message, stream string) bool {
	return l["message"] == message && (stream == "" || l["stream"] == stream)
}

// serve starts a server that records and waits until it is ready.
func serve(t testing.TB, args ...string) *server {
	t.Helper()
	return serveBy(t, program, args...)
}

// serveBy is serve with a command that runs the program.
func serveBy(t testing.TB, command func(args ...string) *exec.Cmd, args ...string) *server {
	t.Helper()
	s := startBy(t, command, args...)
	ready := s.await("ready", "")
	s.URL = ready["publish"].([]any)[0].(string)
	return s
}

// start is serve without waiting.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startBy(t, program, args...)
}

func startBy(t testing.TB, command func(args ...string) *exec.Cmd, args ...string) *server {
	t.Helper()
	s := &server{t: t, Dir: filepath.Join(t.TempDir(), "recordings"), exited: make(chan struct{}), changed: make(chan struct{})}
	args = append([]string{"serve", "--record-all", "--record-dir", s.Dir, "--listen", "127.0.0.1:0", "--log-format", "json", "--publish-grace", "1s"}, args...)
	s.cmd = command(args...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.collect(stderr)
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.exited
		if t.Failed() {
			for _, l := range s.log() {
				t.Log(l)
			}
		}
	})
	return s
}

func (s *server) collect(stderr io.Reader) {
	defer close(s.exited)
	for d := json.NewDecoder(stderr); ; {
		var l logLine
		err := d.Decode(&l)
		if err != nil {
			rest, _ := io.ReadAll(io.MultiReader(d.Buffered(), stderr))
			l = logLine{"message": "end of log", "rest": string(rest)}
		}
		s.mu.Lock()
		s.lines = append(s.lines, l)
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil {
			s.exitErr = s.cmd.Wait()
			return
		}
	}
}

func (s *server) log() []logLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]logLine(nil), s.lines...)
}

// await waits for a log line.
func (s *server) await(message, stream string) logLine {
	s.t.Helper()
	return s.awaitNth(message, stream, 1)
}

// awaitNth waits for the n-th such line.
func (s *server) awaitNth(message, stream string, n int) logLine {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		seen := 0
		for _, l := range s.lines {
			if l.is(message, stream) {
				if seen++; seen == n {
					s.mu.Unlock()
					return l
				}
			}
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-s.exited:
			s.t.Fatalf("the server ended (%v) before it logged %q", s.exitErr, message)
		case <-deadline:
			s.t.Fatalf("the server did not log %q of %q", message, stream)
		}
	}
}

// count tells how many such lines there are.
func (s *server) count(message, stream string) int {
	n := 0
	for _, l := range s.log() {
		if l.is(message, stream) {
			n++
		}
	}
	return n
}

// interrupt ends the server as Ctrl-C does and returns its error.
func (s *server) interrupt() error {
	s.t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.exited:
		return s.exitErr
	case <-time.After(patience):
		s.t.Fatal("the server did not end after an interrupt")
		return nil
	}
}

// recordings returns the paths of what was recorded, oldest first.
func (s *server) recordings() []string {
	s.t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.Dir, "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	return paths
}

// publish starts FFmpeg sending a source in real time.
func (s *server) publish(source, name string) *peers.Process {
	s.t.Helper()
	return publishTo(s.t, source, s.URL+"/"+name)
}

// publishTo is publish with an address, and FFmpeg's options for it.
func publishTo(t testing.TB, source, url string, options ...string) *peers.Process {
	t.Helper()
	args := append([]string{"-v", "warning", "-nostdin", "-re", "-i", source, "-c", "copy", "-f", "flv"}, options...)
	return peers.Start(t, peers.FFmpeg(t), append(args, url)...)
}

// sending is a source that is published under a name.
type sending struct{ name, codec string }

// publishAll starts one FFmpeg sending several sources in real time.
func (s *server) publishAll(all []sending, options ...string) *peers.Process {
	s.t.Helper()
	inputs, outputs := []string{"-v", "warning", "-nostdin"}, []string{}
	for i, one := range all {
		inputs = append(inputs, "-re", "-i", peers.Source(s.t, one.codec))
		outputs = append(append(outputs, "-map", strconv.Itoa(i), "-c", "copy", "-f", "flv"), options...)
		outputs = append(outputs, s.URL+"/"+one.name)
	}
	return peers.Start(s.t, peers.FFmpeg(s.t), append(inputs, outputs...)...)
}

// watch starts FFmpeg receiving a stream, and listing its packets in a file.
func (s *server) watch(name string) (*peers.Process, string) {
	s.t.Helper()
	return watchFrom(s.t, s.URL+"/"+name)
}

// watchFrom is watch with an address, and FFmpeg's options for it.
func watchFrom(t testing.TB, url string, options ...string) (*peers.Process, string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "viewer"+peers.ListExt)
	args := append([]string{"-v", "error", "-nostdin"}, options...)
	return peers.Start(t, peers.FFmpeg(t), append(args, "-i", url, "-c", "copy", "-f", "framemd5", out)...), out
}

// finish waits for a program's end; an error fails the test.
func finish(t testing.TB, what string, p *peers.Process) {
	t.Helper()
	if err := p.Wait(patience); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// awaitRecorded waits until a recording that is being written holds so much.
func awaitRecorded(t testing.TB, path string, long time.Duration) {
	t.Helper()
	await(t, fmt.Sprintf("%v in %s", long, filepath.Base(path)), func() bool {
		r, err := recfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return r.Duration() >= long
	})
}

// await polls a state that nothing announces.
func await(t testing.TB, what string, state func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !state() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// probe asks FFprobe for entries of some packets of a file; peers.Probe reads it all.
func probe(t testing.TB, path string, args ...string) string {
	t.Helper()
	args = append([]string{"-v", "error", "-of", "default=nokey=1:noprint_wrappers=1"}, append(args, path)...)
	stdout, stderr, err := peers.Run(t, patience, peers.FFprobe(t), args...)
	if err != nil || stderr != "" {
		t.Fatalf("ffprobe %s: %v: %s", path, err, stderr)
	}
	return strings.TrimSpace(stdout)
}

// decodes fails the test unless FFmpeg decodes all of a file without a word.
func decodes(t testing.TB, path string, args ...string) {
	t.Helper()
	silent(t, append(args, "-i", path, "-f", "null", "-")...)
}

// plays fails the test unless FFmpeg reads all of these files, and decodes their sound and keyframes,
// without a word. To decode the frames between, whose bytes are compared elsewhere, takes most of the time.
func plays(t testing.TB, paths ...string) {
	t.Helper()
	var inputs, outputs []string
	for i, path := range paths {
		if len(peers.Probe(t, path).All("v")) > 0 {
			inputs = append(inputs, "-skip_frame", "nokey")
		}
		inputs = append(inputs, "-i", path)
		outputs = append(outputs, "-map", strconv.Itoa(i), "-f", "null", "-", "-map", strconv.Itoa(i), "-c", "copy", "-f", "null", "-")
	}
	silent(t, append(inputs, outputs...)...)
}

// silent runs FFmpeg, which must have nothing to complain of.
func silent(t testing.TB, args ...string) {
	t.Helper()
	stdout, stderr, err := peers.Run(t, patience, peers.FFmpeg(t), append([]string{"-v", "error", "-nostdin"}, args...)...)
	if err != nil || stdout+stderr != "" {
		t.Errorf("ffmpeg %s: %v\n%s%s", strings.Join(args, " "), err, stdout, stderr)
	}
}

// hashes lists the payloads of a stream.
func hashes(packets []peers.Packet) []string {
	list := make([]string, len(packets))
	for i, p := range packets {
		list[i] = p.Hash
	}
	return list
}

// indexOf finds where a list goes on as another one does, or -1.
func indexOf(whole, part []string) int {
	for i := 0; i+len(part) <= len(whole); i++ {
		if equal(whole[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
