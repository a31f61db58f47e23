package live

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

func join(lists ...[]*media.Packet) []*media.Packet { return slices.Concat(lists...) }

// A viewer before the publisher waits, and misses nothing then.
func TestJoinBeforePublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		time.Sleep(time.Minute)
		f := publish(t, r, "live/a")
		sent := []*media.Packet{f.metadata(), f.videoConfig(), f.audioConfig(), f.audio()}
		time.Sleep(time.Second) // all is visible, but there is no start
		if b, ok := take(c); ok {
			t.Fatalf("got %s before a keyframe", names(b.Packets))
		}
		sent = append(sent, f.gop(10)...)
		b := all(c)
		wantPackets(t, "waiting viewer", b.Packets, sent...)
		if !b.Start || b.Skipped != 0 || b.End || c.Gaps() != (Gaps{}) {
			t.Errorf("batch %+v, gaps %+v", b, c.Gaps())
		}
		f.Close()
		c.Close()
		wantEmpty(t, r, f.stream)
	})
}

// A viewer in the middle of a GOP gets the configurations as they were at its
// start, then the GOP, in one go.
func TestJoinInsideGOP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		meta, video, audio := f.metadata(), f.videoConfig(), f.audioConfig()
		f.gop(10)
		gop := f.gop(5)
		c := r.Subscribe("live/a")
		b, ok := take(c)
		if !ok || !b.Start || b.End || b.Skipped != 0 {
			t.Fatalf("batch %+v", b)
		}
		wantPackets(t, "joiner", b.Packets, join([]*media.Packet{meta, video, audio}, gop)...)
		if b.Oldest.Add(5*33*ms) != time.Now() {
			t.Errorf("oldest arrived %s ago, want %s", time.Since(b.Oldest), 5*33*ms)
		}

		// A second audio configuration inside the GOP: a joiner needs the first one,
		// and comes upon the second.
		audio2 := f.audioConfig()
		more := []*media.Packet{audio2, f.audio(), f.inter()}
		late := r.Subscribe("live/a")
		wantPackets(t, "joiner after the change", all(late).Packets, join([]*media.Packet{meta, video, audio}, gop, more)...)
		wantPackets(t, "first joiner", all(c).Packets, more...)

		// From the next keyframe on it is the other way round.
		key := f.key()
		latest := r.Subscribe("live/a")
		wantPackets(t, "joiner at the next GOP", all(latest).Packets, meta, video, audio2, key)
		wantPackets(t, "first joiner", all(c).Packets, key)
	})
}

// In the first GOP the configurations are in the ring and come once.
func TestJoinFirstGOP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		sent := join([]*media.Packet{f.metadata(), f.videoConfig(), f.audioConfig(), f.audio()}, f.gop(5))
		b := all(r.Subscribe("live/a"))
		wantPackets(t, "joiner", b.Packets, sent...)
		if !b.Start {
			t.Error("no start")
		}
	})
}

// A publisher that begins inside a GOP: nothing is shown before its keyframe.
func TestJoinPublisherInsideGOP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		config := f.videoConfig()
		f.inter()
		f.audio()
		f.inter()
		if b, ok := take(c); ok {
			t.Fatalf("got %s", names(b.Packets))
		}
		gop := f.gop(3)
		wantPackets(t, "viewer", all(c).Packets, join([]*media.Packet{config}, gop)...)
	})
}

// Without video for a second, viewers get the audio; who waited gets all of it.
func TestJoinAudioOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		sent := []*media.Packet{f.audioConfig()}
		var got []*media.Packet
		var began time.Duration
		for range 200 { // 4.6 s
			sent = append(sent, f.audio())
			time.Sleep(23 * ms)
			f.at += 23 * ms
			b := all(c)
			if b.Start {
				began = f.at
			}
			got = append(got, b.Packets...)
		}
		if began < time.Second || began > time.Second+100*ms {
			t.Errorf("begins after %s, want 1 s", began)
		}
		time.Sleep(audioHold)
		wantPackets(t, "waiting viewer", append(got, all(c).Packets...), sent...)

		// A joiner begins at most a second ago.
		b := all(r.Subscribe("live/a"))
		if b.Packets[0] != sent[0] {
			t.Errorf("joiner begins with %s, want the configuration", name(b.Packets[0]))
		}
		run := b.Packets[1:]
		wantPackets(t, "joiner", run, sent[len(sent)-len(run):]...)
		if age := f.at - run[0].DTS; age > startEvery+100*ms {
			t.Errorf("joiner begins %s ago", age)
		}
	})
}

// Video that appears after the audio: from then on viewers begin at keyframes.
func TestJoinLateVideo(t *testing.T) {
	for _, keyFirst := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := NewRegistry(Config{})
			stayed := r.Subscribe("live/a")
			f := publish(t, r, "live/a")
			config := f.audioConfig()
			sent := []*media.Packet{config}
			var got []*media.Packet
			for range 100 {
				sent = append(sent, f.audio())
				time.Sleep(23 * ms)
				f.at += 23 * ms
				got = append(got, all(stayed).Packets...)
			}
			video := f.videoConfig()
			sent = append(sent, video)
			early := r.Subscribe("live/a")
			if !keyFirst {
				sent = append(sent, f.inter())
				if b, ok := take(early); ok {
					t.Fatalf("a joiner got %s before a keyframe", names(b.Packets))
				}
			}
			gop := f.gop(60)
			sent = append(sent, gop...)
			for _, c := range []*Cursor{early, r.Subscribe("live/a")} {
				wantPackets(t, "joiner", all(c).Packets, join([]*media.Packet{video, config}, gop)...)
			}
			wantPackets(t, "who stayed", append(got, all(stayed).Packets...), sent...)
		})
	}
}

// If the beginning is gone when the first keyframe comes, viewers begin there.
func TestJoinAfterLostBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{StreamBytes: 3 * (100 + 160)})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		f.size = 100
		config := f.audioConfig()
		f.audio()
		f.audio()
		key := f.key() // which drives out the configuration
		b := all(c)
		wantPackets(t, "viewer", b.Packets, config, key)
		if !b.Start || b.Skipped != 0 {
			t.Errorf("batch %+v", b)
		}
	})
}

// Configurations are kept a role and a track; a start is a keyframe of track 0.
func TestJoinTracks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		v0 := f.send(media.Video, media.Decoder, false, 0)
		f.send(media.Video, media.Decoder, false, 1)
		color := f.send(media.Video, media.Color, false, 0)
		a0, a1 := f.send(media.Audio, media.Decoder, false, 0), f.send(media.Audio, media.Decoder, false, 1)
		channels := f.send(media.Audio, media.Channels, false, 1)
		f.gop(2)
		v1b := f.send(media.Video, media.Decoder, false, 1)
		gop := f.gop(2)
		other := f.send(media.Video, media.Frame, true, 1)
		b := all(r.Subscribe("live/a"))
		wantPackets(t, "joiner", b.Packets, join([]*media.Packet{v0, color, v1b, a0, a1, channels}, gop, []*media.Packet{other})...)
		if info := f.stream.Info(); info.Video != media.H264 || info.Audio != media.AAC || !info.Live || info.Viewers != 1 || info.Bytes == 0 {
			t.Errorf("info %+v", info)
		}
	})
}

// What is kept for joiners is bounded in number and in size.
func TestJoinConfigsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		for track := range 100 {
			f.send(media.Video, media.Decoder, false, uint8(track))
		}
		f.gop(2)
		if n := len(f.configs); n != maxConfigs {
			t.Errorf("%d configurations are kept, want %d", n, maxConfigs)
		}
		first := f.send(media.Video, media.Decoder, false, 0) // replaces one of its own
		if n := len(f.configs); n != maxConfigs || f.configs[n-1] != first {
			t.Errorf("%d configurations are kept, want %d with the newest last", n, maxConfigs)
		}
		f.size = maxConfigBody + 1
		f.send(media.Video, media.Decoder, false, 0)
		if n := len(f.configs); n != maxConfigs-1 || slices.Contains(f.configs, first) {
			t.Errorf("%d configurations are kept, want neither the huge one nor the one before it", n)
		}
	})
}

// A data message that somebody made by hand is no frame.
func TestJoinDataIsNoStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		for range 100 {
			f.send(media.Data, media.Frame, false, 0)
			f.at += 100 * ms
		}
		if b, ok := take(r.Subscribe("live/a")); ok {
			t.Errorf("joined at %s", names(b.Packets))
		}
		if _, bytes := f.Totals(); bytes != 0 {
			t.Errorf("%d bytes of audio and video, want 0", bytes)
		}
	})
}
