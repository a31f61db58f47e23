package e2e

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// A stream whose decoder configuration is garbage is relayed to FFmpeg and recorded,
// packet for packet, beside one that is well. The log says so in one line.
func TestBrokenConfiguration(t *testing.T) {
	for _, tt := range []struct {
		name, codec, format, ext string
		kind                     media.Kind
		keep                     int // bytes of the header's body that stay
	}{
		{"SPS", "h264", "auto", ".flv", media.Video, 5 + 8 + 1},
		{"SPS in MP4", "h264", "mp4", ".mp4", media.Video, 5 + 8 + 1},
		{"hvcC", "h265", "auto", ".mp4", media.Video, 5},
		{"AudioSpecificConfig", "h265", "auto", ".mp4", media.Audio, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source := peers.Source(t, tt.codec)
			s := serve(t, "--record-format", tt.format, "--log-level", "debug")
			viewer := lister(t, tt.kind, s.URL+"/live/main")
			s.await("playing", "live/main")
			packets := packetsOf(t, source)
			s.sendMessages("live/well", messages(packets))
			for _, p := range packets {
				if p.Kind == tt.kind && p.Role == media.Decoder {
					p.Body = append(bytes.Clone(p.Body[:tt.keep]), bytes.Repeat([]byte{0xFF}, len(p.Body)-tt.keep)...)
				}
			}
			s.sendMessages("live/main", messages(packets))
			well := s.await("recorded", "live/well")["path"].(string)
			path := s.await("recorded", "live/main")["path"].(string)
			finish(t, "viewer", viewer)

			if filepath.Ext(path) != tt.ext {
				t.Errorf("recorded as %s, want %s", filepath.Ext(path), tt.ext)
			}
			for _, p := range []string{path, well} {
				r, err := recfile.Open(p)
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict != recfile.Whole {
					t.Errorf("%s is %v: %+v", p, r.Verdict, r.Findings)
				}
			}
			file := lister(t, tt.kind, path)
			finish(t, "reader of the recording", file)
			for _, stream := range []string{"v", "a"} {
				want := hashes(peers.Packets(t, source, stream))
				if got := listed(file, stream); !slices.Equal(got, want) {
					t.Errorf("stream %s: %d packets are recorded, %d were sent, or others", stream, len(got), len(want))
				}
				// One that joins late begins at a keyframe.
				if got := listed(viewer, stream); len(got) == 0 || indexOf(want, got) != len(want)-len(got) {
					t.Errorf("stream %s: the viewer has %d packets, %d were sent, or others", stream, len(got), len(want))
				}
			}
			sameStreams(t, source, well, "v", "a")
			warnings := 0
			for _, l := range s.log() {
				if level := l["level"]; (level == "warn" || level == "error") && l["stream"] != nil {
					warnings++
					if l["stream"] != "live/main" || l["error"] == nil {
						t.Errorf("the log has %v", l)
					}
				}
			}
			if warnings != 1 {
				t.Errorf("%d lines in the log, want 1", warnings)
			}
		})
	}
}

// lister makes FFmpeg list the packets of a stream or a file in which a kind of media
// has a broken configuration. FFprobe gives up where it cannot open a decoder, which it
// can for video; FFmpeg where it does not know the size of a picture.
func lister(t *testing.T, broken media.Kind, input string) *peers.Process {
	t.Helper()
	if broken == media.Video {
		return peers.Start(t, peers.FFprobe(t), "-v", "quiet", "-show_packets", "-show_data_hash", "md5", "-show_entries", "packet=codec_type,data_hash", "-of", "csv=p=0", input)
	}
	return peers.Start(t, peers.FFmpeg(t), "-v", "quiet", "-nostdin", "-i", input, "-map", "0:v", "-map", "0:a", "-c", "copy", "-f", "framemd5", "-")
}

// listed returns the hashes of a stream's packets, "v" or "a".
func listed(p *peers.Process, stream string) (list []string) {
	first := map[string][]string{"v": {"video,", "0,"}, "a": {"audio,", "1,"}}[stream]
	for line := range strings.Lines(p.Stdout()) {
		fields := strings.Split(strings.ToLower(strings.TrimSpace(line)), ",")
		if slices.Contains(first, fields[0]+",") {
			list = append(list, strings.TrimPrefix(strings.TrimSpace(fields[len(fields)-1]), "md5:"))
		}
	}
	return list
}
