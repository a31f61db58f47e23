package bmff

import (
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Times that jitter by a millisecond for a day move no audio frame by 20 ms.
func TestAudioIsCounted(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for _, rate := range []int64{48000, 44100, 22050} {
		line := timeline{scale: rate}
		for n := int64(0); n*1024/rate < 86400; n++ {
			exact := time.Duration(n*1024/rate)*time.Second + time.Duration(n*1024%rate)*time.Second/time.Duration(rate)
			at := max(0, exact.Truncate(time.Millisecond)+time.Duration(random.Intn(3)-1)*time.Millisecond)
			ticks := line.at(at, 1024)
			if d := ticks - toTicks(exact, rate); d > rate/50 || d < -rate/50 {
				t.Fatalf("%d Hz: frame %d is off by %d ticks", rate, n, d)
			}
		}
	}
}

func TestTimeline(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		name  string
		frame int64
		times []time.Duration
		want  []int64
	}{
		{"audio, jitter", 1024, []time.Duration{0, 22 * ms, 42 * ms, 64 * ms}, []int64{0, 1024, 2048, 3072}},
		{"audio, a gap of one frame is drift", 1024, []time.Duration{0, 43 * ms}, []int64{0, 1024}},
		{"audio, a gap over 50 ms", 1024, []time.Duration{0, 72 * ms, 93 * ms}, []int64{0, 3456, 4480}},
		{"audio, too early", 1024, []time.Duration{1000 * ms, 900 * ms, 921 * ms}, []int64{48000, 48001, 48002}},
		{"video", 0, []time.Duration{0, 33 * ms, 67 * ms}, []int64{0, 1584, 3216}},
		{"video, twice the same time", 0, []time.Duration{33 * ms, 33 * ms, 34 * ms}, []int64{1584, 1585, 1632}},
		{"video, back", 0, []time.Duration{100 * ms, 50 * ms, 101 * ms}, []int64{4800, 4801, 4848}},
		{"before the start", 0, []time.Duration{-5 * ms, 10 * ms}, []int64{0, 480}},
		{"a leap of a day", 0, []time.Duration{0, 10 * ms, 24*time.Hour + 10*ms, 24*time.Hour + 20*ms}, []int64{0, 480, 481, 961}},
	} {
		line := timeline{scale: 48000}
		var got []int64
		for _, at := range c.times {
			got = append(got, line.at(at, c.frame))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestToTicks(t *testing.T) {
	for _, c := range []struct {
		t           time.Duration
		scale, want int64
	}{{0, 90000, 0}, {time.Millisecond, 90000, 90}, {-3 * time.Millisecond, 90000, -270}, {5 * time.Millisecond, 44100, 221},
		{-5 * time.Millisecond, 44100, -221}, {1e6 * time.Hour, 90000, 1e6 * 3600 * 90000}} {
		if got := toTicks(c.t, c.scale); got != c.want {
			t.Errorf("%s at %d: %d, want %d", c.t, c.scale, got, c.want)
		}
	}
}

// onset is a track of three samples, a second each, from a first DTS and with
// composition offsets, in milliseconds.
func onset(kind media.Kind, first int64, cts ...int64) *container.Track {
	scale := int64(videoTimescale)
	track := &container.Track{Track: media.Track{Kind: kind}, Timescale: uint32(scale)}
	for i, offset := range cts {
		track.Add(container.Row{Offset: int64(48 + i), Size: 1, DTS: (first + int64(i)*1000) * scale / 1000, CTS: int32(offset * scale / 1000), Key: i == 0})
	}
	return track
}

// Every track is mapped to the time of the movie at which its first sample is shown.
func TestEditLists(t *testing.T) {
	for _, c := range []struct {
		name        string
		track       *container.Track
		wait        uint64 // of the empty edit; 0: none
		media       int64
		length      uint64 // of the other edit; 0: no list
		movie       uint64
		first, last int64 // PTS of the first sample and its CTS, in ms, as read back
	}{
		{"at once", onset(media.Audio, 0, 0, 0, 0), 0, 0, 0, 3000, 0, 0},
		{"audio 21 ms late", onset(media.Audio, 21, 0, 0, 0), 21, 0, 3000, 3021, 21, 0},
		{"B-frames", onset(media.Video, 0, 66, 2000, 0), 66, 66 * 90, 3934, 4000, 66, 66},
		{"B-frames, late", onset(media.Video, 10, 66, 2000, 0), 76, 66 * 90, 3934, 4010, 76, 66},
		{"shown before it is decoded", onset(media.Video, 100, -40, 0, 0), 60, 0, 3040, 3100, 60, 0},
		{"shown before the start", onset(media.Video, 0, -40, 0, 0), 0, 0, 0, 3040, 0, 0},
	} {
		x := &Index{Ours: true, State: Open}
		x.Tracks, x.details, x.End = []*container.Track{c.track}, []detail{{number: 1, entry: make([]byte, 100), step: 1}}, 51
		m := &memory{b: make([]byte, 51)}
		if err := Finalize(x, 51).Apply(m); err != nil {
			t.Fatal(err)
		}
		y, findings := scan(t, m.b)
		if len(findings) > 0 || len(y.Tracks) != 1 {
			t.Fatalf("%s: %v", c.name, findings)
		}
		said := y.details[0].said
		count := 0
		if c.length > 0 {
			count++
		}
		if c.wait > 0 {
			count++
		}
		e := said.edits
		if e.wait != c.wait || e.media != c.media || e.total != c.wait+c.length && c.length > 0 || e.count != count {
			t.Errorf("%s: edits %+v", c.name, e)
		}
		if said.movieDuration != c.movie || y.said.duration != c.movie {
			t.Errorf("%s: durations %d and %d, want %d", c.name, said.movieDuration, y.said.duration, c.movie)
		}
		got := y.Tracks[0].First
		if pts := (got.DTS + int64(got.CTS)) / 90; pts != c.first || int64(got.CTS)/90 != c.last {
			t.Errorf("%s: first PTS %d ms, CTS %d", c.name, pts, got.CTS/90)
		}
		clean(t, y, m)
	}
}
