package container

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logFile remembers what is done to it, and fails at one step.
type logFile struct {
	*os.File
	steps  []string
	failAt int
	quiet  bool // the data of writes is not remembered
}

var errDisk = errors.New("disk is full")

func (f *logFile) step(format string, args ...any) error {
	if len(f.steps) == f.failAt {
		return errDisk
	}
	f.steps = append(f.steps, fmt.Sprintf(format, args...))
	return nil
}

func (f *logFile) WriteAt(p []byte, at int64) (int, error) {
	var err error
	if f.quiet {
		err = f.step("WriteAt %d", at)
	} else {
		err = f.step("WriteAt %q %d", p, at)
	}
	if err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, at)
}

func (f *logFile) Truncate(size int64) error {
	if err := f.step("Truncate %d", size); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *logFile) Sync() error {
	if err := f.step("Sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

var plan = Plan{
	{Op: Truncate, Offset: 4},
	{Op: Write, Offset: 0, Data: []byte("ab")},
	{Op: Sync},
	{Op: Write, Offset: 3, Data: []byte("cd")},
}

func newFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "recording"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestPlanApply(t *testing.T) {
	f := newFile(t)
	if _, err := f.WriteString("0123456789"); err != nil {
		t.Fatal(err)
	}
	log := &logFile{File: f, failAt: -1}
	if err := plan.Apply(log); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Truncate 4", `WriteAt "ab" 0`, "Sync", `WriteAt "cd" 3`}, log.steps); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil || string(got) != "ab2cd" {
		t.Errorf("%q, %v", got, err)
	}
	for before, want := range map[int64]int64{10: int64(len(got)), 0: int64(len(got))} {
		if size := plan.Resize(before); size != want {
			t.Errorf("%d bytes of %d, want %d", size, before, want)
		}
	}
	if size := (Plan{{Op: Write, Offset: 2, Data: []byte("x")}, {Op: Sync}}).Resize(10); size != 10 {
		t.Errorf("%d bytes of 10", size)
	}
}

// A streamed edit reaches the file in pieces, so that it never is in memory as a
// whole.
func TestPlanStream(t *testing.T) {
	const size = 3*streamBuffer + 5
	piece := make([]byte, 4096)
	stream := func(w io.Writer) error {
		for n := size; n > 0; {
			m, err := w.Write(piece[:min(n, len(piece))])
			if err != nil {
				return err
			}
			n -= m
		}
		return nil
	}
	f := &logFile{File: newFile(t), failAt: -1, quiet: true}
	edit := Edit{Op: Write, Offset: 7, Size: size, Stream: stream}
	if err := (Plan{edit}).Apply(f); err != nil {
		t.Fatal(err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 7+size {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	want := []string{"WriteAt 7", "WriteAt 1048583", "WriteAt 2097159", "WriteAt 3145735"}
	if diff := cmp.Diff(want, f.steps); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for failAt := range 4 {
		f := &logFile{File: newFile(t), failAt: failAt, quiet: true}
		if err := (Plan{edit}).Apply(f); !errors.Is(err, errDisk) || err.Error() != "write 3145733 bytes at 7: disk is full" {
			t.Errorf("piece %d: %v", failAt, err)
		}
	}
}

// A plan stops at the first error, which says at what.
func TestPlanApplyFails(t *testing.T) {
	for i, want := range []string{
		"set the size to 4: disk is full",
		"write 2 bytes at 0: disk is full",
		"sync: disk is full",
		"write 2 bytes at 3: disk is full",
	} {
		f := &logFile{File: newFile(t), failAt: i}
		err := plan.Apply(f)
		if err == nil || err.Error() != want || !errors.Is(err, errDisk) || len(f.steps) != i {
			t.Errorf("edit %d: %v, after %d steps", i, err, len(f.steps))
		}
	}
}

func TestSeverity(t *testing.T) {
	for s, want := range map[Severity]string{Note: "note", Warning: "warning", Error: "error"} {
		if s.String() != want {
			t.Errorf("%s, want %s", s, want)
		}
	}
	if Note >= Warning || Warning >= Error {
		t.Error("severities are not in order")
	}
}

func TestFormatError(t *testing.T) {
	err := error(&FormatError{Format: "flv", Structure: "tag", Offset: 1234, Reason: "have 10 bytes, want 200"})
	if want := "flv: tag at 1234: have 10 bytes, want 200"; err.Error() != want {
		t.Errorf("got %s, want %s", err, want)
	}
}

// A lock keeps every other opener out, this process included, until its file is
// closed; it keeps nobody from reading.
func TestTryLock(t *testing.T) {
	first := newFile(t)
	if _, err := first.WriteString("FLV"); err != nil {
		t.Fatal(err)
	}
	second, err := os.OpenFile(first.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := TryLock(first); err != nil {
		t.Fatal(err)
	}
	if err := TryLock(second); err != ErrLocked {
		t.Errorf("locked twice: %v", err)
	}
	third, err := os.Open(first.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if !Locked(second) || !Locked(third) {
		t.Error("a locked file is said not to be")
	}
	if got, err := os.ReadFile(first.Name()); err != nil || string(got) != "FLV" {
		t.Errorf("%q, %v", got, err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if Locked(second) || Locked(third) { // at the same time
		t.Error("who asks is in the way of who asks")
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	if err := TryLock(second); err != nil {
		t.Errorf("after the first was closed: %v", err)
	}
	if err := TryLock(first); err == nil || err == ErrLocked {
		t.Errorf("a closed file: %v", err)
	}
}

// The last sample of a track is as long as the one before it.
func TestTrackDuration(t *testing.T) {
	for _, tc := range []struct {
		name string
		dts  []int64
		step int64
		want time.Duration
	}{
		{"nothing", nil, 0, 0},
		{"one sample", []int64{90000}, 0, 0},
		{"two samples", []int64{90000, 93003}, 3003, 2 * 3003 * time.Second / 90000},
		{"the last step counts", []int64{-3000, 0, 9000}, 9000, 21000 * time.Second / 90000},
		{"290 years", []int64{0, 90000 * 86400 * 365 * 145}, 90000 * 86400 * 365 * 145, 290 * 365 * 24 * time.Hour},
	} {
		track := Track{Timescale: 90000}
		for _, dts := range tc.dts {
			track.Add(Row{DTS: dts})
		}
		if track.Step() != tc.step || track.Duration() != tc.want {
			t.Errorf("%s: %v, last %d, want %v, %d", tc.name, track.Duration(), track.Step(), tc.want, tc.step)
		}
	}
	// The largest clock: a second of it times 1e9 must not overflow.
	track := Track{Timescale: 1<<32 - 1}
	if got := track.Time(1<<32 - 2); got != time.Second-1 {
		t.Errorf("%v", got)
	}
}

// Who stops reading rows gets no more.
func TestRowsStop(t *testing.T) {
	var track Track
	track.Add(Row{Size: 1})
	track.Add(Row{Size: 2})
	for r := range track.Rows() {
		if r.Size != 1 {
			t.Error("went on")
		}
		break
	}
}
