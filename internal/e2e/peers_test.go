package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/internal/peers"
)

// A busy name is refused in words that FFmpeg shows.
func TestBusyNameIsRefused(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "h264")
	s := serve(t)
	first := s.publish(source, "live/main")
	s.await("recording", "live/main")
	second := s.publish(source, "live/main")
	if err := second.Wait(patience); err == nil {
		t.Error("the second publisher was not refused")
	}
	if !strings.Contains(second.Stderr(), "live/main: the name is being published already") {
		t.Errorf("FFmpeg does not say why: %s", second.Stderr())
	}
	first.Kill()
	s.await("recorded", "live/main")
}

// GStreamer publishes and plays: its client is the strictest about replies.
func TestGStreamer(t *testing.T) {
	realTime(t)
	gst := peers.GStreamer(t)
	s := serve(t)
	player := filepath.Join(t.TempDir(), "viewer.flv")
	viewer := peers.Start(t, gst, "-q", "rtmp2src", "location="+s.URL+"/live/gst", "!", "filesink", "location="+player)
	s.await("playing", "live/gst")
	publisher := peers.Start(t, gst, "-q",
		"videotestsrc", "num-buffers=150", "is-live=true", "!", "video/x-raw,width=320,height=240,framerate=30/1", "!",
		"x264enc", "tune=zerolatency", "key-int-max=30", "!", "h264parse", "!", "flvmux", "streamable=true", "!",
		"rtmp2sink", "location="+s.URL+"/live/gst")
	path := s.await("recording", "live/gst")["path"].(string)
	finish(t, "GStreamer as publisher", publisher)
	s.await("recorded", "live/gst")
	finish(t, "GStreamer as viewer", viewer)
	r := whole(t, path)
	if frames := r.Index.Tracks[0].Samples; frames != 150 {
		t.Errorf("%d frames are recorded, want 150", frames)
	}
	// rtmp2src ends at StreamEOF and may let go of the last frame, which it has.
	want, seen := hashes(peers.Packets(t, path, "v")), hashes(peers.Packets(t, player, "v"))
	if n := len(seen); n < len(want)-1 || !equal(want[:n], seen) {
		t.Errorf("GStreamer saw %d frames of %d, or others", n, len(want))
	}
}

// rtmpdump plays with librtmp, which OBS publishes with.
func TestRTMPDump(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "h264")
	s := serve(t)
	out := filepath.Join(t.TempDir(), "viewer.flv")
	viewer := peers.Start(t, peers.RTMPDump(t), "-q", "-v", "-r", s.URL+"/live/main", "-o", out)
	s.await("playing", "live/main")
	publisher := s.publish(source, "live/main")
	finish(t, "publisher", publisher)
	s.await("recorded", "live/main")
	viewer.Wait(patience) // its exit code tells nothing: 2 means that a live stream has ended
	for _, stream := range []string{"v", "a"} {
		if at := unbrokenRun(t, source, out, stream); at != 0 {
			t.Errorf("rtmpdump begins at packet %d of stream %s", at, stream)
		}
	}
}
