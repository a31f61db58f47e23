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

// whole fails unless a recording is closed, and FFmpeg plays it without a word.
func whole(t *testing.T, path string) *recfile.Recording {
	t.Helper()
	r := closed(t, path)
	plays(t, path)
	return r
}

// closed fails unless a recording is finished: inspect finds nothing, and FFmpeg agrees about
// the duration.
func closed(t *testing.T, path string) *recfile.Recording {
	t.Helper()
	isWhole(t, path)
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
	d, err := strconv.ParseFloat(peers.Probe(t, path).Format.Get("duration"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// created is the wall clock that a file tells: mvhd's creation_time, or creationdate.
func created(t *testing.T, path string) time.Time {
	t.Helper()
	format := peers.Probe(t, path).Format
	at, err := time.Parse(time.RFC3339, format.Tag("creation_time")+format.Tag("creationdate"))
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return at
}

// seeks fails unless FFmpeg finds the keyframe before a time, and decodes on from there. In the same
// start it does as decodes does, or as plays.
func seeks(t *testing.T, path string, to, key time.Duration, all bool) {
	t.Helper()
	list, frames := filepath.Join(t.TempDir(), "sought"+peers.ListExt), "nokey"
	if all {
		frames = "default"
	}
	silent(t, "-skip_frame", frames, "-i", path, "-ss", strconv.FormatFloat(to.Seconds(), 'f', 3, 64), "-t", "2", "-i", path,
		"-map", "0", "-f", "null", "-", "-map", "0", "-c", "copy", "-f", "null", "-",
		"-map", "1", "-f", "null", "-", "-map", "1:v", "-c", "copy", "-f", "framemd5", list)
	recorded := peers.Packets(t, path, "v")
	at := slices.Index(hashes(recorded), peers.Packets(t, list, "v")[0].Hash)
	if at < 0 || (recorded[at].DTS-key).Abs() > frame {
		t.Errorf("seeking to %v lands at packet %d, want the keyframe at %v", to, at, key)
	}
}

// Streams that are published at once are recorded while each has two viewers, one from
// the start and one who comes three seconds late.
func TestRecordWhileWatched(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ format, streams string }{
		{"auto", "h264.flv h265.mp4 av1.flv vp9.flv"},
		{"mp4", "h264.mp4 h265.mp4"},
		{"flv", "h264.flv h265.flv"},
	} {
		t.Run(tt.format, func(t *testing.T) {
			if tt.format == "flv" {
				t.Parallel() // the one that runs with the race detector too
			} else {
				realTime(t)
			}
			s := serve(t, "--record-format", tt.format)
			var all []*watched
			var sent []sending
			for _, stream := range strings.Fields(tt.streams) {
				w := s.begin(strings.TrimSuffix(stream, filepath.Ext(stream)), filepath.Ext(stream))
				all, sent = append(all, w), append(sent, sending{w.name, w.codec})
			}
			for _, w := range all {
				s.await("playing", w.name)
			}
			publisher := s.publishAll(sent)
			for _, w := range all {
				w.path = s.await("recording", w.name)["path"].(string)
				w.recording = time.Now()
				awaitRecorded(t, w.path, 3*time.Second)
				w.late, w.lateFile = s.watch(w.name)
			}
			finish(t, "publisher", publisher)
			for _, w := range all {
				s.await("recorded", w.name)
				finish(t, "viewer", w.early)
				finish(t, "late viewer", w.late)
			}
			if err := s.interrupt(); err != nil {
				t.Errorf("serve: %v", err)
			}
			for _, w := range all {
				t.Run(w.codec, func(t *testing.T) {
					t.Parallel()
					w.check(t, tt.format == "auto") // the frames of the others are the same
				})
			}
		})
	}
}

// watched is a stream that is recorded while it is watched.
type watched struct {
	codec, ext, name, source, path string
	early, late                    *peers.Process
	earlyFile, lateFile            string
	begun, recording               time.Time // nothing was published yet, the file is there
}

func (s *server) begin(codec, ext string) *watched {
	w := &watched{codec: codec, ext: ext, name: "live/" + codec, source: peers.Source(s.t, codec)}
	w.early, w.earlyFile = s.watch(w.name)
	w.begun = time.Now()
	return w
}

// check fails unless the recording is what was published, and so is what the viewers saw. All
// frames are decoded if that is asked for.
func (w *watched) check(t *testing.T, decoded bool) {
	if filepath.Ext(w.path) != w.ext {
		t.Errorf("recorded as %s, want %s", filepath.Ext(w.path), w.ext)
	}
	sameStreams(t, w.source, w.path, "v", "a")
	sameOffset(t, w.source, w.path)
	closed(t, w.path)
	seeks(t, w.path, 7*time.Second, 6*time.Second, decoded)
	if w.ext == ".mp4" {
		plainMP4(t, w.path)
	}
	if at := created(t, w.path); at.Before(w.begun.Truncate(time.Second)) || at.After(w.recording) {
		t.Errorf("created at %v; nothing was published at %v, and there was a file at %v", at, w.begun, w.recording)
	}
	start, end := extent(t, w.source)
	want := end // FFmpeg takes an FLV file's from onMetaData, which counts from 0
	if w.ext == ".mp4" {
		want -= start
	}
	if d := duration(t, w.path); math.Abs(d-want.Seconds()) > frame.Seconds() {
		t.Errorf("ffprobe sees a duration of %.3f s, want %v", d, want)
	}
	for _, stream := range []string{"v", "a"} {
		if at := unbrokenRun(t, w.source, w.earlyFile, stream); at != 0 {
			t.Errorf("the first viewer begins at packet %d of stream %s", at, stream)
		}
		if at := unbrokenRun(t, w.source, w.lateFile, stream); at == 0 {
			t.Errorf("the late viewer begins at the first packet of stream %s", stream)
		}
	}
}

func TestAudioOnly(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "aac")
	s := serve(t)
	viewer, viewerFile := s.watch("live/radio")
	s.await("playing", "live/radio")
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

// A viewer that stops reading for more than ten seconds changes nothing for anybody else. It is
// stuck until the system's buffers, which may take 4 MB of its stream, are full for long.
func TestStuckViewer(t *testing.T) {
	realTime(t)
	source := twice(t, "h264") // 24 s, 9 MB
	s := serve(t, "--write-timeout", "1m")
	stuck, stuckFile := s.watch("live/main")
	viewer, viewerFile := s.watch("live/main")
	s.awaitNth("playing", "live/main", 2)
	publisher := s.publish(source, "live/main")
	path := s.await("recording", "live/main")["path"].(string)
	await(t, "what the viewer has seen", func() bool {
		_, err := os.Stat(stuckFile)
		return err == nil
	})
	if err := stuck.Freeze(); err != nil {
		t.Fatal(err)
	}
	awaitRecorded(t, path, 22*time.Second)
	if err := stuck.Thaw(); err != nil {
		t.Fatal(err)
	}
	finish(t, "publisher", publisher)
	s.await("recorded", "live/main")
	finish(t, "viewer", viewer)
	sameStreams(t, source, path, "v", "a")
	looped(t, path)
	for _, stream := range []string{"v", "a"} {
		if at := unbrokenRun(t, source, viewerFile, stream); at != 0 {
			t.Errorf("the other viewer begins at packet %d of stream %s", at, stream)
		}
	}
	finish(t, "the viewer that was stuck", stuck)
	first, second := s.await("viewer left", "live/main"), s.awaitNth("viewer left", "live/main", 2)
	if first["skips"] == nil && second["skips"] == nil {
		t.Errorf("the viewer was never stuck: %v, %v", first, second)
	}
}

// A publisher's network dies and it comes back within five seconds: two whole
// files, and the viewer sees both.
func TestPublisherReturns(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "h264")
	s := serve(t, "--publish-grace", "10s")
	viewer, viewerFile := s.watch("live/main")
	s.await("playing", "live/main")
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
	for _, l := range s.log() { // when FFmpeg asks again is up to the machine; who asks after 5 s is let in
		if l.is("refused a publisher", "") {
			at, err := time.Parse(time.RFC3339, l["time"].(string))
			if took := at.Sub(frozenAt); err != nil || took > 5*time.Second {
				t.Errorf("the name was still refused after %v, %v", took, err)
			}
		}
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
