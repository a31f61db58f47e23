package record

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

var (
	avcC2 = unhex("17 00 000000 0164001fffe1001a 6764001facd9405005bb0110000003001000000303c0f1831960 01000668ebe3cb22c0fdf8f801")
	hvcC  = unhex("90 68766331 01 01 60000000 900000000000 5d f000 fc fd f8 f8 0000 0f 00")
)

// Sound without a configuration, up to where frames differ.
const (
	ac3Stereo = "91 61632D33 0b77fe95144043e1"
	ac3Of51   = "91 61632D33 0b77b50b1e40ebf8"
)

var ac3Header = unhex("90 61632D33") // as FFmpeg sends it

func (f *feed) hevc(key bool) *media.Packet {
	if key {
		return f.send(flv.TagVideo, f.numbered("91 68766331 000000 00000006 2601"))
	}
	return f.send(flv.TagVideo, f.numbered("A1 68766331 000021 00000006 0201"))
}

// Sound that changes before the first keyframe: the file has the newest, and all of
// the video.
func TestSoundThatChangesBeforeTheFile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before string // begin of the bodies
		after  string
	}{
		{"another codec", "AF 01", "82"},
		{"more channels", ac3Stereo, ac3Of51},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &testDisk{}
				f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
				c := d.config()
				c.Format = MP4
				r := Start(c, "live/a", f.p.Cursor())
				f.send(flv.TagVideo, avcC)
				f.send(flv.TagAudio, asc)
				for i := range 40 {
					f.inter()
					f.send(flv.TagAudio, f.numbered([]string{tt.before, tt.after}[i/20]))
					f.wait(20 * ms)
				}
				f.gopWith(tt.after, 10)
				f.p.Close()
				<-r.Done()
				if r.Disabled() || len(d.files) != 1 {
					t.Fatalf("%d files, %v", len(d.files), r.Status().Err)
				}
				data := d.files[0].bytes()
				if s := r.Status(); s.Bytes != int64(len(data)) || s.Durable != s.Bytes {
					t.Errorf("told of %d bytes and %d durable ones, the file has %d", s.Bytes, s.Durable, len(data))
				}
				got := contents(t, data)
				if video, sound := len(got[media.Video]), len(got[media.Audio]); video != 10 || sound != 20+10 {
					t.Errorf("%d pictures and %d packets of sound, want 10 and 30", video, sound)
				}
			})
		})
	}
}

// contents lists the frames of a finished file of either kind, a kind of media
// each, as packets carried them.
func contents(t *testing.T, data []byte) map[media.Kind][]string {
	t.Helper()
	all := make(map[media.Kind][]string)
	if bytes.HasPrefix(data, []byte("FLV")) {
		for _, x := range tags(t, data) {
			p, err := flv.Parse(x.kind, []byte(x.body))
			if err != nil {
				t.Fatal(err)
			}
			for s := range flv.Samples(p) {
				all[s.Kind] = append(all[s.Kind], string(s.Data))
			}
		}
		return all
	}
	x, findings, err := bmff.Scan(bytes.NewReader(data), int64(len(data)))
	if err != nil || x.State != bmff.Closed || len(findings) > 0 {
		t.Fatalf("an MP4 file is %v: %v, %v", x.State, findings, err)
	}
	for _, track := range x.Tracks {
		for r := range track.Rows() {
			all[track.Kind] = append(all[track.Kind], string(data[r.Offset:r.End()]))
		}
	}
	return all
}

// contents lists the frames of all files, which must be finished.
func (d *testDisk) contents(t *testing.T) map[media.Kind][]string {
	t.Helper()
	all := make(map[media.Kind][]string)
	for _, file := range d.files {
		for kind, frames := range contents(t, file.bytes()) {
			all[kind] = append(all[kind], frames...)
		}
	}
	return all
}

// Whatever changes on the way, every frame is in one file, in order; a file that
// cannot take what comes ends at a keyframe.
func TestFilesOfAChangingStream(t *testing.T) {
	for _, tt := range []struct {
		name   string
		format Format
		play   func(f *feed)
		files  int
		mp4s   int
	}{
		{"nothing changes", MP4, func(f *feed) { f.configs(); f.gop(10); f.configs(); f.gop(10) }, 1, 1},
		{"another picture", MP4, func(f *feed) { f.configs(); f.gop(10); f.send(flv.TagVideo, avcC2); f.gop(10) }, 2, 2},
		{"another sound inside a GOP", MP4, func(f *feed) {
			f.configs()
			f.gop(10)
			f.send(flv.TagAudio, asc2)
			f.wait(33 * ms)
			f.inter()
			f.audio()
			f.wait(33 * ms)
			f.inter()
			f.audio()
			f.wait(33 * ms)
			f.gop(10)
		}, 2, 2},
		{"sound comes late", MP4, func(f *feed) {
			f.send(flv.TagVideo, avcC)
			for i := range 40 {
				if i%20 == 0 {
					f.key()
				} else {
					f.inter()
				}
				f.wait(33 * ms)
			}
			f.send(flv.TagAudio, asc)
			f.audio()
			f.wait(20 * ms)
			f.inter()
			f.audio()
			f.wait(20 * ms)
			f.gop(10)
		}, 2, 2},
		{"H.265 after sound alone", Auto, func(f *feed) {
			f.send(flv.TagAudio, asc)
			for range 150 {
				f.audio()
				f.wait(21 * ms)
			}
			f.send(flv.TagVideo, hvcC)
			for i := range 10 {
				f.hevc(i == 0)
				f.audio()
				f.wait(33 * ms)
			}
		}, 2, 1},
		{"H.264, then H.265", Auto, func(f *feed) {
			f.configs()
			f.gop(10)
			f.send(flv.TagVideo, hvcC)
			for i := range 10 {
				f.hevc(i == 0)
				f.audio()
				f.wait(33 * ms)
			}
		}, 2, 1},
		{"H.265 as FLV", FLV, func(f *feed) {
			f.configs()
			f.gop(10)
			f.send(flv.TagVideo, hvcC)
			for i := range 10 {
				f.hevc(i == 0)
				f.wait(33 * ms)
			}
		}, 1, 0},
		{"AC-3, whose header tells nothing", MP4, func(f *feed) {
			f.send(flv.TagAudio, ac3Header)
			f.send(flv.TagAudio, unhex("91 61632D33")) // FFmpeg sends that too
			f.send(flv.TagVideo, avcC)
			f.gopWith(ac3Stereo, 20)
			f.send(flv.TagAudio, ac3Header)
			f.gopWith(ac3Stereo, 20)
		}, 1, 1},
		{"AC-3 of more channels inside a GOP", MP4, func(f *feed) {
			f.send(flv.TagVideo, avcC)
			f.gopWith(ac3Stereo, 10)
			f.send(flv.TagAudio, f.numbered(ac3Of51))
			f.wait(32 * ms)
			f.gopWith(ac3Of51, 10)
		}, 2, 2},
		{"G.711 with H.265", Auto, func(f *feed) {
			f.send(flv.TagVideo, hvcC)
			for i := range 20 {
				f.hevc(i == 0)
				f.send(flv.TagAudio, f.numbered("82"))
				f.wait(20 * ms)
			}
		}, 1, 1},
		{"G.711, then stereo, without video", MP4, func(f *feed) {
			for i := range 300 {
				f.send(flv.TagAudio, f.numbered([]string{"72", "73"}[i/200]))
				f.wait(20 * ms)
			}
		}, 2, 2},
		{"VP9 without a header", MP4, func(f *feed) {
			f.send(flv.TagVideo, unhex("93 76703039 824983420003f003f0"))
			for range 20 {
				f.send(flv.TagVideo, f.numbered("A3 76703039 8600"))
				f.send(flv.TagAudio, f.numbered("3F"))
				f.wait(33 * ms)
			}
		}, 1, 1},
		{"Speex has no place in MP4", MP4, func(f *feed) {
			f.send(flv.TagVideo, avcC)
			f.gopWith("B6", 40)
		}, 1, 0},
		{"video only", MP4, func(f *feed) {
			f.send(flv.TagVideo, avcC)
			for i := range 40 {
				if i == 0 {
					f.key()
				} else {
					f.inter()
				}
				f.wait(33 * ms)
			}
		}, 1, 1},
		{"sound only", MP4, func(f *feed) {
			f.send(flv.TagAudio, asc)
			for range 150 {
				f.audio()
				f.wait(21 * ms)
			}
		}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &testDisk{}
				f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
				c := d.config()
				c.Format = tt.format
				r := Start(c, "live/a", f.p.Cursor())
				tt.play(f)
				f.p.Close()
				<-r.Done()
				if r.Disabled() {
					t.Fatal(r.Status().Err)
				}
				got := make(map[media.Kind][]string)
				mp4s := 0
				for _, file := range d.files {
					data := file.bytes()
					if !bytes.HasPrefix(data, []byte("FLV")) {
						mp4s++
					}
					for kind, frames := range contents(t, data) {
						got[kind] = append(got[kind], frames...)
					}
				}
				if len(d.files) != tt.files || mp4s != tt.mp4s {
					t.Errorf("%d files, %d of them MP4, want %d and %d", len(d.files), mp4s, tt.files, tt.mp4s)
				}
				want := make(map[media.Kind][]string)
				for _, p := range f.sent {
					for s := range flv.Samples(p) {
						if len(s.Data) > 0 {
							want[s.Kind] = append(want[s.Kind], string(s.Data))
						}
					}
				}
				if warnings := d.lines(t, "warn"); tt.format == MP4 && len(warnings) != tt.files-tt.mp4s {
					t.Errorf("%d files in another format than was wanted, and %d warnings: %v", tt.files-tt.mp4s, len(warnings), warnings)
				}
				for _, kind := range []media.Kind{media.Video, media.Audio} {
					if !slices.Equal(got[kind], want[kind]) {
						t.Errorf("%v: %d frames recorded, %d sent, or in another order", kind, len(got[kind]), len(want[kind]))
					}
				}
			})
		})
	}
}

// A stream whose configuration changes all the time does not get a file for each, and
// loses nothing. One that changes now and then stays MP4.
func TestStormOfChanges(t *testing.T) {
	for _, tt := range []struct {
		every    time.Duration
		files    int
		last     string
		warnings int
	}{
		{100 * ms, 1 + maxChanges + 1, "FLV\x01", 1},
		{changesWithin / maxChanges, 1 + 3*maxChanges, "\x00\x00\x00\x20", 0},
	} {
		t.Run(tt.every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &testDisk{}
				f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
				c := d.config()
				c.Format = MP4
				r := Start(c, "live/a", f.p.Cursor())
				f.configs()
				f.gop(1)
				for i := range 3 * maxChanges {
					f.wait(tt.every - 33*ms)
					f.send(flv.TagVideo, [][]byte{avcC2, avcC}[i%2])
					f.gop(1)
				}
				f.p.Close()
				<-r.Done()
				if r.Disabled() || len(d.files) != tt.files {
					t.Fatalf("%d files, want %d; %v", len(d.files), tt.files, r.Status().Err)
				}
				wantFrames(t, d.contents(t), f.sent)
				if last := d.files[len(d.files)-1].bytes(); string(last[:4]) != tt.last {
					t.Errorf("the last file begins with % x", last[:4])
				}
				if lines := d.lines(t, "warn"); len(lines) != tt.warnings {
					t.Errorf("%d warnings, want %d: %v", len(lines), tt.warnings, lines)
				}
			})
		})
	}
}

// fullOutput is a file that cannot list any more samples.
type fullOutput struct{ output }

func (fullOutput) Full() bool { return true }

// A file that is full ends at a keyframe; nothing is lost.
func TestFullFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDisk{}
		f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
		c := d.config()
		c.Format = MP4
		r := Start(c, "live/a", f.p.Cursor())
		f.configs()
		f.gop(10)
		synctest.Wait()
		r.writer = fullOutput{r.writer} // the recorder waits for a packet
		f.gop(10)
		f.gop(10)
		f.p.Close()
		<-r.Done()
		if r.Disabled() || len(d.files) != 2 {
			t.Fatalf("%d files, %v", len(d.files), r.Status().Err)
		}
		wantFrames(t, d.contents(t), f.sent)
	})
}
