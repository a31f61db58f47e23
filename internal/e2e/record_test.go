package e2e

import (
	be "encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/internal/recfile"
)

const frame = time.Second / 30 // of the sources

// sameStreams fails unless a recording has exactly the source's packets.
func sameStreams(t *testing.T, source, recording string, streams ...string) {
	t.Helper()
	for _, stream := range streams {
		want, got := peers.Packets(t, source, stream), peers.Packets(t, recording, stream)
		if len(want) == 0 {
			t.Fatalf("the source has no stream %s", stream)
		}
		if !equal(hashes(want), hashes(got)) {
			t.Errorf("stream %s: the recording has %d packets, the source %d, or they differ", stream, len(got), len(want))
			continue
		}
		shift := got[0].DTS - want[0].DTS
		for i := range want {
			if d := got[i].DTS - want[i].DTS - shift; d.Abs() > time.Millisecond {
				t.Fatalf("stream %s, packet %d: DTS %v, want %v", stream, i, got[i].DTS, want[i].DTS+shift)
			}
			if got[i].PTS-got[i].DTS != want[i].PTS-want[i].DTS {
				t.Fatalf("stream %s, packet %d: PTS-DTS %v, want %v", stream, i, got[i].PTS-got[i].DTS, want[i].PTS-want[i].DTS)
			}
		}
	}
}

// sameOffset fails unless audio and video are as far apart as in the source, at
// their beginning and at their end.
func sameOffset(t *testing.T, source, recording string) {
	t.Helper()
	offsets := func(path string) (begin, end time.Duration) {
		v, a := pts(t, path, "v"), pts(t, path, "a")
		return slices.Min(a) - slices.Min(v), slices.Max(a) - slices.Max(v)
	}
	wantBegin, wantEnd := offsets(source)
	begin, end := offsets(recording)
	if (begin-wantBegin).Abs() > time.Millisecond || (end-wantEnd).Abs() > time.Millisecond {
		t.Errorf("audio begins %v after video and ends %v after it; in the source %v and %v", begin, end, wantBegin, wantEnd)
	}
}

func pts(t *testing.T, path, stream string) []time.Duration {
	t.Helper()
	var all []time.Duration
	for _, p := range peers.Packets(t, path, stream) {
		all = append(all, p.PTS)
	}
	return all
}

// plainMP4 fails unless a file is ftyp of 32 bytes, mdat and moov.
func plainMP4(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var boxes []string
	for len(b) >= 16 {
		size := uint64(be.BigEndian.Uint32(b))
		boxes = append(boxes, fmt.Sprintf("%s:%d", b[4:8], size))
		if size == 1 {
			size = be.BigEndian.Uint64(b[8:])
		}
		b = b[min(size, uint64(len(b))):]
	}
	if len(boxes) != 3 || boxes[0] != "ftyp:32" || !strings.HasPrefix(boxes[1], "mdat:") || !strings.HasPrefix(boxes[2], "moov:") {
		t.Errorf("boxes %v, want ftyp:32 mdat moov", boxes)
	}
}

// unbrokenRun fails unless a viewer's packets are the source's from one place to
// the end. It returns the place.
func unbrokenRun(t *testing.T, source, viewer, stream string) int {
	t.Helper()
	want, got := peers.Packets(t, source, stream), peers.Packets(t, viewer, stream)
	at := indexOf(hashes(want), hashes(got))
	switch {
	case len(got) == 0:
		t.Fatalf("the viewer has no packet of stream %s", stream)
	case at < 0 || at+len(got) != len(want):
		t.Fatalf("the viewer's %d packets of stream %s are no unbroken run to the end of the source's %d", len(got), stream, len(want))
	case stream == "v" && !want[at].Key:
		t.Fatalf("the viewer begins at packet %d, which is no keyframe", at)
	}
	return at
}

// whole fails unless a recording is finished: inspect finds nothing, FFmpeg decodes
// it without a word and agrees about the duration.
func whole(t *testing.T, path string) *recfile.Recording {
	t.Helper()
	r, err := recfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != recfile.Whole {
		t.Fatalf("%s is %s: %v", path, r.Verdict, r.Findings)
	}
	if d := duration(t, path); math.Abs(d-r.Duration().Seconds()) > 2*frame.Seconds() {
		t.Errorf("ffprobe sees a duration of %.3f s, inspect %v", d, r.Duration())
	}
	decodes(t, path)
	return r
}

// extent is the first and the last moment that a file presents.
func extent(t *testing.T, path string) (start, end time.Duration) {
	t.Helper()
	start = time.Hour
	for _, stream := range []string{"v", "a"} {
		for _, p := range peers.Packets(t, path, stream) {
			start, end = min(start, p.PTS), max(end, p.PTS)
		}
	}
	return start, end + 1024*time.Second/48000 // the audio of the sources ends last
}

func duration(t *testing.T, path string) float64 {
	t.Helper()
	d, err := strconv.ParseFloat(probe(t, path, "-show_entries", "format=duration"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// seeks fails unless FFmpeg finds the keyframe before a time, and decodes on.
func seeks(t *testing.T, path string, to time.Duration, key time.Duration) {
	t.Helper()
	decodes(t, path, "-ss", strconv.FormatFloat(to.Seconds(), 'f', 3, 64))
	at, err := strconv.ParseFloat(probe(t, path, "-select_streams", "v", "-show_entries", "packet=dts_time", "-read_intervals",
		strconv.FormatFloat(to.Seconds(), 'f', 3, 64)+"%+#1"), 64)
	if err != nil || math.Abs(at-key.Seconds()) > frame.Seconds() {
		t.Errorf("seeking to %v lands at %.3f s (%v), want the keyframe at %v", to, at, err, key)
	}
}

// A stream is recorded while two viewers watch it, one from the start and one
// who comes three seconds late.
func TestRecordWhileWatched(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ codec, format, ext string }{
		{"h264", "auto", ".flv"}, {"h265", "auto", ".mp4"}, {"av1", "auto", ".flv"}, {"vp9", "auto", ".flv"},
		{"h264", "mp4", ".mp4"}, {"h265", "flv", ".flv"},
	} {
		t.Run(tt.codec+tt.ext, func(t *testing.T) {
			codec := tt.codec
			if tt.codec+tt.ext == "h264.flv" {
				t.Parallel() // the one that runs with the race detector too
			} else {
				realTime(t)
			}
			source := peers.Source(t, codec)
			s := serve(t, "--record-format", tt.format)
			early, earlyFile := s.watch("live/main")
			publisher := s.publish(source, "live/main")
			path := s.await("recording", "live/main")["path"].(string)
			if filepath.Ext(path) != tt.ext {
				t.Errorf("recorded as %s, want %s", filepath.Ext(path), tt.ext)
			}
			awaitRecorded(t, path, 3*time.Second)
			late, lateFile := s.watch("live/main")
			finish(t, "publisher", publisher)
			s.await("recorded", "live/main")
			finish(t, "viewer", early)
			finish(t, "late viewer", late)

			sameStreams(t, source, path, "v", "a")
			sameOffset(t, source, path)
			whole(t, path)
			seeks(t, path, 7*time.Second, 6*time.Second)
			if tt.ext == ".mp4" {
				plainMP4(t, path)
			}
			start, end := extent(t, source)
			want := end // FFmpeg takes an FLV file's from onMetaData, which counts from 0
			if tt.ext == ".mp4" {
				want -= start
			}
			if d := duration(t, path); math.Abs(d-want.Seconds()) > frame.Seconds() {
				t.Errorf("ffprobe sees a duration of %.3f s, want %v", d, want)
			}
			for _, stream := range []string{"v", "a"} {
				if at := unbrokenRun(t, source, earlyFile, stream); at != 0 {
					t.Errorf("the first viewer begins at packet %d of stream %s", at, stream)
				}
				if at := unbrokenRun(t, source, lateFile, stream); at == 0 {
					t.Errorf("the late viewer begins at the first packet of stream %s", stream)
				}
			}
			if err := s.interrupt(); err != nil {
				t.Errorf("serve: %v", err)
			}
		})
	}
}

func TestAudioOnly(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "aac")
	s := serve(t)
	viewer, viewerFile := s.watch("live/radio")
	publisher := s.publish(source, "live/radio")
	path := s.await("recording", "live/radio")["path"].(string)
	finish(t, "publisher", publisher)
	s.await("recorded", "live/radio")
	finish(t, "viewer", viewer)
	sameStreams(t, source, path, "a")
	whole(t, path)
	if at := unbrokenRun(t, source, viewerFile, "a"); at != 0 {
		t.Errorf("the viewer begins at packet %d", at)
	}
}

// A viewer that stops reading for ten seconds changes nothing for anybody else.
func TestStuckViewer(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "h264")
	s := serve(t)
	stuck, _ := s.watch("live/main")
	viewer, viewerFile := s.watch("live/main")
	publisher := s.publish(source, "live/main")
	path := s.await("recording", "live/main")["path"].(string)
	awaitRecorded(t, path, time.Second)
	if err := stuck.Freeze(); err != nil {
		t.Fatal(err)
	}
	resume := time.AfterFunc(10*time.Second, func() { stuck.Thaw() })
	defer resume.Stop()
	finish(t, "publisher", publisher)
	s.await("recorded", "live/main")
	finish(t, "viewer", viewer)
	sameStreams(t, source, path, "v", "a")
	whole(t, path)
	for _, stream := range []string{"v", "a"} {
		if at := unbrokenRun(t, source, viewerFile, stream); at != 0 {
			t.Errorf("the other viewer begins at packet %d of stream %s", at, stream)
		}
	}
	finish(t, "the viewer that was stuck", stuck)
	if left := s.await("viewer left", "live/main"); left["skips"] == nil || left["skips"].(float64) < 1 {
		t.Errorf("the viewer was never stuck: %v", left)
	}
}

// A publisher's network dies and it comes back within five seconds: two whole
// files, and the viewer sees both.
func TestPublisherReturns(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "h264")
	s := serve(t, "--publish-grace", "10s")
	viewer, viewerFile := s.watch("live/main")
	frozen := s.publish(source, "live/main")
	first := s.await("recording", "live/main")["path"].(string)
	awaitRecorded(t, first, 2*time.Second)
	if err := frozen.Freeze(); err != nil {
		t.Fatal(err)
	}
	frozenAt := time.Now()
	var again *peers.Process
	await(t, "the name to be free", func() bool {
		if again == nil || ended(again) { // refused with BadName
			again = s.publish(source, "live/main")
		}
		return s.count("publishing", "live/main") == 2
	})
	if took := time.Since(frozenAt); took > 5*time.Second {
		t.Errorf("the name was taken over after %v", took)
	}
	finish(t, "second publisher", again)
	s.awaitNth("recorded", "live/main", 2)
	frozen.Kill()
	viewer.Stop() // it would wait for a third publisher

	paths := s.recordings()
	if len(paths) != 2 {
		t.Fatalf("recordings: %v, want two", paths)
	}
	for _, stream := range []string{"v", "a"} {
		want := hashes(peers.Packets(t, source, stream))
		got := hashes(peers.Packets(t, paths[0], stream))
		if n := len(got); n == 0 || n >= len(want) || !equal(want[:n], got) {
			t.Errorf("stream %s of the first file: %d packets that are not the first of the source's %d", stream, n, len(want))
		}
		// The viewer has the first part to where it froze, then the second whole.
		seen := hashes(peers.Packets(t, viewerFile, stream))
		for i, packets := 1, peers.Packets(t, viewerFile, stream); i < len(packets); i++ {
			if packets[i].DTS < packets[i-1].DTS {
				t.Errorf("stream %s: the viewer's time goes back from %v to %v", stream, packets[i-1].DTS, packets[i].DTS)
			}
		}
		if !equal(seen, append(append([]string(nil), got...), want...)) {
			t.Errorf("stream %s: the viewer has %d packets, want %d of the first publisher and %d of the second", stream, len(seen), len(got), len(want))
		}
	}
	sameStreams(t, source, paths[1], "v", "a")
	whole(t, paths[0])
	whole(t, paths[1])
}

func ended(p *peers.Process) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// Ctrl-C while recording: the program ends well and the file is whole.
func TestInterruptWhileRecording(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "h264")
	s := serve(t)
	publisher := s.publish(source, "live/main")
	path := s.await("recording", "live/main")["path"].(string)
	awaitRecorded(t, path, 3*time.Second)
	if err := s.interrupt(); err != nil {
		t.Fatalf("serve: %v", err)
	}
	publisher.Kill()
	for _, stream := range []string{"v", "a"} {
		want, got := hashes(peers.Packets(t, source, stream)), hashes(peers.Packets(t, path, stream))
		if n := len(got); n == 0 || n >= len(want) || !equal(want[:n], got) {
			t.Errorf("stream %s: %d packets that are not the first of the source's %d", stream, n, len(want))
		}
	}
	whole(t, path)
}
