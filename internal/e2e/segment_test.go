package e2e

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/internal/peers"
)

// A stream that is cut into parts: every packet of the source is in one of them, in
// order, and each is whole and plays by itself.
func TestSegmentedRecording(t *testing.T) {
	realTime(t)
	for codec, format := range map[string]string{"h264": "flv", "h265": "mp4"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			segmented(t, codec, format)
		})
	}
}

func segmented(t *testing.T, codec, format string) {
	const parts = 12 // keyframes of the source, which is sent twice
	source := twice(t, codec)
	s := serve(t, "--record-format", format, "--record-segment", "1s")
	// Faster than real time: a cut is a matter of the stream's. But not as fast as it goes: a
	// publisher that closes with much still to send loses that, if an acknowledgement
	// reaches its closed socket (tcp(7): it resets the connection).
	finish(t, "the publisher", peers.Start(t, peers.FFmpeg(t), "-v", "warning", "-nostdin", "-readrate", "4", "-i", source, "-c", "copy", "-f", "flv", s.URL+"/live/a"))
	s.awaitNth("recorded", "live/a", parts)
	if err := s.interrupt(); err != nil {
		t.Error(err)
	}
	var paths []string // by the order of their log lines: names tell seconds only
	for _, l := range s.log() {
		if l.is("recorded", "live/a") {
			paths = append(paths, l["path"].(string))
		}
	}
	if len(paths) != parts || len(s.recordings()) != parts {
		t.Fatalf("%d parts, %d files, want %d", len(paths), len(s.recordings()), parts)
	}
	got := make(map[string][]string)
	for _, path := range paths {
		whole(t, path)
		for _, kind := range []string{"v", "a"} {
			got[kind] = append(got[kind], hashes(peers.Packets(t, path, kind))...)
		}
	}
	for kind, all := range got {
		if want := hashes(peers.Packets(t, source, kind)); !slices.Equal(all, want) {
			t.Errorf("stream %s: %d packets in all parts, %d sent, or in another order", kind, len(all), len(want))
		}
	}
}

// twice returns a source that is repeated once: 24 s.
func twice(t *testing.T, codec string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "twice.flv")
	if _, stderr, err := peers.Run(t, patience, peers.FFmpeg(t), "-v", "error", "-nostdin", "-stream_loop", "1",
		"-i", peers.Source(t, codec), "-c", "copy", "-f", "flv", path); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	return path
}
