package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// lines returns what was logged at a level.
func (b *logBuffer) lines(t *testing.T, level string) (lines []map[string]any) {
	t.Helper()
	for text := range strings.Lines(b.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		if line["level"] == level {
			lines = append(lines, line)
		}
	}
	return lines
}

// brokenStream has a header that no decoder can read.
type brokenStream struct {
	name       string
	video      string // header; empty: one that is well
	audio      string // header; empty: none
	key, inter string // empty: of H.264
	sound      string // empty: of AAC
	want       string // in the log
}

const (
	brokenFrames = 20 // of video: an MP4 waits for the header of the sound half a second
	brokenStep   = 40 * time.Millisecond
)

// messages are the stream; its headers come twice, as many encoders send them.
func (b *brokenStream) messages() (all []rtmp.Message) {
	for i := range brokenFrames {
		at := uint32(i * int(brokenStep.Milliseconds()))
		if i%(brokenFrames/2) == 0 {
			all = append(all, video(at, cmp.Or(b.video, goodHeader)))
			if b.audio != "" {
				all = append(all, audio(at, b.audio))
			}
		}
		if i == 0 {
			all = append(all, video(at, cmp.Or(b.key, keyFrame("key"))))
		} else {
			all = append(all, video(at, cmp.Or(b.inter, interFrame("other"))))
		}
		if b.audio != "" {
			all = append(all, audio(at, cmp.Or(b.sound, aacFrame("sound"))))
		}
	}
	return all
}

// headers counts those among the messages.
func (b *brokenStream) headers() int {
	if b.audio != "" {
		return 4
	}
	return 2
}

// goodHeader is a configuration of H.264, 1280x720.
const goodHeader = "\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x1a\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\x00\x00" +
	"\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x83\x19\x60\x01\x00\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\x00"

var brokenStreams = []brokenStream{
	{name: "SPS", video: "\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\xff\xff\xff\x01\x00\x01\x68", want: "SPS 0"},
	{name: "avcC", video: "\x17\x00\x00\x00\x00\x01", want: "avcC"},
	{name: "hvcC", video: "\x90hvc1" + strings.Repeat("\xff", 40), want: "hvcC",
		key: "\x91hvc1\x00\x00\x00" + nal("\x26\x01key"), inter: "\xa1hvc1\x00\x00\x00" + nal("\x02\x01other")},
	{name: "hvcC whose arrays lie", video: "\x90hvc1\x01\x01\x60\x00\x00\x00\x90\x00\x00\x00\x00\x00\x5d\xf0\x00\xfc\xfd\xf8\xf8\x00\x00\x0f\xff\xa1\xff\xff\xff\xff\x42", want: "hvcC",
		key: "\x91hvc1\x00\x00\x00" + nal("\x26\x01key"), inter: "\xa1hvc1\x00\x00\x00" + nal("\x02\x01other")},
	{name: "av1C", video: "\x90av01\xff\xff\xff\xff\xff", want: "av1C",
		key: "\x91av01\x0a\x0b\x00\x00\x00\x24\x4f\x7e\x7f\x00\x68\x83\x00\x32\x04\x10\x00\x00\x00", inter: "\xa1av01\x32\x02\x30\x00"},
	{name: "vpcC", video: "\x90vp09\xff", want: "vpcC", key: "\x91vp09\x82\x49\x83\x42\x00", inter: "\xa1vp09\x86\x00\x40\x92"},
	{name: "AudioSpecificConfig", audio: "\xaf\x00\x17", want: "AudioSpecificConfig"},
	{name: "AudioSpecificConfig of noise", audio: "\xaf\x00" + strings.Repeat("\xff", 1000), want: "ADTS"},
	{name: "OpusHead", audio: "\x90Opus\x01\x02\x03", sound: "\x91Opus\xfc\xff\xfe", want: "OpusHead"},
	{name: "STREAMINFO", audio: "\x90fLaC\x01\x02\x03", sound: "\x91fLaC\xff\xf8\xc9", want: "STREAMINFO"},
	{name: "both", video: "\x17\x00\x00\x00\x00\x01", audio: "\xaf\x00\x17", want: "avcC"},
}

// TestBrokenConfigurations: a stream whose header no decoder can read is relayed and
// recorded as it is. The log says so once.
func TestBrokenConfigurations(t *testing.T) {
	for _, format := range []record.Format{record.Auto, record.FLV, record.MP4} {
		for _, tt := range brokenStreams {
			t.Run(fmt.Sprint(tt.name, ", ", format), func(t *testing.T) {
				t.Parallel()
				dir, log := t.TempDir(), &logBuffer{}
				s := start(t, Config{MaxConnections: 10, Record: &record.Config{Dir: dir, Format: format}, Logger: log.logger()})
				others := newWitness(s)
				viewer, p := s.play("main"), s.publish("main")
				sent := tt.messages()
				p.send(sent...)
				for _, want := range sent {
					if got := viewer.media(); got.Type != want.Type || !bytes.Equal(got.Body, want.Body) {
						t.Fatalf("the viewer got % x, want % x", tail(got.Body), tail(want.Body))
					}
				}
				others.frame()
				if err := s.stop(); err != nil {
					t.Error(err)
				}
				warnings := log.lines(t, "warn")
				if len(warnings) != 1 || warnings[0]["stream"] != "live/main" || !strings.Contains(fmt.Sprint(warnings[0]["error"]), tt.want) {
					t.Errorf("the log has %v, want one line about %s", warnings, tt.want)
				}
				if lines := log.lines(t, "error"); len(lines) > 0 {
					t.Errorf("errors %v", lines)
				}
				r := wholeFile(t, dir, "live_main")
				if wantMP4 := format == record.MP4 || format == record.Auto && strings.Contains(tt.video, "hvc1"); wantMP4 != (r.Format == "MP4") {
					t.Errorf("recorded as %s", r.Format)
				}
				for kind, want := range map[media.Kind]int{media.Video: brokenFrames, media.Audio: len(sent) - brokenFrames - tt.headers()} {
					if n := samples(r, kind); n != want {
						t.Errorf("%d samples of %s, want %d", n, kind, want)
					}
				}
				if d := r.Duration(); d < brokenFrames*brokenStep-brokenStep || d > brokenFrames*brokenStep+brokenStep {
					t.Errorf("the recording lasts %v, want %v", d, brokenFrames*brokenStep)
				}
			})
		}
	}
}

// wholeFile returns the only recording of a stream, which must be whole.
func wholeFile(t *testing.T, dir, stream string) *recfile.Recording {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, stream+"_*"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("recordings %v, %v", paths, err)
	}
	r, err := recfile.Open(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != recfile.Whole {
		t.Errorf("%s is %s: %+v", paths[0], r.Verdict, r.Findings)
	}
	return r
}

func samples(r *recfile.Recording, kind media.Kind) (n int) {
	for _, t := range r.Index.Tracks {
		if t.Kind == kind {
			n += t.Samples
		}
	}
	return n
}
