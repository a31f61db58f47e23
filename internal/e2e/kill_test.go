package e2e

import (
	"bytes"
	be "encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/pkg/media"
)

const (
	killRounds  = 5 // of make test; RTMPTOOL_KILLS is another number
	killWorkers = 4 // rounds at once
	killWithin  = 3 * time.Second
	killLost    = 2 // frames that the server had read and may not have written
)

// killStreams are recorded at once. Format auto makes FLV, MP4 and FLV of them.
var killStreams = []sending{{"live/a", "h264"}, {"live/b", "h265"}, {"live/c", "av1"}}

// The server is killed while it records three streams: what is on the disk plays,
// inspect says that it is unfinished, fix finishes it and nothing is lost.
// RTMPTOOL_SEED repeats the moments of an earlier run.
func TestKilledWhileRecording(t *testing.T) {
	realTime(t)
	rounds, seed := number(t, "RTMPTOOL_KILLS", killRounds), number(t, "RTMPTOOL_SEED", time.Now().UnixNano())
	t.Logf("%d rounds, RTMPTOOL_SEED=%d", rounds, seed)
	var sum killSum
	t.Cleanup(func() { t.Log(sum.String()) })
	for w := range min(killWorkers, rounds) {
		t.Run(fmt.Sprint(w), func(t *testing.T) {
			t.Parallel()
			for round := w; round < rounds; round += killWorkers {
				moment := time.Duration(rand.New(rand.NewPCG(uint64(seed), uint64(round))).Int64N(int64(killWithin)))
				t.Run(fmt.Sprint(round), func(t *testing.T) {
					format := []string{"auto", "mp4"}[round%2]
					t.Logf("--record-format %s, killed after %v, RTMPTOOL_SEED=%d", format, moment, seed)
					killRound(t, format, moment, &sum)
				})
			}
		})
	}
}

// killSum adds up what the rounds found.
type killSum struct {
	mu                  sync.Mutex
	files, frames, torn int
	lost                int // frames at most, in a file
}

func (s *killSum) String() string {
	return fmt.Sprintf("%d files killed and finished, with %d frames; %d ended in a torn fragment or tag; at most %d frames fewer than a viewer saw",
		s.files, s.frames, s.torn, s.lost)
}

func killRound(t *testing.T, format string, moment time.Duration, sum *killSum) {
	s := serve(t, "--record-format", format)
	s.publishAll(killStreams)
	paths, viewers := make([]string, len(killStreams)), make([]*onlooker, len(killStreams))
	for i, st := range killStreams {
		paths[i] = s.await("recording", st.name)["path"].(string)
		await(t, "the first frame in "+filepath.Base(paths[i]), func() bool {
			r, err := recfile.Open(paths[i])
			return err == nil && samples(r, media.Video) > 0
		})
		viewers[i] = s.look(st.name)
		await(t, "the first frame of the viewer", func() bool { return viewers[i].newest() != "" })
	}
	<-time.After(moment)
	s.kill()
	before := make([]killedFile, len(killStreams))
	for i, st := range killStreams {
		<-viewers[i].ended
		before[i] = killed(t, paths[i])
		before[i].startsLike(t, st.codec)
		sum.add(before[i], before[i].lost(t, st.codec, viewers[i].newest()))
	}
	for i, path := range paths {
		if code, out := tool(t, "inspect", path); code != 3 || !strings.Contains(out, "UNFINISHED: fix finishes it, nothing is lost") {
			t.Errorf("inspect of the killed %s: exit %d\n%s", killStreams[i].name, code, out)
		}
	}
	if code, out := tool(t, "fix", s.Dir); code != 0 || strings.Count(out, "nothing is lost") != len(paths) {
		t.Errorf("fix: exit %d\n%s", code, out)
	}
	if code, out := tool(t, "inspect", s.Dir); code != 0 || strings.Count(out, "WHOLE") != len(paths) {
		t.Errorf("inspect of the fixed files: exit %d\n%s", code, out)
	}
	if code, out := tool(t, "fix", s.Dir); code != 0 || strings.Count(out, "nothing to do") != len(paths) {
		t.Errorf("fix again: exit %d\n%s", code, out)
	}
	plays(t, paths...)
	for i, st := range killStreams {
		closed(t, paths[i])
		for kind, want := range before[i].samples {
			if got := hashes(peers.Packets(t, paths[i], kind)); !equal(got, fileHashes(t, paths[i], st.codec, kind)[:want]) {
				t.Errorf("%s, stream %s: %d packets after fix, want the first %d of the source", st.name, kind, len(got), want)
			}
		}
	}
}

// A kill seldom tears a fragment or tag. Where one is torn, at any of its bytes, FFmpeg
// reads every sample before it and complains of nothing else, and nothing is lost.
func TestTornEndPlays(t *testing.T) {
	realTime(t)
	s := serve(t)
	paths := make([]string, len(killStreams))
	s.publishAll(killStreams)
	for i, st := range killStreams {
		paths[i] = s.await("recording", st.name)["path"].(string)
		awaitRecorded(t, paths[i], time.Second)
	}
	s.kill()
	seed := number(t, "RTMPTOOL_SEED", time.Now().UnixNano())
	t.Logf("RTMPTOOL_SEED=%d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	for i, st := range killStreams {
		t.Run(st.codec, func(t *testing.T) {
			b, err := os.ReadFile(paths[i])
			if err != nil {
				t.Fatal(err)
			}
			r, err := recfile.Open(paths[i])
			if err != nil {
				t.Fatal(err)
			}
			last := int(r.Index.End - lastBegins(b[:r.Index.End], r.Format)) // bytes of the last fragment or tag
			cuts := []int{1, 1 + random.IntN(last-1)}
			if number(t, "RTMPTOOL_LONG", 0) != 0 {
				cuts = append(cuts, 4, 5, 12, last/2, last-12, last-1, 1+random.IntN(last-1))
			}
			var fixed []string
			for _, lacks := range cuts {
				path := filepath.Join(t.TempDir(), filepath.Base(paths[i]))
				if err := os.WriteFile(path, b[:int(r.Index.End)-min(max(lacks, 1), last-1)], 0o644); err != nil {
					t.Fatal(err)
				}
				f := killed(t, path)
				if !f.torn {
					t.Errorf("without its last %d bytes it is not torn", lacks)
				}
				f.startsLike(t, st.codec)
				if code, out := tool(t, "fix", path); code != 0 || !strings.Contains(out, "nothing is lost") {
					t.Errorf("fix: exit %d\n%s", code, out)
				}
				fixed = append(fixed, path)
			}
			plays(t, fixed...)
		})
	}
}

// lastBegins is where the last fragment or tag of a file begins.
func lastBegins(b []byte, format string) int64 {
	if format == "FLV" {
		const backPointer = 4
		return int64(len(b)-backPointer) - int64(be.BigEndian.Uint32(b[len(b)-backPointer:]))
	}
	return int64(bytes.LastIndex(b, []byte("moof")) - 4)
}

// kill ends the server at once.
func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.exited
}

// killedFile is a recording that a kill has left behind.
type killedFile struct {
	path    string
	samples map[string]int      // by stream: in the whole fragments or tags
	read    map[string][]string // by stream: what FFmpeg reads, as hashes
	message string              // what FFmpeg says about it
	torn    bool                // it ends in a fragment or tag that is not whole
}

// killed reads a recording that was not finished, as we do and as players do. What
// FFmpeg says may be about a torn end alone: the same file without it is read silently.
func killed(t *testing.T, path string) killedFile {
	t.Helper()
	r, err := recfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f := killedFile{path: path, torn: r.Index.End != r.Size, // beyond it where only a back pointer is cut
		samples: map[string]int{"v": samples(r, media.Video), "a": samples(r, media.Audio)}}
	f.read, f.message = readAll(t, path)
	if f.message == "" {
		return f
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	untorn := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(untorn, b[:min(r.Index.End, r.Size)], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, message := readAll(t, untorn); message != "" || !f.torn {
		t.Errorf("FFmpeg says of %s: %s", path, f.message)
	}
	return f
}

// readAll reads a recording with FFmpeg: the hashes of the packets by stream, and what
// it says about errors.
func readAll(t *testing.T, path string) (read map[string][]string, message string) {
	t.Helper()
	stdout, stderr, err := peers.Run(t, patience, peers.FFprobe(t), "-v", "error",
		"-show_entries", "packet=codec_type,data_hash", "-show_data_hash", "md5", "-of", "csv=p=0", path)
	if err != nil {
		t.Fatalf("ffprobe %s: %v: %s", path, err, stderr)
	}
	read = map[string][]string{}
	for line := range strings.Lines(stdout) {
		kind, hash, _ := strings.Cut(strings.TrimSpace(line), ",")
		hash = strings.ToLower(strings.TrimPrefix(strings.TrimSuffix(hash, ","), "MD5:"))
		read[kind[:1]] = append(read[kind[:1]], hash)
	}
	return read, strings.TrimSpace(stderr)
}

// startsLike fails unless FFmpeg reads every sample of every whole fragment or tag,
// and they are the source's first. What it makes of a torn last one does not matter.
func (f killedFile) startsLike(t *testing.T, codec string) {
	t.Helper()
	for kind, n := range f.samples {
		source, got := fileHashes(t, f.path, codec, kind), f.read[kind]
		if kind == "v" && n == 0 || n > len(got) || n > len(source) || !equal(got[:n], source[:n]) {
			t.Errorf("%s, stream %s: FFmpeg reads %d packets, which do not begin with the source's first %d: %s", f.path, kind, len(got), n, f.message)
		}
		if len(got) != n && !f.torn {
			t.Errorf("%s, stream %s: FFmpeg reads %d packets, we have %d", f.path, kind, len(got), n)
		}
	}
}

func (s *killSum) add(f killedFile, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files++
	s.frames += f.samples["v"]
	s.lost = max(s.lost, lost)
	if f.torn {
		s.torn++
	}
}

// lost tells how many frames fewer a killed recording has than its viewer saw of the
// stream; more than two fail the test.
func (f killedFile) lost(t *testing.T, codec, newest string) int {
	t.Helper()
	last := slices.Index(hashes(peers.Packets(t, peers.Source(t, codec), "v")), newest)
	lost := last + 1 - f.samples["v"]
	if last < 0 || lost > killLost {
		t.Errorf("%s: %d frames recorded, but a viewer saw frame %d", f.path, f.samples["v"], last)
	}
	return lost
}

// samples counts those of the tracks of a kind.
func samples(r *recfile.Recording, kind media.Kind) int {
	n := 0
	for _, t := range r.Index.Tracks {
		if t.Kind == kind {
			n += t.Samples
		}
	}
	return n
}

var av1InMP4 sync.Map // hashes by stream, which many files are compared with

// fileHashes lists what a file of a kind has of a source's stream. AV1 has delimiters
// between its frames, but not in an MP4; there it is what FFmpeg makes of it.
func fileHashes(t *testing.T, path, codec, kind string) []string {
	t.Helper()
	source := peers.Source(t, codec)
	if codec != "av1" || filepath.Ext(path) != ".mp4" {
		return hashes(peers.Packets(t, source, kind))
	}
	if list, ok := av1InMP4.Load(kind); ok {
		return list.([]string)
	}
	file := filepath.Join(t.TempDir(), "source.mp4")
	silent(t, "-i", source, "-c", "copy", file)
	for _, kind := range []string{"v", "a"} {
		av1InMP4.Store(kind, hashes(peers.Packets(t, file, kind)))
	}
	return hashes(peers.Packets(t, file, kind))
}

// number is an environment variable, or what it is without one.
func number[T int | int64](t *testing.T, name string, otherwise T) T {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		t.Fatalf("%s=%s: %v", name, value, err)
	}
	return T(n)
}

// tool runs the program and returns its exit code and output.
func tool(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := program(args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
