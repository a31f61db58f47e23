package peers

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProgramsRun(t *testing.T) {
	for _, tt := range []struct {
		find func(testing.TB) string
		args []string
		want string
	}{
		{FFmpeg, []string{"-version"}, "ffmpeg version"},
		{FFprobe, []string{"-version"}, "ffprobe version"},
		{GStreamer, []string{"--version"}, "GStreamer"},
		{RTMPDump, []string{"--help"}, "RTMPDump"},
		{Chromium, []string{"--version", "--no-sandbox"}, "Chrom"},
	} {
		t.Run(strings.Fields(tt.want)[0], func(t *testing.T) {
			stdout, stderr, err := Run(t, time.Minute, tt.find(t), tt.args...)
			for line := range strings.Lines(stdout + stderr) {
				if strings.Contains(line, tt.want) {
					t.Log(line)
					return
				}
			}
			t.Fatalf("no version: %v\n%s%s", err, stdout, stderr)
		})
	}
}

func TestSources(t *testing.T) {
	for _, tt := range []struct {
		name   string
		frames int
	}{{"h264", 360}, {"h265", 360}, {"av1", 360}, {"vp9", 360}, {"aac", 0}} {
		t.Run(tt.name, func(t *testing.T) {
			path := Source(t, tt.name)
			if n := len(Packets(t, path, "a")); n < 562 || n > 566 {
				t.Errorf("%d audio packets, want 12 s of 1024 samples", n)
			}
			if tt.frames == 0 {
				return
			}
			video := Packets(t, path, "v")
			if len(video) != tt.frames {
				t.Errorf("%d frames, want %d", len(video), tt.frames)
			}
			for i, p := range video {
				if p.Key != (i%60 == 0) {
					t.Errorf("frame %d: key = %v", i, p.Key)
				}
			}
		})
	}
}

// The hash is the payload's own: FFmpeg's framemd5 of the same packets is the same, and so is
// what is in another container.
func TestPacketHash(t *testing.T) {
	path := Source(t, "h264")
	list := filepath.Join(t.TempDir(), "list"+ListExt)
	if _, _, err := Run(t, time.Minute, FFmpeg(t), "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", "-f", "framemd5", list); err != nil {
		t.Fatal(err)
	}
	want := Packets(t, list, "v")
	mp4 := filepath.Join(t.TempDir(), "with space.mp4")
	if _, _, err := Run(t, time.Minute, FFmpeg(t), "-v", "error", "-i", path, "-map", "0:v", "-c", "copy", mp4); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, mp4} {
		packets := Packets(t, file, "v")
		if len(packets) != len(want) {
			t.Fatalf("%s: %d packets, framemd5 has %d", file, len(packets), len(want))
		}
		for i, p := range packets {
			if p.Hash != want[i].Hash || p.Size != want[i].Size {
				t.Fatalf("%s: packet %d: %+v, framemd5 has %+v", file, i, p, want[i])
			}
		}
	}
}

func TestProcess(t *testing.T) {
	ffmpeg := FFmpeg(t)
	endless := []string{"-v", "error", "-re", "-f", "lavfi", "-i", "anullsrc", "-f", "null", "-"}

	if err := Start(t, ffmpeg, endless...).Wait(200 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Wait past its limit: %v", err)
	}

	p := Start(t, ffmpeg, append([]string{"-progress", "-"}, endless...)...)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !strings.Contains(p.Stdout(), "progress") {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatal("ffmpeg does not start")
		}
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "exit status 255") {
		t.Errorf("Stop: %v, want what ffmpeg itself makes of the signal: exit status 255", err)
	}
}
