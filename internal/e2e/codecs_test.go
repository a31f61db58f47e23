package e2e

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
)

// encoding is a source of 3 s that FFmpeg makes.
type encoding struct {
	file    string // its name
	inputs  string
	options string
}

// encode makes sources with one start of FFmpeg, and returns their paths.
func encode(t *testing.T, all ...encoding) (paths []string) {
	t.Helper()
	inputs, outputs, dir, next := []string{"-v", "error", "-nostdin"}, []string{}, t.TempDir(), 0
	for _, e := range all {
		inputs = append(inputs, strings.Fields(e.inputs)...)
		for range strings.Count(e.inputs, "-i ") {
			outputs = append(outputs, "-map", strconv.Itoa(next))
			next++
		}
		paths = append(paths, filepath.Join(dir, e.file))
		outputs = append(append(outputs, strings.Fields(e.options)...), "-t", "3", paths[len(paths)-1])
	}
	if _, stderr, err := peers.Run(t, patience, peers.FFmpeg(t), append(inputs, outputs...)...); err != nil || stderr != "" {
		t.Fatalf("encode: %v\n%s", err, stderr)
	}
	return paths
}

// Every codec that FFmpeg sends and that an MP4 can hold is in it as it was sent.
func TestEveryCodecAsMP4(t *testing.T) {
	t.Parallel()
	const (
		stereo  = "-f lavfi -i aevalsrc=sin(440*2*PI*t)|sin(660*2*PI*t):s="
		mono    = "-f lavfi -i sine=f=440:r="
		of51    = "-f lavfi -i aevalsrc=exprs=sin(440*2*PI*t)|sin(550*2*PI*t)|sin(660*2*PI*t)|sin(50*2*PI*t)|sin(770*2*PI*t)|sin(880*2*PI*t):c=5.1:s=48000"
		ms      = time.Millisecond
		picture = "-f lavfi -i testsrc2=size=64x64:rate=30 "
	)
	s := serve(t, "--record-format", "mp4")
	cases := []struct {
		name            string
		inputs, options string
		frame           time.Duration // at most
		want            string        // as ffprobe tells it
		inspect         string
	}{
		{"ac3", of51, "-c:a ac3 -b:a 448k", 32 * ms, "ac3,48000,6,5.1(side)", "AC-3 48 kHz 6 channels"},
		{"ac3-odd", stereo + "44100", "-c:a ac3 -b:a 96k", 35 * ms, "ac3,44100,2,stereo", "AC-3 44.1 kHz stereo"},
		{"eac3", of51, "-c:a eac3 -b:a 384k", 32 * ms, "eac3,48000,6,5.1(side)", "E-AC-3 48 kHz 6 channels"},
		{"eac3-three-blocks", of51, "-c:a eac3 -b:a 2000k", 32 * ms, "eac3,48000,6,5.1(side)", "E-AC-3 48 kHz 6 channels"},
		{"eac3-one-block", of51, "-c:a eac3 -b:a 5000k", 32 * ms, "eac3,48000,6,5.1(side)", "E-AC-3 48 kHz 6 channels"},
		{"mp3", stereo + "44100", "-c:a libmp3lame", 27 * ms, "mp3,44100,2,stereo", "MP3 44.1 kHz stereo"},
		{"mp3-low", mono + "22050", "-c:a libmp3lame", 27 * ms, "mp3,22050,1,mono", "MP3 22.05 kHz mono"},
		{"alaw", mono + "8000", "-c:a pcm_alaw", 128 * ms, "pcm_alaw,8000,1,mono", "G.711 A-law 8 kHz mono"},
		{"mulaw", mono + "8000", "-c:a pcm_mulaw", 128 * ms, "pcm_mulaw,8000,1,mono", "G.711 mu-law 8 kHz mono"},
		{"alaw-44", stereo + "44100", "-c:a pcm_alaw", 24 * ms, "pcm_alaw,44100,2,stereo", "G.711 A-law 44.1 kHz stereo"},
		{"pcm", stereo + "44100", "-c:a pcm_s16le", 24 * ms, "pcm_s16le,44100,2,stereo", "PCM 44.1 kHz stereo"},
		{"pcm-8", mono + "11025", "-c:a pcm_u8", 93 * ms, "pcm_u8,11025,1,mono", "PCM 11.025 kHz mono"},
		{"flac", stereo + "96000", "-c:a flac", 48 * ms, "flac,96000,2,stereo", "FLAC 96 kHz stereo"},
		{"opus", stereo + "48000", "-c:a libopus -frame_duration 60", 60 * ms, "opus,48000,2,stereo", "OPUS 48 kHz stereo"},
		{"aac", stereo + "48000", "-c:a aac", 22 * ms, "aac,48000,2,stereo", "AAC-LC 48 kHz stereo"},
		{"h264-mulaw", picture + mono + "8000", "-c:v libx264 -g 30 -bf 0 -c:a pcm_mulaw", 128 * ms, "pcm_mulaw,8000,1,mono", "G.711 mu-law 8 kHz mono"},
		{"vp9-ac3", picture + stereo + "48000", "-c:v libvpx-vp9 -g 30 -c:a ac3", 34 * ms, "ac3,48000,2,stereo", "VP9 Profile 0"},
		{"av1-opus", picture + stereo + "48000", "-c:v libaom-av1 -cpu-used 8 -g 30 -c:a libopus", 34 * ms, "opus,48000,2,stereo", "AV1 Main 64x64"},
	}
	var encodings []encoding
	for _, c := range cases {
		encodings = append(encodings, encoding{c.name + ".mkv", c.inputs, c.options})
	}
	sources, lists := encode(t, encodings...), make([]string, len(cases)) // of their packets
	inputs, outputs := []string{"-v", "error", "-nostdin"}, []string{}
	for i, c := range cases {
		inputs, lists[i] = append(inputs, "-re", "-i", sources[i]), sources[i]+peers.ListExt // not all at once: see hurry
		outputs = append(outputs, "-map", strconv.Itoa(i), "-c", "copy", "-f", "framemd5", lists[i])
		outputs = append(outputs, "-map", strconv.Itoa(i), "-c", "copy", "-f", "flv")
		if strings.Contains(c.options, "av1") { // encoders send delimiters, which no file has
			outputs = append(outputs, "-bsf:v", "av1_metadata=td=insert")
		}
		outputs = append(outputs, s.URL+"/live/"+c.name)
	}
	if _, stderr, err := peers.Run(t, patience, peers.FFmpeg(t), append(inputs, outputs...)...); err != nil || stderr != "" {
		t.Fatalf("publish: %v\n%s", err, stderr)
	}
	var recorded []string
	sounds := map[string]string{} // of PCM: recordings, by source
	for i, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			source, path := lists[i], s.await("recorded", "live/"+tt.name)["path"].(string)
			if filepath.Ext(path) != ".mp4" {
				t.Fatalf("recorded as %s", filepath.Ext(path))
			}
			recorded = append(recorded, path)
			plainMP4(t, path)
			closed(t, path)
			sameStreams(t, source, path, "a")
			if strings.Contains(tt.inputs, picture) {
				sameStreams(t, source, path, "v")
				sameOffset(t, source, path)
				if got := entries(t, path, "v", "width,height"); got != "64,64" {
					t.Errorf("a picture of %s", got)
				}
			}
			if got := entries(t, path, "a", "codec_name,sample_rate,channels,channel_layout"); got != tt.want {
				t.Errorf("ffprobe sees %s, want %s", got, tt.want)
			}
			packets := peers.Packets(t, source, "a")
			want := tt.frame + packets[len(packets)-1].DTS - packets[0].DTS
			if got, err := time.ParseDuration(entries(t, path, "a", "duration") + "s"); err != nil || (got-want).Abs() > tt.frame {
				t.Errorf("the sound lasts %v, want %v (%v)", got, want, err)
			}
			if strings.HasPrefix(tt.want, "pcm_") {
				sounds[sources[i]] = path
			}
			if code, out := tool(t, "inspect", path); code != 0 || !strings.Contains(out, tt.inspect) {
				t.Errorf("inspect: exit %d, no %q\n%s", code, tt.inspect, out)
			}
		})
	}
	plays(t, recorded...)
	sameSound(t, sounds)
}

// entries are what FFprobe tells of a stream.
func entries(t *testing.T, path, stream, names string) string {
	t.Helper()
	s := peers.Probe(t, path).Only(t, stream)
	var all []string
	for name := range strings.SplitSeq(names, ",") {
		all = append(all, s.Get(name))
	}
	return strings.Join(all, ",")
}

// sameSound fails unless GStreamer decodes of recordings what FFmpeg decodes of their
// sources: they see samples of PCM in different ways.
func sameSound(t *testing.T, recordings map[string]string) {
	t.Helper()
	dir, n := t.TempDir(), 0
	inputs, outputs, pipelines := []string{"-v", "error", "-nostdin"}, []string{}, []string{"-q"}
	raw := func(by string, n int) string { return filepath.Join(dir, fmt.Sprint(by, n)) }
	for source, path := range recordings {
		inputs = append(inputs, "-i", source)
		outputs = append(outputs, "-map", fmt.Sprintf("%d:a", n), "-f", "s16le", raw("ffmpeg", n))
		demux := fmt.Sprint("demux", n)
		pipelines = append(pipelines, "filesrc", "location="+path, "!", "qtdemux", "name="+demux, demux+".audio_0", "!", "decodebin", "!",
			"audioconvert", "dithering=none", "!", "audio/x-raw,format=S16LE", "!", "filesink", "location="+raw("gstreamer", n))
		n++
	}
	if _, stderr, err := peers.Run(t, patience, peers.FFmpeg(t), append(inputs, outputs...)...); err != nil || stderr != "" {
		t.Fatalf("FFmpeg: %v\n%s", err, stderr)
	}
	if _, stderr, err := peers.Run(t, patience, peers.GStreamer(t), pipelines...); err != nil {
		t.Fatalf("GStreamer: %v\n%s", err, stderr)
	}
	for i := range n {
		want, got := read(t, raw("ffmpeg", i)), read(t, raw("gstreamer", i))
		if len(want) == 0 || !bytes.Equal(want, got) {
			t.Errorf("of %s GStreamer decodes %d bytes, FFmpeg %d, or they differ", inputs[4+2*i], len(got), len(want))
		}
	}
}
