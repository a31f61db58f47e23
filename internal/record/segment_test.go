package record

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// A stream is cut at keyframes, the first one after each so long: every frame is in
// one file, in order, and every file begins with a keyframe and is as long as asked.
func TestSegments(t *testing.T) {
	for _, format := range []Format{FLV, MP4} {
		for _, video := range []bool{true, false} {
			t.Run(fmt.Sprint(format, ", video ", video), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { segments(t, format, video) })
			})
		}
	}
}

func segments(t *testing.T, format Format, video bool) {
	const parts, every = 10, 10 * time.Second
	d := &testDisk{}
	f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
	c := d.config()
	c.Format, c.Segment = format, every
	r := Start(c, "live/a", f.p.Cursor())
	if video {
		f.configs()
	} else {
		f.send(flv.TagAudio, asc)
	}
	for begin := f.at; f.at < begin+parts*every-every/2; {
		if video {
			f.gop(45) // 1.485 s
			continue
		}
		f.audio()
		f.wait(21 * ms)
	}
	f.p.Close()
	<-r.Done()
	if r.Disabled() {
		t.Fatal(r.Status().Err)
	}
	got := make(map[media.Kind][]string)
	for i, file := range d.files {
		data := file.bytes()
		for kind, frames := range contents(t, data) {
			if kind == media.Video && frames[0][4] != 0x65 {
				t.Errorf("file %d does not begin with a keyframe", i)
			}
			got[kind] = append(got[kind], frames...)
		}
		if next := i + 1; next < len(d.files) {
			long := d.files[next].ops[0].at.Sub(file.ops[0].at)
			if i == 0 && !video {
				long += audioAlone // the first file waited for video
			}
			if long < every-flushEvery || long > every+1500*ms { // of the first writes
				t.Errorf("file %d lasts %s", i, long)
			}
		}
	}
	if len(d.files) < parts-1 || len(d.files) > parts {
		t.Errorf("%d files, want %d", len(d.files), parts)
	}
	wantFrames(t, got, f.sent)
}

// wantFrames compares what was recorded with what was sent.
func wantFrames(t *testing.T, got map[media.Kind][]string, sent []*media.Packet) {
	t.Helper()
	want := make(map[media.Kind][]string)
	for _, p := range sent {
		for s := range flv.Samples(p) {
			want[s.Kind] = append(want[s.Kind], string(s.Data))
		}
	}
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		if !slices.Equal(got[kind], want[kind]) {
			t.Errorf("%v: %d frames recorded, %d sent, or in another order", kind, len(got[kind]), len(want[kind]))
		}
	}
}

// A configuration that changes just where a file is full is in the next one only.
func TestSegmentAndChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDisk{}
		f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
		c := d.config()
		c.Format, c.Segment = MP4, 2*time.Second
		r := Start(c, "live/a", f.p.Cursor())
		f.configs()
		f.gop(90)
		f.send(flv.TagVideo, avcC2)
		f.gop(30)
		f.p.Close()
		<-r.Done()
		if r.Disabled() || len(d.files) != 2 {
			t.Fatalf("%d files, %v", len(d.files), r.Status().Err)
		}
		got := make(map[media.Kind][]string)
		for i, config := range [][]byte{avcC, avcC2} {
			data := d.files[i].bytes()
			if !bytes.Contains(data, config[5:]) {
				t.Errorf("file %d has another configuration", i)
			}
			for kind, frames := range contents(t, data) {
				got[kind] = append(got[kind], frames...)
			}
		}
		wantFrames(t, got, f.sent)
	})
}

// An FLV has times for 24 days and 20 hours that players understand; then the recording goes on
// in the next file, and an MP4 does in the same.
func TestMonths(t *testing.T) {
	const days = 80
	for format, files := range map[Format]int{FLV: 4, MP4: 1} {
		synctest.Test(t, func(t *testing.T) {
			d := &testDisk{}
			f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
			c := d.config()
			c.Format = format
			r := Start(c, "live/a", f.p.Cursor())
			f.configs()
			begin := f.at
			for f.at-begin < days*24*time.Hour {
				f.gop(2)
				f.at += 2*time.Hour + 59*time.Minute // the longest step that MP4 believes
				synctest.Wait()
			}
			f.p.Close()
			<-r.Done()
			if r.Disabled() || len(d.files) != files {
				t.Fatalf("%s: %d files, want %d; %v", format, len(d.files), files, r.Status().Err)
			}
			wantFrames(t, d.contents(t), f.sent)
			for _, file := range d.files {
				if format == FLV {
					if index := wantFinished(t, file.bytes()); index.Duration() > 1<<31*time.Millisecond {
						t.Errorf("an FLV of %v", index.Duration())
					}
				}
			}
		})
	}
}
