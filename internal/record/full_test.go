package record

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// smallDisk is a disk of few blocks. Others take at once what a file gives back while it
// is full.
type smallDisk struct {
	free   int64 // blocks
	full   bool  // something found no room: what is free from now on is somebody else's
	files  []*blockFile
	before func(*blockFile, string, []byte, int64) // is told of what is about to be done
}

const block = 512

// blockFile is a file on it. It has all blocks up to some.
type blockFile struct {
	memFile
	disk   *smallDisk
	blocks int64
}

// grow gives a file room up to an offset, or as much of it as there is.
func (f *blockFile) grow(end int64) error {
	more := (end+block-1)/block - f.blocks
	if more <= 0 {
		return nil
	}
	f.disk.full = f.disk.full || more > f.disk.free
	if more > f.disk.free || f.disk.full {
		more = f.disk.free
		f.disk.free, f.blocks = 0, f.blocks+more
		return syscall.ENOSPC
	}
	f.disk.free, f.blocks = f.disk.free-more, f.blocks+more
	return nil
}

func (f *blockFile) tell(op string, b []byte, at int64) {
	if f.disk.before != nil {
		f.disk.before(f, op, b, at)
	}
}

func (f *blockFile) WriteAt(b []byte, at int64) (int, error) {
	f.tell("write", b, at)
	err := f.grow(at + int64(len(b)))
	if fits := f.blocks*block - at; fits < int64(len(b)) {
		b = b[:max(0, fits)]
	} else {
		err = nil
	}
	n, _ := f.memFile.WriteAt(b, at)
	return n, err
}

// Reserve gives what there is before it fails, as file systems do.
func (f *blockFile) Reserve(end, more int64) error { return f.grow(end + more) }

func (f *blockFile) Truncate(size int64) error {
	f.tell("truncate", nil, size)
	if keep := (size + block - 1) / block; keep < f.blocks {
		f.disk.give(f.blocks - keep)
		f.blocks = keep
	}
	return f.memFile.Truncate(size)
}

func (f *blockFile) Remove() error {
	f.disk.give(f.blocks)
	f.blocks = 0
	return f.memFile.Remove()
}

func (d *smallDisk) give(blocks int64) {
	if !d.full {
		d.free += blocks
	}
}

// whole lists the files that hold something.
func (d *smallDisk) whole() (all []*blockFile) {
	for _, f := range d.files {
		if f.last().name != "remove" {
			all = append(all, f)
		}
	}
	return all
}

// room lets others give room back.
func (d *smallDisk) room(blocks int64) { d.free, d.full = blocks, false }

// fullRun records a stream on a disk of some blocks until that is full, and on.
func fullRun(t *testing.T, format Format, blocks int64, before func(*blockFile, string, []byte, int64)) (d *smallDisk, logs *testDisk, s *session, play func(gops int)) {
	d, logs = &smallDisk{free: blocks, before: before}, &testDisk{}
	c := logs.config()
	c.Format = format
	c.Create = func(stream string, at time.Time, ext string) (File, string, error) {
		f := &blockFile{disk: d}
		d.files = append(d.files, f)
		return f, fmt.Sprint(fileName(stream, at), ext), nil
	}
	f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
	s = &session{feed: f, testDisk: logs, Recorder: Start(c, "live/a", f.p.Cursor())}
	s.configs()
	filler := strings.Repeat("5a", 3010-7-11)
	key, inter := unhex("17 01 000000 00000bb5 65"+filler), unhex("27 01 000042 00000bb5 41"+filler)
	return d, logs, s, func(gops int) {
		for range gops {
			for i := range 15 {
				body := inter
				if i == 0 {
					body = key
				}
				s.send(flv.TagVideo, s.number(body))
				s.wait(10 * ms)
				s.audio()
				s.wait(23 * ms)
			}
		}
	}
}

// A disk that is full at any write of a run: what was written is finished with no room at
// all, though others take what the file gives back; and when there is room again
// recording goes on at a keyframe.
func TestFullDiskAtEveryWrite(t *testing.T) {
	for _, format := range []Format{FLV, MP4} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			lengths := make(map[int]bool) // of the files that are left, in frames: each from 1 on comes
			for blocks := int64(0); blocks <= 512; blocks++ {
				synctest.Test(t, func(t *testing.T) {
					d, logs, s, play := fullRun(t, format, blocks, nil)
					play(10)
					synctest.Wait()
					if !s.Disabled() || !isFull(s.Status().Err) || len(logs.told) != 1 {
						t.Fatalf("%d blocks: disabled %v, told %d times, %v, %+v", blocks, s.Disabled(), len(logs.told), s.Status().Err, d)
					}
					left := d.whole()
					if len(left) > 1 {
						t.Fatalf("%d blocks: %d files", blocks, len(left))
					}
					for _, f := range left {
						lengths[wantPrefix(t, fmt.Sprint(blocks, " blocks"), f.bytes(), s.sent)] = true
					}
					if errs := logs.lines(t, "error"); len(errs) == 0 || errs[0]["finish"] != nil {
						t.Errorf("%d blocks: %v", blocks, errs)
					}

					d.room(1 << 20)
					time.Sleep(retryAfter)
					again := len(s.sent)
					play(2)
					if s.Disabled() {
						t.Errorf("%d blocks: not recording when there is room: %v", blocks, s.Status().Err)
					}
					s.end()
					if len(d.whole()) != len(left)+1 {
						t.Fatalf("%d blocks: %d files when there is room, %d before", blocks, len(d.whole()), len(left))
					}
					wantFromKeyframe(t, d.whole()[len(left)].bytes(), s.sent, again)
				})
				if t.Failed() {
					t.FailNow()
				}
			}
			if n := len(lengths); n < 50 || !lengths[n] {
				t.Errorf("files of %v frames: the disk was not full at every write", slices.Sorted(maps.Keys(lengths)))
			}
		})
	}
}

// wantPrefix checks that a file holds what was sent first and is finished. It returns how
// many frames of video that is.
func wantPrefix(t *testing.T, when string, data []byte, sent []*media.Packet) int {
	t.Helper()
	if bytes.HasPrefix(data, []byte("FLV")) {
		wantFinished(t, data)
	}
	got := contents(t, data)
	want := make(map[media.Kind][]string)
	for _, p := range sent {
		for s := range flv.Samples(p) {
			if len(want[s.Kind]) < len(got[s.Kind]) {
				want[s.Kind] = append(want[s.Kind], string(s.Data))
			}
		}
	}
	if !maps.EqualFunc(got, want, slices.Equal[[]string]) || len(got[media.Video]) == 0 {
		t.Fatalf("%s: %d frames of video and %d of audio, not those that were sent first", when, len(got[media.Video]), len(got[media.Audio]))
	}
	return len(got[media.Video])
}

// wantFromKeyframe checks that a file begins with the first keyframe that was sent from a
// packet on, and the sound before it, and goes on to the end.
func wantFromKeyframe(t *testing.T, data []byte, sent []*media.Packet, from int) {
	t.Helper()
	if key := sent[from]; !key.Key {
		t.Fatal("the test goes on without a keyframe")
	}
	lead := from
	for lead > 0 && sent[from].DTS-sent[lead-1].DTS <= audioLead {
		lead--
	}
	wantFrames(t, contents(t, data), slices.DeleteFunc(slices.Clone(sent[lead:]), func(p *media.Packet) bool {
		return p.Kind == media.Video && p.DTS < sent[from].DTS
	}))
}

// Killed at any operation on a disk without room, or within a write at the end of any
// block: what is left is finished without room.
func TestKilledOnFullDisk(t *testing.T) {
	for _, format := range []Format{FLV, MP4} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			killed := 0
			kill := func(f *blockFile, op string, b []byte, at int64) {
				for n := int64(0); ; n += block - (at+n)%block {
					n = min(n, int64(len(b)))
					left := &blockFile{memFile: memFile{data: f.bytes()}, disk: &smallDisk{full: true}, blocks: f.blocks}
					if op == "write" && n > 0 {
						left.blocks = max(left.blocks, (at+n+block-1)/block)
						_, _ = left.memFile.WriteAt(b[:n], at)
					}
					if err := fixAsIs(left); err != nil {
						t.Errorf("killed at %s of %d bytes at %d, %d of them there: %v", op, len(b), at, n, err)
					}
					killed++
					if n == int64(len(b)) {
						return
					}
				}
			}
			synctest.Test(t, func(t *testing.T) {
				_, _, s, play := fullRun(t, format, 800, kill)
				play(10)
				s.end()
			})
			if killed < 100 {
				t.Errorf("killed %d times", killed)
			}
		})
	}
}

// fixAsIs does what fix does with a file, and fails unless it is whole then. What holds
// nothing is removed.
func fixAsIs(f *blockFile) error {
	size := int64(len(f.data))
	plan := func() (container.Plan, int, bool, error) {
		if bytes.HasPrefix(f.data, []byte("FLV")) {
			x, findings, err := flv.Scan(&f.memFile, int64(len(f.data)))
			return flv.Finalize(x, int64(len(f.data))), x.Tags, len(append(findings, flv.Check(x)...)) == 0, err
		}
		x, findings, err := bmff.Scan(&f.memFile, int64(len(f.data)))
		return bmff.Finalize(x, int64(len(f.data))), x.Fragments, x.State == bmff.Closed && len(findings) == 0, err
	}
	edits, units, _, err := plan()
	if err != nil || size == 0 || units == 0 {
		return err
	}
	if err := edits.Apply(f); err != nil {
		return err
	}
	if _, _, whole, err := plan(); err != nil || !whole {
		return errors.Join(err, fmt.Errorf("it is not whole then"))
	}
	return nil
}
