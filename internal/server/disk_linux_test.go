package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// diskTrouble is a way in which the disk of one stream fails while it is recorded.
type diskTrouble struct {
	name string
	// dir makes the directory of the stream, default one of t.TempDir.
	dir func(t *testing.T) string
	// file wraps its recordings.
	file func(record.File) record.File
	// strike causes the trouble; nil: it comes by itself.
	strike func(t *testing.T, dir string)
	// repair makes the disk good again and returns where the recordings are now.
	repair func(t *testing.T, dir string) string
	want   []error
}

func diskTroubles() []diskTrouble {
	return []diskTrouble{
		{name: "full", dir: smallDisk, want: []error{syscall.ENOSPC}},
		{name: "read-only", dir: ext4Disk, strike: remountReadOnly, repair: remountExt4, want: []error{syscall.EROFS, syscall.EIO}},
		{name: "directory replaced", strike: replaceByFile, repair: func(_ *testing.T, dir string) string { return dir + ".moved" }, want: []error{syscall.ENOTDIR}},
		{name: "no write", file: failing("write"), want: []error{syscall.EIO}},
		{name: "no sync", file: failing("sync"), want: []error{syscall.EIO}},
		{name: "nothing works", file: failing("write", "sync", "truncate", "read", "close"), want: []error{syscall.EIO}},
	}
}

// Whatever happens to the disk of one stream: that recorder is disabled, its file is
// whole after fix, viewers get every packet to the end, other recordings go on.
func TestDiskTrouble(t *testing.T) {
	for _, trouble := range diskTroubles() {
		for _, format := range []record.Format{record.FLV, record.MP4} {
			t.Run(fmt.Sprint(trouble.name, ", ", format), func(t *testing.T) {
				t.Parallel()
				survive(t, trouble, format)
			})
		}
	}
}

func survive(t *testing.T, trouble diskTrouble, format record.Format) {
	sickDir, wellDir := t.TempDir(), t.TempDir()
	if trouble.dir != nil {
		sickDir = trouble.dir(t)
	} else {
		sickDir = filepath.Join(sickDir, "recordings")
	}
	if err := record.Prepare(sickDir); err != nil {
		t.Fatal(err)
	}
	var synced atomic.Bool
	config := record.Config{Format: format, SyncEvery: 10 * time.Millisecond}
	if trouble.dir == nil && trouble.strike != nil {
		config.Segment = time.Second // the next file finds no directory
	}
	config.Create = func(stream string, at time.Time, ext string) (record.File, string, error) {
		if stream == "live/well" {
			return (&record.Config{Dir: wellDir}).CreateFile(stream, at, ext)
		}
		f, path, err := (&record.Config{Dir: sickDir}).CreateFile(stream, at, ext)
		if err != nil {
			return nil, path, err
		}
		if trouble.file != nil {
			f = trouble.file(f)
		}
		return &syncedFile{f, &synced}, path, nil
	}
	s := start(t, Config{Record: &config})
	sick, well := newShow(s, "sick", 2), newShow(s, "well", 1)
	for range 30 {
		sick.frame()
		well.frame()
	}
	s.await("it is on the disk", synced.Load)
	if trouble.strike != nil {
		trouble.strike(t, sickDir)
	}
	s.await("the recorder is disabled", func() bool {
		sick.frame()
		well.frame()
		return sick.recording().Err != nil
	})
	why := sick.recording().Err
	if !slices.ContainsFunc(trouble.want, func(want error) bool { return errors.Is(why, want) }) {
		t.Errorf("disabled for %v, want %v", why, trouble.want)
	}
	for range 30 {
		sick.frame()
		well.frame()
	}
	sick.end()
	well.end()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if got := recorded(t, wellDir); !slices.Equal(got, well.sent) {
		t.Errorf("the other recording has %d frames of %d, or others", len(got), len(well.sent))
	}
	if trouble.repair != nil {
		sickDir = trouble.repair(t, sickDir)
	}
	if got := recorded(t, sickDir); len(got) == 0 || len(got) > len(sick.sent) || !slices.Equal(got, sick.sent[:len(got)]) {
		t.Errorf("%d frames are in the files that were left behind, of %d that were sent, or others", len(got), len(sick.sent))
	}
}

// show is a stream with its viewers, who keep up with it.
type show struct {
	s       *testServer
	name    string
	p       *peer
	viewers []*peer
	at      uint32
	sent    []string // labels of frames
}

const bigFrame = 8 << 10 // bytes

// The bodies of a show's frames, but for their marks.
var (
	keyBody   = []byte(keyFrame("000000" + strings.Repeat("k", bigFrame)))
	interBody = []byte(interFrame("000000" + strings.Repeat("x", bigFrame)))
)

// showHeader is a configuration of H.264 that MP4 files can have.
const showHeader = "\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x1a\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10\x00\x00" +
	"\x03\x03\xc0\xf1\x83\x19\x60\x01\x00\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\x00"

func newShow(s *testServer, name string, viewers int) *show {
	w := &show{s: s, name: name}
	for range viewers {
		w.viewers = append(w.viewers, s.play(name))
	}
	w.p = s.publish(name)
	w.p.send(video(0, showHeader))
	return w
}

// frame sends a frame, every tenth a keyframe, and waits until all viewers have it.
func (w *show) frame() {
	w.s.t.Helper()
	for _, p := range slices.Concat(w.viewers, []*peer{w.p}) { // a show may last longer than one may wait for anything
		_ = p.SetDeadline(time.Now().Add(patience))
	}
	mark := fmt.Sprintf("%06d", len(w.sent))
	body := bytes.Clone(interBody)
	if len(w.sent)%10 == 0 {
		body = bytes.Clone(keyBody)
	}
	copy(body[5+4+1:], mark) // behind what keyFrame puts before it
	w.sent = append(w.sent, mark)
	w.p.send(rtmp.Message{Type: rtmp.TypeVideo, StreamID: 1, Timestamp: w.at, Body: body})
	w.at += 40
	for i, v := range w.viewers {
		if mark == "000000" {
			v.media() // the header
		}
		if m := v.media(); m.Type != rtmp.TypeVideo || !bytes.Equal(m.Body, body) {
			w.s.t.Fatalf("viewer %d of %s did not get frame %s", i, w.name, mark)
		}
	}
}

func (w *show) end() {
	w.p.command(1, "closeStream", 0, nil)
	for _, v := range w.viewers {
		v.skipTo("eof 1")
	}
}

func (w *show) recording() record.Status {
	if st, ok := w.s.stream("live/" + w.name); ok && st.Recording != nil {
		return *st.Recording
	}
	return record.Status{}
}

// recorded fixes what is in a directory and lists the marks of all frames; every
// file must be whole then.
func recorded(t *testing.T, dir string) (marks []string) {
	t.Helper()
	for _, path := range recfile.Find([]string{dir}) {
		// Other tests start programs: until each is executed it holds all locks of ours.
		var r *recfile.Recording
		var err error
		await(t, path+" is free", func() bool {
			fixed, fixErr := recfile.Fix(path, false)
			if err = fixErr; err != nil || fixed.Outcome == recfile.InUse {
				return err != nil
			}
			r, err = recfile.Open(path)
			return err != nil || r.Verdict != recfile.Live
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != recfile.Whole {
			t.Fatalf("%s is %s: %+v", path, r.Verdict, r.Findings)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, track := range r.Index.Tracks {
			for row := range track.Rows() {
				// Behind the length of the NAL unit and its first byte; a tag also has
				// its own header.
				at := row.Offset + 4 + 1
				if r.Format == "FLV" {
					at += 5
				}
				if track.Kind == media.Video {
					marks = append(marks, string(data[at:at+6]))
				}
			}
		}
	}
	slices.Sort(marks) // names tell the second only
	return marks
}

// syncedFile tells when some of it is safe from a power cut.
type syncedFile struct {
	record.File
	synced *atomic.Bool
}

func (f *syncedFile) Sync() error {
	err := f.File.Sync()
	if err == nil {
		f.synced.Store(true)
	}
	return err
}

// Reserve is there for MP4 files.
func (f *syncedFile) Reserve(end, more int64) error {
	if r, ok := f.File.(bmff.Reserver); ok {
		return r.Reserve(end, more)
	}
	return errors.ErrUnsupported
}

// failing makes files of which some operations begin to fail after a while.
func failing(operations ...string) func(record.File) record.File {
	const after = 5 // of each kind
	return func(f record.File) record.File { return &failingFile{File: f, fails: operations, after: after} }
}

type failingFile struct {
	record.File
	fails []string
	after int64
	count atomic.Int64
}

func (f *failingFile) fail(operation string) error {
	if slices.Contains(f.fails, operation) && f.count.Add(1) > f.after {
		return &os.PathError{Op: operation, Path: "recording", Err: syscall.EIO}
	}
	return nil
}

func (f *failingFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.fail("write"); err != nil {
		n, _ := f.File.WriteAt(b[:len(b)/2], at) // a part of it is on the disk
		return n, err
	}
	return f.File.WriteAt(b, at)
}

func (f *failingFile) ReadAt(b []byte, at int64) (int, error) {
	if err := f.fail("read"); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, at)
}

func (f *failingFile) Truncate(size int64) error {
	return errors.Join(f.fail("truncate"), f.File.Truncate(size))
}
func (f *failingFile) Sync() error  { return errors.Join(f.fail("sync"), f.File.Sync()) }
func (f *failingFile) Close() error { return errors.Join(f.fail("close"), f.File.Close()) }

// mount needs root: with CI=true a test that cannot have it fails.
func mount(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.Command("mount", append(args, dir)...).CombinedOutput()
	if err != nil && os.Getenv("CI") != "true" {
		t.Skip("needs to mount a file system: run as root")
	}
	if err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

func unmount(t *testing.T, dir string) {
	if err := syscall.Unmount(dir, 0); err != nil && !errors.Is(err, syscall.EINVAL) { // not mounted any more
		_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		t.Errorf("unmount %s: %v", dir, err)
	}
}

func smallDisk(t *testing.T) string { return mount(t, "-t", "tmpfs", "-o", "size=1m", "none") }

// ext4Disk is a file system that turns read-only by itself on an error, as those of
// most machines do.
func ext4Disk(t *testing.T) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	return mount(t, "-o", "loop,errors=remount-ro", image)
}

// remountReadOnly lets ext4 find an error.
func remountReadOnly(t *testing.T, dir string) {
	t.Helper()
	device := loopDevice(t, dir)
	if err := os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error"), []byte("a test"), 0o200); err != nil {
		t.Fatal(err)
	}
}

// remountExt4 mounts what is on the disk, as after a restart: its journal is replayed.
// It is a copy of the disk, because programs of other tests may keep the file system
// itself mounted for a while, in their own name spaces.
func remountExt4(t *testing.T, dir string) string {
	t.Helper()
	device := loopDevice(t, dir)
	image, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "loop/backing_file"))
	if err != nil {
		t.Fatal(err)
	}
	disk, err := os.ReadFile(strings.TrimSpace(string(image)))
	if err != nil {
		t.Fatal(err)
	}
	restarted := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(restarted, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	return mount(t, "-o", "loop", restarted)
}

func loopDevice(t *testing.T, dir string) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == dir {
			return fields[0]
		}
	}
	t.Fatalf("%s is not mounted", dir)
	return ""
}

// replaceByFile moves the directory away and puts a file in its place.
func replaceByFile(t *testing.T, dir string) {
	t.Helper()
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, []byte("a file"), 0o600); err != nil {
		t.Fatal(err)
	}
}
