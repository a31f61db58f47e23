package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Recordings whose times pass 2^24 ms (4 h 39 min), 2^32 ticks of video (13 h 15 min)
// and, in MP4, 2^31 and 2^32 ms (24 and 49 days) are as long for FFmpeg as they are.
func TestLongTimes(t *testing.T) {
	const hour = time.Hour
	for _, tt := range []struct {
		format string
		long   time.Duration
	}{
		{"flv", 5 * hour}, {"flv", 26 * hour}, {"flv", 24 * 24 * hour},
		{"mp4", 5 * hour}, {"mp4", 26 * hour}, {"mp4", 25 * 24 * hour}, {"mp4", 50 * 24 * hour},
	} {
		t.Run(fmt.Sprint(tt.format, " of ", tt.long), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "long."+tt.format)
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if tt.format == "flv" {
				longFLV(t, f, tt.long)
			} else {
				longMP4(t, f, tt.long)
			}
			if d := duration(t, path); math.Abs(d-tt.long.Seconds()) > 1 {
				t.Errorf("ffprobe sees a duration of %.3f s, want %.0f", d, tt.long.Seconds())
			}
			packets := peers.Packets(t, path, "v")
			if last := packets[len(packets)-1].DTS; (last - tt.long).Abs() > 2*longStep {
				t.Errorf("the last packet is at %v, want %v", last, tt.long)
			}
			if code, out := tool(t, "inspect", path); code != 0 {
				t.Errorf("inspect: exit %d\n%s", code, out)
			}
		})
	}
}

// A publisher's clock that passes 2^24 ms, or the 2^31 ms where FFmpeg begins again at 0, leaves no
// trace in a recording.
func TestPublisherPassesLimits(t *testing.T) {
	realTime(t)
	s := serve(t, "--record-format", "mp4")
	publishers := map[string]*peers.Process{}
	for name, limit := range map[string]float64{"live/24": 1 << 24, "live/31": 1 << 31} {
		publishers[name] = publishTo(t, peers.Source(t, "h264"), s.URL+"/"+name, "-output_ts_offset", strconv.FormatFloat(limit/1000-6, 'f', 3, 64))
	}
	for name, p := range publishers {
		finish(t, "the publisher", p)
		s.await("recorded", name)
		recorded(t, s, name, peers.Source(t, "h264"), 1)
	}
}

// longStep is the time between two frames: no player needs more to tell how long a
// file is, and no clock takes it for a jump.
const longStep = time.Hour

// picture returns the configuration and the first keyframe of a source.
func picture(t *testing.T) (config, key *media.Packet) {
	t.Helper()
	for _, p := range packetsOf(t, peers.Source(t, "h264")) {
		switch {
		case p.Kind == media.Video && p.Role == media.Decoder:
			config = p
		case p.Key:
			return config, p
		}
	}
	t.Fatal("the source has no keyframe")
	return nil, nil
}

func longFLV(t *testing.T, f *os.File, long time.Duration) {
	w := flv.NewWriter(f, flv.Options{FrameRate: 30})
	write := func(p *media.Packet, at time.Duration) {
		if err := w.Write(p, at); err != nil {
			t.Fatal(err)
		}
	}
	config, key := picture(t)
	write(config, 0)
	for at := time.Duration(0); at < long; at += longStep {
		write(key, at)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func longMP4(t *testing.T, f *os.File, long time.Duration) {
	config, key := picture(t)
	track := media.Track{Kind: media.Video, Codec: media.H264, Config: flv.Config(config)}
	w, err := bmff.NewWriter(f, bmff.Options{Tracks: []media.Track{track}})
	if err != nil {
		t.Fatal(err)
	}
	for at := time.Duration(0); at < long; at += longStep {
		for s := range flv.Samples(key) {
			s.DTS, s.CTS = at, 0
			if err := w.Write(s); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
