package record

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// recordAs records what is played in a format, and hands over the files.
func recordAs(t *testing.T, format Format, syncEvery time.Duration, play func(f *feed, d *testDisk)) *testDisk {
	t.Helper()
	d := &testDisk{}
	f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
	c := d.config()
	c.Format, c.SyncEvery = format, syncEvery
	r := Start(c, "live/a", f.p.Cursor())
	play(f, d)
	f.p.Close()
	<-r.Done()
	if r.Disabled() {
		t.Fatal(r.Status().Err)
	}
	return d
}

// scanMP4 reads an MP4 that may be open.
func scanMP4(t *testing.T, data []byte) *bmff.Index {
	t.Helper()
	x, _, err := bmff.Scan(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// What an MP4 begins with: the first keyframe, and the sound before it.
func TestBeginMP4(t *testing.T) {
	const s = time.Second
	legacy := func(f *feed, key bool) {
		if key {
			f.send(flv.TagVideo, f.numbered("1C 01 000000 00000006 2601"))
		} else {
			f.send(flv.TagVideo, f.numbered("2C 01 000021 00000006 0201"))
		}
	}
	for _, tt := range []struct {
		name         string
		format       Format
		play         func(f *feed)
		files        string        // "mp4" or "flv", in order
		video, audio int           // frames of the last file
		created      time.Duration // of the last file's first frame, from the beginning
	}{
		{"video without a keyframe", MP4, func(f *feed) {
			f.configs()
			for range 90 {
				f.inter()
				f.wait(33 * ms)
			}
			f.gop(10)
		}, "mp4", 10, 10, 90 * 33 * ms},
		{"sound before the keyframe", MP4, func(f *feed) {
			f.wait(5 * s)
			f.configs()
			f.inter()
			for range 100 {
				f.audio()
				f.wait(10 * ms)
			}
			f.gop(10)
		}, "mp4", 10, 110, 5 * s},
		{"much sound before the keyframe", MP4, func(f *feed) {
			f.configs()
			f.inter()
			for range 500 {
				f.audio()
				f.wait(10 * ms)
			}
			f.gop(10)
		}, "mp4", 10, 210, 3 * s},
		{"H.265 as codec 12", Auto, func(f *feed) {
			f.send(flv.TagVideo, unhex("1C 00 000000 01 01 60000000 900000000000 5d f000 fc fd f8 f8 0000 0f 00"))
			f.send(flv.TagAudio, asc)
			for i := range 30 {
				legacy(f, i == 0)
				f.audio()
				f.wait(33 * ms)
			}
		}, "mp4", 30, 30, 0},
		{"video after sound alone", MP4, func(f *feed) {
			f.send(flv.TagAudio, asc)
			for range 300 {
				f.audio()
				f.wait(10 * ms)
			}
			f.send(flv.TagVideo, avcC)
			f.gop(10)
		}, "mp4 mp4", 10, 10, 3 * s},
		{"the sound's header in time", MP4, func(f *feed) {
			f.send(flv.TagVideo, avcC)
			f.key()
			f.wait(400 * ms)
			f.send(flv.TagAudio, asc)
			f.audio()
			f.inter()
			f.wait(33 * ms)
			f.audio()
		}, "mp4", 2, 2, 0},
		{"the sound's header too late", MP4, func(f *feed) {
			f.send(flv.TagVideo, avcC)
			f.key()
			f.wait(600 * ms)
			f.inter()
			f.wait(100 * ms)
			f.send(flv.TagAudio, asc)
			f.audio()
			f.wait(20 * ms)
			f.gop(10)
		}, "mp4 mp4", 10, 11, 700 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				d := recordAs(t, tt.format, 0, func(f *feed, _ *testDisk) { tt.play(f) })
				var kinds []string
				for _, file := range d.files {
					kind := "mp4"
					if bytes.HasPrefix(file.bytes(), []byte("FLV")) {
						kind = "flv"
					}
					kinds = append(kinds, kind)
				}
				if got := strings.Join(kinds, " "); got != tt.files {
					t.Fatalf("files %s, want %s", got, tt.files)
				}
				data := d.files[len(d.files)-1].bytes()
				frames := contents(t, data)
				if v, a := len(frames[media.Video]), len(frames[media.Audio]); v != tt.video || a != tt.audio {
					t.Errorf("%d video and %d audio frames, want %d and %d", v, a, tt.video, tt.audio)
				}
				x := scanMP4(t, data)
				if got := x.Created.Sub(begun); got != tt.created {
					t.Errorf("created %v after the beginning, want %v", got, tt.created)
				}
			})
		})
	}
}

// A recording is synced at once and then as often as asked; each fragment tells how
// far that came, and a sync holds up no write.
func TestSyncEvery(t *testing.T) {
	for _, every := range []time.Duration{0, time.Second, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			recordAs(t, MP4, every, func(f *feed, d *testDisk) {
				d.hook = func(_ int, op operation) (int, error) {
					if op.name == "sync" {
						time.Sleep(500 * ms) // a slow disk
					}
					return 0, nil
				}
				f.configs()
				for range 10 {
					f.gop(30)
				}
				f.wait(50 * ms)
				file := d.files[0]
				var syncs []operation
				ops := func() []operation { file.mu.Lock(); defer file.mu.Unlock(); return slices.Clone(file.ops) }()
				for _, op := range ops {
					if op.name == "sync" {
						syncs = append(syncs, op)
					}
				}
				want := 1
				if every > 0 {
					want += int(f.at / every)
				}
				if len(syncs) != want {
					t.Fatalf("every %v: %d syncs in %v, want %d", every, len(syncs), f.at, want)
				}
				// What was written when the newest finished sync began, but for the fragment at work.
				durable := int64(0)
				for _, op := range ops {
					for _, s := range syncs {
						if op.name == "write" && !op.at.After(s.at) && time.Since(s.at) > 600*ms {
							durable = max(durable, op.offset+int64(op.size))
						}
					}
				}
				if x := scanMP4(t, file.bytes()); x.Synced != durable || durable == 0 {
					t.Errorf("every %v: synced up to %d, want %d", every, x.Synced, durable)
				}
				for i, w := range file.writes()[1:] {
					if gap := w.at.Sub(file.writes()[i].at); gap > 66*ms {
						t.Errorf("every %v: a write %v after the one before, %v from the beginning", every, gap, w.at.Sub(begun))
					}
				}
			})
		})
	}
}
