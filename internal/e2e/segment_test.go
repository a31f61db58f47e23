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
	const parts = 3 // of 12 s with a keyframe every 2 s
	source := peers.Source(t, codec)
	s := serve(t, "--record-format", format, "--record-segment", "4s")
	finish(t, "the publisher", s.hurry(source, "live/a"))
	s.awaitNth("recorded", "live/a", parts)
	if err := s.interrupt(); err != nil {
		t.Error(err)
	}
	if n := len(s.recordings()); n != parts {
		t.Errorf("%d files, want %d", n, parts)
	}
	recorded(t, s, "live/a", source, parts)
}

// recorded fails the test unless the server has recorded a stream in so many parts: every
// packet of the source is in one of them, in order, and each is whole.
func recorded(t *testing.T, s *server, stream, source string, parts int) {
	t.Helper()
	var paths []string // by the order of their log lines: names tell seconds only
	for _, l := range s.log() {
		if l.is("recorded", stream) {
			paths = append(paths, l["path"].(string))
		}
	}
	if len(paths) != parts {
		t.Fatalf("%s: %d parts, want %d", stream, len(paths), parts)
	}
	got := make(map[string][]string)
	plays(t, paths...)
	for _, path := range paths {
		closed(t, path)
		for _, kind := range []string{"v", "a"} {
			got[kind] = append(got[kind], hashes(peers.Packets(t, path, kind))...)
		}
	}
	for kind, all := range got {
		if want := hashes(peers.Packets(t, source, kind)); !slices.Equal(all, want) {
			t.Errorf("%s, stream %s: %d packets in all parts, %d sent, or in another order", stream, kind, len(all), len(want))
		}
	}
}

// hurry is publish at four times the speed: a cut is a matter of the stream's. Not as fast as
// it goes: a publisher that closes with much still to send loses that, if an acknowledgement
// reaches its closed socket (tcp(7): it resets the connection).
func (s *server) hurry(source, name string) *peers.Process {
	s.t.Helper()
	return peers.Start(s.t, peers.FFmpeg(s.t), "-v", "warning", "-nostdin", "-readrate", "4", "-i", source, "-c", "copy", "-f", "flv", s.URL+"/"+name)
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
