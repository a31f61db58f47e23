package server

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/pkg/media"
)

func TestClock(t *testing.T) {
	v := &media.Packet{Kind: media.Video}
	a := &media.Packet{Kind: media.Audio}
	v2 := &media.Packet{Kind: media.Video, Track: 2}
	header := &media.Packet{Kind: media.Video, Role: media.Decoder}
	end := &media.Packet{Kind: media.Video, Role: media.End}
	script := &media.Packet{Kind: media.Data, Role: media.Metadata}
	type in struct {
		packet    *media.Packet
		timestamp uint32
		wait      time.Duration // that has passed since the packet before
	}
	const s = 1000
	tests := []struct {
		name  string
		epoch int // ms
		in    []in
		want  []int64 // ms
		jumps int
	}{
		{"starts at 0 wherever the publisher starts", 0,
			[]in{{v, 5000, 0}, {a, 5010, 0}, {v, 5033, 0}}, []int64{0, 10, 33}, 0},
		{"goes on after an earlier publication", 60_000,
			[]in{{header, 0, 0}, {v, 5000, 0}, {v, 5033, 0}, {script, 0, 0}}, []int64{60_000, 60_000, 60_033, 60_033}, 0},
		{"headers and ends do not move it", 0,
			[]in{{script, 0, 0}, {header, 0, 0}, {v, 777_000, 0}, {header, 0, 0}, {v, 777_033, 0}, {end, 0, 0}, {v, 777_066, 0}},
			[]int64{0, 0, 0, 0, 33, 33, 66}, 0},
		{"wraps at 2^32", 0,
			[]in{{v, 1<<32 - 33, 0}, {a, 1<<32 - 10, 0}, {v, 0, 0}, {a, 13, 0}, {v, 33, 0}}, []int64{0, 23, 33, 46, 66}, 0},
		{"wraps at 2^31", 0,
			[]in{{v, 1<<31 - 33, 0}, {a, 1<<31 - 10, 0}, {v, 0, 0}, {a, 1<<31 - 5, 0}, {a, 13, 0}, {v, 33, 0}}, []int64{0, 23, 33, 28, 46, 66}, 0},
		{"passes 2^31", 0,
			[]in{{v, 1<<31 - 33, 0}, {v, 1 << 31, 0}, {v, 1<<31 + 33, 0}}, []int64{0, 33, 66}, 0},
		{"audio behind video keeps its distance", 0,
			[]in{{v, 1000, 0}, {a, 960, 0}, {v, 1033, 0}, {a, 983, 0}, {v, 1066, 0}}, []int64{0, -40, 33, -17, 66}, 0},
		{"a small step back is squeezed", 0,
			[]in{{v, 1000, 0}, {v, 1100, 0}, {v, 1050, 0}, {v, 1083, 0}, {v, 1133, 0}}, []int64{0, 100, 101, 102, 133}, 0},
		{"a step back of a second is squeezed", 0,
			[]in{{v, 2 * s, 0}, {v, 1 * s, 0}, {v, 2*s + 40, 0}}, []int64{0, 1, 40}, 0},
		{"one further back is a jump", 0,
			[]in{{v, 2 * s, 0}, {v, 1*s - 1, 0}, {v, 1*s + 39, 0}}, []int64{0, 33, 73}, 1},
		{"restart from 0", 0,
			[]in{{v, 3600 * s, 0}, {a, 3600*s + 10, 0}, {v, 3600*s + 40, 0}, {v, 0, 0}, {a, 10, 0}, {v, 40, 0}, {a, 33, 0}},
			[]int64{0, 10, 40, 73, 83, 113, 106}, 1},
		{"10 s on is a gap", 0,
			[]in{{v, 0, 0}, {v, 10 * s, 0}, {v, 10*s + 40, 0}}, []int64{0, 10_000, 10_040}, 0},
		{"more is a jump", 0,
			[]in{{v, 0, 0}, {v, 10*s + 1, 0}, {v, 10*s + 41, 0}}, []int64{0, 33, 73}, 1},
		{"unless that time has passed", 0,
			[]in{{v, 0, 0}, {v, 25 * s, 15 * time.Second}, {a, 25*s + 10, 0}}, []int64{0, 25_000, 25_010}, 0},
		{"an hour has not passed in 3 s", 0,
			[]in{{v, 0, 0}, {v, 3600 * s, 3 * time.Second}, {v, 3600*s + 40, 0}}, []int64{0, 33, 73}, 1},
		{"jump on and back", 0,
			[]in{{v, 0, 0}, {v, 3600 * s, 0}, {v, 40, 0}, {v, 80, 0}}, []int64{0, 33, 66, 106}, 2},
		{"by 2^31", 0,
			[]in{{v, 0, 0}, {v, 40, 0}, {v, 1<<31 + 100_000, 0}, {v, 1<<31 + 100_040, 0}}, []int64{0, 40, 73, 113}, 1},
		{"tracks far apart keep their distance", 0,
			[]in{{a, 0, 0}, {v, 5 * s, 0}, {a, 23, 0}, {v, 5*s + 33, 0}, {a, 46, 0}}, []int64{0, 5000, 23, 5033, 46}, 0},
		{"tracks of different clocks begin together", 0,
			[]in{{a, 0, 0}, {v, 900 * s, 0}, {a, 23, 0}, {v, 900*s + 33, 0}, {a, 46, 0}}, []int64{0, 33, 23, 66, 46}, 1},
		{"a track that paused follows the others", 0,
			[]in{{v, 0, 0}, {a, 0, 0}, {a, 9 * s, 9 * time.Second}, {a, 18 * s, 9 * time.Second}, {v, 18*s + 5, 0}}, []int64{0, 0, 9000, 18_000, 18_005}, 0},
		{"tracks of one kind are apart", 0,
			[]in{{v, 100, 0}, {v2, 60, 0}, {v, 133, 0}, {v2, 93, 0}}, []int64{0, -40, 33, -7}, 0},
		{"equal times", 0,
			[]in{{v, 100, 0}, {v, 100, 0}, {a, 100, 0}, {a, 100, 0}}, []int64{0, 0, 0, 0}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wall := time.Now()
			c := clock{epoch: time.Duration(test.epoch) * time.Millisecond, wall: wall}
			var got []int64
			for _, i := range test.in {
				wall = wall.Add(i.wait)
				got = append(got, c.time(i.packet, i.timestamp, wall).Milliseconds())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("times (-want +got):\n%s", diff)
			}
			if c.jumps != test.jumps {
				t.Errorf("%d jumps, want %d", c.jumps, test.jumps)
			}
		})
	}
}

// TestClockKeepsSync holds a day of audio and video with jitter, and with a jump
// of an hour in the middle, to 20 ms (reference: rtmp.md F 83).
func TestClockKeepsSync(t *testing.T) {
	v, a := &media.Packet{Kind: media.Video}, &media.Packet{Kind: media.Audio}
	var c clock
	wall := time.Now()
	const day, step = 24 * 3600 * 1000, 200
	shift := uint32(0)
	for ms := uint32(0); ms < day; ms += step {
		if ms == day/2 {
			shift = 3600 * 1000
		}
		jitter := ms / step % 3 // -1, 0, 1 ms
		at := c.time(v, ms+shift, wall)
		sound := c.time(a, ms+shift+jitter-1, wall)
		wall = wall.Add(step * time.Millisecond)
		if off := (at - sound).Abs(); off > 20*time.Millisecond {
			t.Fatalf("at %d ms audio and video are %v apart", ms, off)
		}
		if off := (at - time.Duration(ms)*time.Millisecond).Abs(); off > step*time.Millisecond {
			t.Fatalf("at %d ms the clock shows %v", ms, at)
		}
	}
}
