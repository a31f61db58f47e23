package server

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// Decoder configurations that an MP4 takes: of 1280x720, and of 8 kHz, whose frames are
// 128 ms long.
const (
	longAVC = "17000000000164001fffe1001a6764001facd9405005bb0110000003001000000303c0f183196001000668ebe3cb22c0fdf8f800"
	longAAC = "af001588"
	longOne = 128 * time.Millisecond
)

// What a publisher's clock does, for hours or a day, is not in its recordings: neither a wrap
// nor a jump, nor jitter that adds up. Both tracks are as long as they took, within 20 ms, and
// no two frames are further apart than they were sent.
func TestRecordedTimes(t *testing.T) {
	const hour = time.Hour
	still := func(time.Duration) int { return 0 }
	jitter := func(at time.Duration) int { return int(at/longOne*7%3) - 1 }
	for name, tt := range map[string]struct {
		long  time.Duration
		begin uint32                     // timestamp of the first frame
		off   func(at time.Duration) int // ms by which the publisher's clock is wrong by then
		mask  uint32                     // of the publisher's clock
		jumps int                        // each takes a frame's time at most
	}{
		"jitter for a day":            {24 * hour, 0, jitter, 1<<32 - 1, 0},
		"across 2^24":                 {2 * hour, 1<<24 - 3_600_000, jitter, 1<<32 - 1, 0},
		"across 2^31":                 {2 * hour, 1<<31 - 3_600_000, jitter, 1<<32 - 1, 0},
		"across 2^31, with 31 bits":   {2 * hour, 1<<31 - 3_600_000, jitter, 1<<31 - 1, 0},
		"across 2^32":                 {2 * hour, 1<<32 - 3_600_000, jitter, 1<<32 - 1, 0},
		"an hour on":                  {2 * hour, 0, steps(hour, 3_600_000), 1<<32 - 1, 1},
		"an hour back":                {2 * hour, 7_200_000, steps(hour, -3_600_000), 1<<32 - 1, 1},
		"to 0":                        {2 * hour, 3_600_000, steps(hour, -7_200_000), 1<<32 - 1, 1},
		"an hour on, again and again": {2 * hour, 0, func(at time.Duration) int { return int(at/(10*time.Minute)) * 3_600_000 }, 1<<32 - 1, 11},
		"on and back":                 {2 * hour, 1 << 30, func(at time.Duration) int { return int(at/(10*time.Minute)) % 2 * 3_600_000 }, 1<<32 - 1, 11},
		"steady":                      {2 * hour, 77, still, 1<<32 - 1, 0},
	} {
		for _, format := range []record.Format{record.FLV, record.MP4} {
			t.Run(name+", "+string(format), func(t *testing.T) {
				t.Parallel()
				if tt.jumps == 0 {
					skipUnderRace(t)
				}
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					publishLong(t, record.Config{Dir: dir, Format: format, Logger: zerolog.Nop()}, tt.long, func(at time.Duration) uint32 {
						return (tt.begin + uint32(at.Milliseconds()+int64(tt.off(at)))) & tt.mask
					})
				})
				paths, err := filepath.Glob(filepath.Join(dir, "*"))
				if err != nil || len(paths) != 1 {
					t.Fatal(paths, err)
				}
				r, err := recfile.Open(paths[0])
				if err != nil || r.Verdict != recfile.Whole || len(r.Index.Tracks) != 2 {
					t.Fatalf("%+v, %v", r, err)
				}
				wantTimes(t, r, tt.long, tt.jumps)
			})
		}
	}
}

// steps is a clock that is wrong by some ms from a moment on.
func steps(from time.Duration, by int) func(time.Duration) int {
	return func(at time.Duration) int {
		if at < from {
			return 0
		}
		return by
	}
}

// publishLong publishes a frame of sound each 128 ms and a picture with every eighth of them,
// as a session does, and records them.
func publishLong(t *testing.T, c record.Config, long time.Duration, timestamp func(at time.Duration) uint32) {
	publication, err := live.NewRegistry(live.Config{}).Publish("live/long", nil)
	if err != nil {
		t.Fatal(err)
	}
	recorder := record.Start(c, "live/long", publication.Cursor())
	send := sendTo(t, publication)
	for n := 0; time.Duration(n)*longOne < long; n++ {
		at := timestamp(time.Duration(n) * longOne)
		if n%8 == 0 {
			send(video(at, keyFrame("picture")))
		}
		send(audio(at, aacFrame("sound")))
		time.Sleep(longOne)
	}
	publication.Close()
	<-recorder.Done()
	if err := recorder.Status().Err; err != nil {
		t.Fatal(err)
	}
}

// sendTo publishes as a session does. The configurations come first.
func sendTo(t *testing.T, publication *live.Publication) (send func(rtmp.Message)) {
	t.Helper()
	p := &publisher{publication: publication, clock: clock{wall: time.Now()}, headers: newHeaders(), log: zerolog.Nop(), warnings: &throttle{}}
	send = func(m rtmp.Message) {
		if err := p.message(m, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	send(video(0, unhex(t, longAVC)))
	send(audio(0, unhex(t, longAAC)))
	return send
}

func unhex(t *testing.T, digits string) string {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// underRace tells whether all that is tested is slowed down by the race detector: make race.
func underRace() bool { return os.Getenv("RTMPTOOL_RACE") != "" }

func skipUnderRace(t *testing.T) {
	t.Helper()
	if underRace() {
		t.Skip("millions of packets take too long with the race detector")
	}
}

func wantTimes(t *testing.T, r *recfile.Recording, long time.Duration, jumps int) {
	t.Helper()
	limit := 20*time.Millisecond + time.Duration(jumps)*longOne
	for _, track := range r.Index.Tracks {
		step := longOne
		if track.Kind == media.Video {
			step = 8 * longOne
		}
		want := (long + step - 1).Truncate(step) // the last one began before the end
		if d := track.Duration(); (d - want).Abs() > limit {
			t.Errorf("%s takes %v, want %v", track.Kind, d, want)
		}
		n, last := 0, time.Duration(0)
		for row := range track.Rows() {
			at := track.Time(row.DTS)
			if off := (at - time.Duration(n)*step).Abs(); off > limit || n > 0 && (at <= last || at-last > step+20*time.Millisecond) {
				t.Fatalf("%s: frame %d is at %v, %v after the one before it", track.Kind, n, at, at-last)
			}
			n, last = n+1, at
		}
	}
}
