package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// An FLV that was damaged in the middle and fixed in place is one that FFmpeg and
// GStreamer take without a word: they see every frame that was not damaged, and no
// stream besides video and audio.
func TestDamagedFLVPlays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live_main_20260115_143022.flv")
	tracks := recordedFLV(t, path, peers.Source(t, "h264"))
	want := map[string][]string{}
	for _, kind := range []string{"v", "a"} {
		want[kind] = hashes(peers.Packets(t, path, kind))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lost := damageFLV(t, data, tracks)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	for kind, i := range map[string]int{"v": 0, "a": 1} {
		for n := len(want[kind]) - 1; n >= 0; n-- {
			if slices.Contains(lost[i], n) {
				want[kind] = slices.Delete(want[kind], n, n+1)
			}
		}
	}

	if code, out := tool(t, "fix", path); code != 3 {
		t.Fatalf("fix: exit %d\n%s", code, out)
	}
	if code, out := tool(t, "inspect", path); code != 0 || !strings.Contains(out, "set aside") {
		t.Errorf("inspect: exit %d\n%s", code, out)
	}
	if code, out := tool(t, "fix", path); code != 0 || !strings.Contains(out, "nothing to do") {
		t.Errorf("fix again: exit %d\n%s", code, out)
	}
	if n := len(peers.Probe(t, path).Streams); n != 2 {
		t.Errorf("FFmpeg sees %d streams, want one of video and one of audio", n)
	}
	sizes := map[string]int64{}
	for kind := range want {
		packets := peers.Packets(t, path, kind)
		if !equal(hashes(packets), want[kind]) {
			t.Errorf("FFmpeg reads %d packets of %s, want %d, or they differ", len(packets), kind, len(want[kind]))
		}
		for _, p := range packets {
			sizes[kind] += int64(p.Size)
		}
	}
	decodes(t, path)
	demuxes(t, path, sizes)
}

// recordedFLV writes what a recorder would have of a source, and lists its tracks:
// video, then audio.
func recordedFLV(t *testing.T, path, source string) []*container.Track {
	t.Helper()
	src, err := os.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		t.Fatal(err)
	}
	x, _, err := flv.Scan(src, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	dst, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := flv.Copy(dst, src, info.Size(), x); err != nil {
		t.Fatal(err)
	}
	if info, err = dst.Stat(); err != nil {
		t.Fatal(err)
	}
	if x, _, err = flv.Scan(dst, info.Size()); err != nil {
		t.Fatal(err)
	}
	if x.Tracks[0].Kind != media.Video {
		slices.Reverse(x.Tracks)
	}
	return x.Tracks
}

// damageFLV spoils a frame that no other needs, one of sound, and all between two
// keyframes with more than 1 MiB between them. It lists the frames of each track that
// are lost by that.
func damageFLV(t *testing.T, data []byte, tracks []*container.Track) (lost [2][]int) {
	t.Helper()
	const header = 11
	var hole [2]int64
	keys := 0
	for i, r := range slices.Collect(tracks[0].Rows()) {
		if r.Key {
			keys++
		}
		const slice = 5 + 4 // body and NAL headers
		disposable := data[r.Offset+slice]&0x60 == 0
		switch {
		case keys == 1 && disposable && lost[0] == nil:
			data[r.Offset-header+2] ^= 0x55 // the size
			lost[0] = append(lost[0], i)
		case keys == 2 && hole[0] == 0 && !r.Key:
			hole[0] = r.Offset - header
		case r.Key && hole[0] > 0 && hole[1] == 0 && r.Offset-hole[0] > 1<<20:
			hole[1] = r.Offset - header
		}
		if hole[0] > 0 && hole[1] == 0 {
			lost[0] = append(lost[0], i)
		}
	}
	for i, r := range slices.Collect(tracks[1].Rows()) {
		switch {
		case i == 20:
			data[r.Offset-header] = 0xFF // the type
			lost[1] = append(lost[1], i)
		case r.Offset > hole[0] && r.Offset < hole[1]:
			lost[1] = append(lost[1], i)
		}
	}
	if hole[1] == 0 || len(lost[0]) < 10 || len(lost[1]) < 10 {
		t.Fatalf("a source of another kind: %v, %v", hole, lost)
	}
	clear(data[hole[0]:hole[1]])
	return lost
}

// demuxes fails unless GStreamer takes so many bytes of each stream out of a recording.
func demuxes(t *testing.T, path string, sizes map[string]int64) {
	t.Helper()
	video, audio := filepath.Join(t.TempDir(), "v"), filepath.Join(t.TempDir(), "a")
	demuxer, pad := "flvdemux", ""
	if filepath.Ext(path) == ".mp4" {
		demuxer, pad = "qtdemux", "_0"
	}
	stdout, stderr, err := peers.Run(t, patience, peers.GStreamer(t), "-q", "filesrc", "location="+path, "!", demuxer, "name=demux",
		"demux.video"+pad, "!", "queue", "!", "filesink", "location="+video, "demux.audio"+pad, "!", "queue", "!", "filesink", "location="+audio)
	if err != nil || stdout+stderr != "" {
		t.Fatalf("GStreamer: %v\n%s%s", err, stdout, stderr)
	}
	for kind, out := range map[string]string{"v": video, "a": audio} {
		if info, err := os.Stat(out); err != nil || info.Size() != sizes[kind] {
			t.Errorf("GStreamer takes out %d bytes of %s, want %d; %v", info.Size(), kind, sizes[kind], err)
		}
	}
}
