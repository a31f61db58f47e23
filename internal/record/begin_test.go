package record

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// frames returns what a file holds of packets.
func frames(packets []*media.Packet) []*media.Packet {
	return slices.DeleteFunc(slices.Clone(packets), func(p *media.Packet) bool {
		return p.Kind == media.Data || len(p.Body) == 0
	})
}

// The usual stream: a tag a message, as it was sent, and a finished file.
func TestRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDisk{}
		s := record(t, d, live.NewRegistry(live.Config{}))
		s.wait(time.Second)
		s.configs()
		for range 3 {
			s.gop(30)
			s.send(flv.TagScript, unhex("02 000A 6F6E5465787444617461")) // is not recorded
			s.send(flv.TagAudio, nil)                                    // silence
			s.send(flv.TagVideo, unhex("57 00"))                         // a command frame is
		}
		if d.last().name != "write" {
			t.Errorf("%+v while the publication lasts", d.last())
		}
		s.end()
		if s.Disabled() {
			t.Fatal(s.Status().Err)
		}
		data := d.files[0].bytes()
		wantTags(t, data, time.Second, frames(s.sent)...)
		index := wantFinished(t, data)
		if index.FrameRate != 25 { // as announced; the configuration says 30
			t.Errorf("%v frames a second", index.FrameRate)
		}
		if v, a := index.Frames(); v != 90 || a != 90 {
			t.Errorf("%d video and %d audio frames", v, a)
		}
		// The last audio is 23 ms before the end, and as long as the one before it.
		if want := 90*33*ms + 10*ms; index.Duration() != want || s.Status().Duration != want {
			t.Errorf("duration %s, status %s, want %s", index.Duration(), s.Status().Duration, want)
		}
		if !index.Created.Equal(time.Now().Add(-90 * 33 * ms).Truncate(time.Second)) {
			t.Errorf("created %s, now %s", index.Created, time.Now())
		}
		for _, text := range []string{"framerate", "width", "audiosamplerate", "keyframes"} {
			if !bytes.Contains(data[:1000], []byte(text)) {
				t.Errorf("no %s in the metadata", text)
			}
		}
		if st := s.Status(); st.Bytes != int64(len(data)) || st.Skipped != 0 || st.Path == "" {
			t.Errorf("status %+v, %d bytes", st, len(data))
		}
		if names := opNames(d.files[0]); !slices.Equal(names[len(names)-3:], []string{"write", "sync", "close"}) {
			t.Errorf("ends with %q", names)
		}
		if info := d.lines(t, "info"); len(info) != 2 || info[0]["path"] != s.Status().Path || info[1]["bytes"] != float64(len(data)) {
			t.Errorf("logged %v", info)
		}
	})
}

func (d *testDisk) last() operation { return d.files[len(d.files)-1].last() }

func opNames(f *memFile) (names []string) {
	for _, op := range f.ops {
		names = append(names, op.name)
	}
	return names
}

// What a file begins with: the newest configurations, at most 2 s of audio before
// the first keyframe, and time 0 at the earliest of these.
func TestBegin(t *testing.T) {
	for _, tt := range []struct {
		name string
		send func(f *feed) (want []*media.Packet)
		base time.Duration
	}{
		{"video alone", func(f *feed) []*media.Packet {
			f.configs()
			f.wait(ms)
			f.key()
			return f.sent[1:]
		}, ms},
		{"non-key video waits", func(f *feed) []*media.Packet {
			f.send(flv.TagVideo, avcC)
			for range 100 {
				f.inter()
				f.wait(33 * ms)
			}
			f.key()
			f.inter()
			return append(f.sent[:1:1], f.sent[len(f.sent)-2:]...)
		}, 3300 * ms},
		{"audio for 1 s before the keyframe", func(f *feed) []*media.Packet {
			f.configs()
			for range 100 {
				f.audio()
				f.wait(10 * ms)
			}
			f.key()
			return f.sent[1:]
		}, 0},
		{"the keyframe's configuration is late", func(f *feed) []*media.Packet {
			f.send(flv.TagAudio, asc)
			for range 100 {
				f.audio()
				f.wait(10 * ms)
			}
			config := f.send(flv.TagVideo, avcC)
			f.key()
			return slices.Insert(slices.Delete(slices.Clone(f.sent), 101, 102), 1, config)
		}, 0},
		{"audio for 5 s beside video without a keyframe", func(f *feed) []*media.Packet {
			f.configs()
			for range 500 {
				f.audio()
				f.inter()
				f.wait(10 * ms)
			}
			key := f.key()
			want := []*media.Packet{f.sent[1], f.sent[2]}
			for _, p := range f.sent[3:] {
				if p.Kind == media.Audio && p.DTS >= f.at-audioLead {
					want = append(want, p)
				}
			}
			return append(want, key)
		}, 3 * time.Second},
		{"audio ahead of the keyframe", func(f *feed) []*media.Packet {
			f.configs()
			f.wait(time.Second)
			f.audio()
			f.at -= 100 * ms
			f.key()
			f.at += 200 * ms
			f.inter()
			return f.sent[1:]
		}, 900 * ms},
		{"configurations that changed", func(f *feed) []*media.Packet {
			f.send(flv.TagAudio, asc2)
			video := f.send(flv.TagVideo, avcC)
			audio := f.send(flv.TagAudio, asc)
			return []*media.Packet{video, audio, f.key()}
		}, 0},
		{"an audio configuration between the audio", func(f *feed) []*media.Packet {
			f.send(flv.TagVideo, avcC)
			f.send(flv.TagAudio, asc)
			f.audio()
			f.wait(10 * ms)
			f.send(flv.TagAudio, asc2)
			f.audio()
			f.wait(10 * ms)
			f.key()
			return f.sent
		}, 0},
		{"an audio configuration between audio that is too old", func(f *feed) []*media.Packet {
			video := f.send(flv.TagVideo, avcC)
			f.send(flv.TagAudio, asc)
			f.audio()
			f.inter()
			audio := f.send(flv.TagAudio, asc2)
			f.wait(3 * time.Second)
			sound := f.audio()
			return []*media.Packet{video, audio, sound, f.key()}
		}, 3 * time.Second},
		{"a keyframe of another track is none", func(f *feed) []*media.Packet {
			// Enhanced, one track: H.264 with id 1.
			f.send(flv.TagVideo, unhex("96 01 61766331 01 000000 00000005 65 00000001"))
			f.wait(10 * ms)
			return []*media.Packet{f.key()}
		}, 10 * ms},
		{"audio alone for 2 s", func(f *feed) []*media.Packet {
			f.send(flv.TagAudio, asc)
			for range 300 {
				f.audio()
				f.wait(10 * ms)
			}
			return f.sent
		}, 0},
		{"audio alone for less", func(f *feed) []*media.Packet {
			f.send(flv.TagAudio, asc)
			f.wait(time.Second)
			for range 100 {
				f.audio()
				f.wait(10 * ms)
			}
			return f.sent
		}, time.Second},
		{"audio, and video that never has a keyframe", func(f *feed) []*media.Packet {
			f.send(flv.TagVideo, avcC)
			f.audio()
			f.inter()
			return []*media.Packet{f.sent[0], f.sent[1]}
		}, 0},
		{"enhanced bodies", func(f *feed) []*media.Packet {
			f.send(flv.TagVideo, unhex("90 61763031 81080c00 0a0b00000024c4ffdf3f6a02"))
			f.send(flv.TagVideo, unhex("91 61763031 12 00 0a 0b 00000024c4ffdf3f6a02 32 02 10 00"))
			f.send(flv.TagVideo, unhex("A1 78797a77 00010203"))
			f.send(flv.TagAudio, unhex("90 4f707573 4f707573486561640102000080bb0000000000"))
			f.send(flv.TagAudio, unhex("91 4f707573 fc00"))
			return f.sent
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &testDisk{}
				s := record(t, d, live.NewRegistry(live.Config{}))
				want := tt.send(s.feed)
				s.end()
				if s.Disabled() || len(d.files) != 1 {
					t.Fatalf("%d files, status %+v", len(d.files), s.Status())
				}
				data := d.files[0].bytes()
				wantTags(t, data, tt.base, want...)
				wantFinished(t, data)
				newest := time.Duration(0)
				for _, x := range tags(t, data) {
					if x.at < newest && x.kind == flv.TagVideo && len(x.body) > 16 {
						t.Errorf("configuration at %s, after %s", x.at, newest)
					}
					newest = max(newest, x.at)
				}
			})
		})
	}
}

// What comes late and is older than the file is at its beginning.
func TestBeforeBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDisk{}
		s := record(t, d, live.NewRegistry(live.Config{}))
		s.configs()
		s.wait(time.Second)
		s.key()
		s.at -= 500 * ms
		s.audio()
		s.at += 600 * ms
		s.audio()
		s.end()
		var times []time.Duration
		for _, x := range tags(t, d.files[0].bytes()) {
			times = append(times, x.at)
		}
		if want := []time.Duration{0, 0, 0, 0, 100 * ms}; !slices.Equal(times, want) {
			t.Errorf("times %v, want %v", times, want)
		}
	})
}

// Audio alone opens the file after 2 s, not at its end. Its name and its metadata have the
// time of the first frame all the same.
func TestBeginAudioOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDisk{}
		s := record(t, d, live.NewRegistry(live.Config{}))
		s.send(flv.TagAudio, asc)
		begin := time.Now()
		for len(d.files) == 0 && time.Since(begin) < time.Minute {
			s.audio()
			s.wait(20 * ms)
			synctest.Wait()
		}
		if after := time.Since(begin); after < 2*time.Second || after > 2100*ms {
			t.Errorf("the file is opened after %s", after)
		}
		s.end()
		wantTags(t, d.files[0].bytes(), 0, s.sent...)
		if want := fileName("live/a", begin) + "-1.flv"; s.Status().Path != want {
			t.Errorf("path %s, want %s", s.Status().Path, want)
		}
		if created := wantFinished(t, d.files[0].bytes()).Created; !created.Equal(begin) {
			t.Errorf("recorded %s, want %s", created, begin)
		}
	})
}

// Nothing to record: no file.
func TestNoFile(t *testing.T) {
	for name, send := range map[string]func(f *feed){
		"nothing":                func(f *feed) {},
		"configurations":         func(f *feed) { f.configs() },
		"video without keyframe": func(f *feed) { f.configs(); f.inter(); f.inter() },
		"silence":                func(f *feed) { f.send(flv.TagAudio, nil) },
		"audio headers": func(f *feed) {
			f.send(flv.TagAudio, asc)
			f.inter()
			f.audio()
			f.send(flv.TagAudio, asc2)
			f.wait(3 * time.Second)
			f.send(flv.TagAudio, asc)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &testDisk{}
				s := record(t, d, live.NewRegistry(live.Config{}))
				send(s.feed)
				s.end()
				if len(d.files) > 0 || s.Disabled() || s.Status() != (Status{}) || d.log.Len() > 0 {
					t.Errorf("%d files, status %+v, log %s", len(d.files), s.Status(), d.log.String())
				}
			})
		})
	}
}

// Without a clock that moves, what waits for its file is bounded all the same.
func TestPendingBounded(t *testing.T) {
	body := make([]byte, 1<<20)
	sound := func() *media.Packet { return &media.Packet{Kind: media.Audio, Body: body} }
	size := func(q *pending) (sum int) {
		for _, p := range slices.Concat(q.configs, q.audio, q.after) {
			sum += p.Size()
		}
		return sum
	}
	t.Run("audio alone", func(t *testing.T) {
		var q pending
		n := 1
		for ; !q.add(sound(), Auto); n++ {
		}
		if n != maxPending>>20 {
			t.Errorf("the file begins after %d MiB", n)
		}
		if got := q.take(); len(got) != n || q.bytes != 0 {
			t.Errorf("%d packets of %d, %d bytes left", len(got), n, q.bytes)
		}
	})
	t.Run("audio beside video", func(t *testing.T) {
		q := pending{sawVideo: true}
		for range 100 {
			if q.add(sound(), Auto) {
				t.Fatal("the file begins without a keyframe")
			}
			if got := size(&q); got > maxPending || got != q.bytes {
				t.Fatalf("%d bytes, counted %d", got, q.bytes)
			}
		}
	})
	t.Run("audio that no file can take yet", func(t *testing.T) {
		q := pending{sawVideo: true, keepAll: true}
		for range 100 {
			if q.add(sound(), MP4) {
				t.Fatal("the file begins without a keyframe")
			}
			if got := size(&q); got > maxPending || got != q.bytes {
				t.Fatalf("%d bytes, counted %d", got, q.bytes)
			}
		}
	})
	t.Run("video that waits for the header of the audio", func(t *testing.T) {
		var q pending
		frame := func(key bool) *media.Packet {
			return &media.Packet{Kind: media.Video, Codec: media.H265, Key: key, Body: body}
		}
		begun := q.add(frame(true), MP4)
		for n := 1; !begun; n++ {
			if begun = q.add(frame(false), MP4); begun && n != maxPending>>20 {
				t.Errorf("the file begins after %d MiB", n)
			}
			if got := size(&q); got != q.bytes || got > maxPending+len(body) {
				t.Fatalf("%d bytes, counted %d", got, q.bytes)
			}
		}
		q.forgo()
		if q.bytes != 0 || size(&q) != 0 {
			t.Errorf("%d bytes are left, counted %d", size(&q), q.bytes)
		}
	})
	t.Run("configurations", func(t *testing.T) {
		var q pending
		for i := range 1000 {
			q.add(&media.Packet{Kind: media.Video, Role: media.Decoder, Track: uint8(i), Body: body}, Auto)
			q.add(&media.Packet{Kind: media.Audio, Role: media.Decoder, Track: uint8(i), Body: body}, Auto)
			if got := size(&q); got > maxPending || got != q.bytes {
				t.Fatalf("%d bytes, counted %d", got, q.bytes)
			}
		}
	})
}

// Each publication is a file.
func TestTwoPublications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDisk{}
		r := live.NewRegistry(live.Config{})
		viewer := r.Subscribe("live/a") // keeps the stream, and its clock
		defer viewer.Close()
		first := record(t, d, r)
		first.configs()
		first.gop(30)
		first.p.Close()
		second := record(t, d, r)
		second.configs()
		second.gop(30)
		second.p.Close()
		<-first.Done()
		<-second.Done()
		for i, s := range []*session{first, second} {
			if s.Disabled() {
				t.Fatal(s.Status().Err)
			}
			data := d.files[i].bytes()
			wantTags(t, data, s.p.Epoch(), frames(s.sent)...)
			wantFinished(t, data)
		}
		if second.p.Epoch() == 0 {
			t.Error("the second publication begins at 0")
		}
	})
}
