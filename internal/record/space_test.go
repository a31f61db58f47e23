package record

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// The file system is asked once a second. Once it had too little room, a quarter
// more must be free.
func TestSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free, asked := uint64(100), 0
		var broken error
		s := &Space{min: 100, room: func(string) (uint64, uint64, error) {
			asked++
			return free, 1000, broken
		}}
		for i, step := range []struct {
			free uint64
			err  error
			low  bool
		}{
			{100, nil, false}, {99, nil, true}, {100, nil, true}, {124, nil, true}, {125, nil, false},
			{100, nil, false}, {0, nil, true}, {0, errors.New("stale handle"), false}, {99, nil, true},
		} {
			free, broken = step.free, step.err
			for range 3 {
				if low := s.Low(); (low != nil) != step.low || step.low && !errors.Is(low, ErrLowSpace) {
					t.Errorf("step %d: %v", i, low)
				}
			}
			if asked != i+1 {
				t.Errorf("step %d: asked %d times", i, asked)
			}
			time.Sleep(askEvery)
		}
	})
}

// What may be taken leaves as much as must be free, to the byte.
func TestSpare(t *testing.T) {
	for _, tt := range []struct {
		free  uint64
		bytes int64
		err   error
		spare bool
	}{
		{150, 50, nil, true}, {150, 51, nil, false}, {100, 0, nil, true}, {99, 0, nil, false}, {0, 1, nil, false},
		{0, 50, errors.New("stale handle"), true},
	} {
		s := &Space{min: 100, room: func(string) (uint64, uint64, error) { return tt.free, 1000, tt.err }}
		if got := s.Spare(tt.bytes); got != tt.spare {
			t.Errorf("%d bytes of %d: %v", tt.bytes, tt.free, got)
		}
	}
}

func TestNewSpace(t *testing.T) {
	s, err := NewSpace(t.TempDir(), -1)
	if err != nil || s.min == 0 || s.min > defaultMinFree {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err = NewSpace(t.TempDir(), 1<<62); err != nil || s.Low() == nil {
		t.Errorf("4 EB are free: %v", err)
	}
	if s, err = NewSpace(t.TempDir(), 0); err != nil || s.Low() != nil {
		t.Errorf("0 bytes are asked for: %v", err)
	}
	if _, err = NewSpace("/nowhere/at/all", 0); err == nil {
		t.Error("no error for a directory that is not there")
	}
}

// While the disk is almost full nothing is recorded; the file before ends cleanly,
// the one after begins at a keyframe, and nothing is amiss in either.
func TestLowSpace(t *testing.T) {
	for _, format := range []Format{FLV, MP4} {
		t.Run(string(format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &testDisk{}
				f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
				var low atomic.Bool
				c := d.config()
				c.Format, c.Low = format, func() error {
					if low.Load() {
						return fmt.Errorf("%w: 1 MB", ErrLowSpace)
					}
					return nil
				}
				r := Start(c, "live/a", f.p.Cursor())
				f.configs()
				f.gop(30)
				low.Store(true)
				f.gop(30)
				f.gop(30)
				st := r.Status()
				if !errors.Is(st.Err, ErrLowSpace) || len(d.files) != 1 || len(d.told) != 1 {
					t.Errorf("%d files, told %d times, %+v", len(d.files), len(d.told), st)
				}
				if st.Durable != st.Bytes || !st.Unsynced.IsZero() {
					t.Errorf("the file is closed, but not durable: %+v", st)
				}
				low.Store(false)
				f.inter()
				f.wait(33 * ms)
				again := len(f.sent)
				f.gop(30)
				f.gop(30)
				if r.Disabled() {
					t.Errorf("still not recording: %v", r.Status().Err)
				}
				f.p.Close()
				<-r.Done()
				if told := d.lines(t, "error"); len(d.files) != 2 || len(told) != 1 || len(d.lines(t, "warn")) > 0 {
					t.Errorf("%d files, errors %v", len(d.files), told)
				}
				lead := again // up to 2 s of sound before the keyframe are in the file too
				for f.sent[again].DTS-f.sent[lead-1].DTS <= audioLead {
					lead--
				}
				got, want := contents(t, d.files[1].bytes()), slices.DeleteFunc(f.sent[lead:], func(p *media.Packet) bool {
					return p.Kind == media.Video && p.DTS < f.sent[again].DTS
				})
				wantFrames(t, got, want)
				first := contents(t, d.files[0].bytes())[media.Video]
				if n := len(first); n < 30 || n > 32 { // what came before the next write
					t.Errorf("%d frames before the disk was full", n)
				}
			})
		})
	}
}

// A disk that is full ends the file; the recorder goes on at a keyframe when there is
// room, asks for it now and then only, and leaves no empty files behind.
func TestFullDiskPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		var writes atomic.Int32
		d := &testDisk{}
		d.hook = func(n int, op operation) (int, error) {
			if full.Load() && op.name == "write" && (op.offset > 0 || n == 1) { // finishing needs no room
				writes.Add(1)
				return 0, &syscallError{syscall.ENOSPC}
			}
			return 0, nil
		}
		s := record(t, d, live.NewRegistry(live.Config{}))
		s.configs()
		s.gop(30)
		full.Store(true)
		for range 60 { // a minute
			s.gop(30)
		}
		if n := writes.Load(); !s.Disabled() || n < 3 || n > 8 || len(s.told) != 1 {
			t.Errorf("disabled %v, %d writes to a full disk, told %d times", s.Disabled(), n, len(s.told))
		}
		if st := s.Status(); !st.Unsynced.IsZero() {
			t.Errorf("something waits to be durable, but nothing is written: %+v", st)
		}
		full.Store(false)
		for range 12 {
			s.gop(30)
		}
		if s.Disabled() {
			t.Errorf("still not recording: %v", s.Status().Err)
		}
		full.Store(true)
		s.gop(30)
		s.gop(30)
		full.Store(false)
		for range 12 { // there is room, but no keyframe any more
			for range 30 {
				s.inter()
				s.wait(10 * ms)
				s.audio()
				s.wait(23 * ms)
			}
		}
		s.end()
		whole := 0
		for _, f := range d.files {
			if names := opNames(f); names[len(names)-1] == "remove" {
				continue
			}
			whole++
			wantFinished(t, f.bytes())
		}
		if whole != 2 {
			t.Errorf("%d files are left, want 2", whole)
		}
		if errs := s.lines(t, "error"); len(errs) != int(writes.Load()) || !strings.Contains(fmt.Sprint(errs[0]["message"]), "until there is more room") {
			t.Errorf("%d errors of %d writes: %v", len(errs), writes.Load(), errs)
		}
	})
}

type syscallError struct{ error }

func (e *syscallError) Unwrap() error { return e.error }
