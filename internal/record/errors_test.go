package record

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// An error at every operation of a run, those that finish the file among them: at that one
// only, or at all from it on; with nothing of the write done, or a part.
func TestEveryOperationFails(t *testing.T) {
	for _, format := range []Format{FLV, MP4} {
		for _, err := range []error{errDisk, syscall.ENOSPC} {
			for _, part := range []float64{0, 0.7} {
				failEverywhere(t, failure{format: format, err: err, part: part})
				failEverywhere(t, failure{format: format, err: err, part: part, forever: true})
			}
		}
	}
}

// failure is an error at an operation on a file, 0 being the creation.
type failure struct {
	format  Format
	err     error
	part    float64 // of a write is done
	forever bool    // all that follows fails, too
	at      int
}

// failEverywhere lets one operation fail after the other.
func failEverywhere(t *testing.T, f failure) {
	t.Helper()
	for ; ; f.at++ {
		came := false
		synctest.Test(t, func(t *testing.T) { came = failAt(t, f) })
		if t.Failed() {
			t.Fatalf("%+v", f)
		}
		if !came {
			break
		}
	}
	if f.at < 15 {
		t.Fatalf("only %d operations", f.at)
	}
}

// failAt records with an error. It reports whether the recording came so far.
func failAt(t *testing.T, f failure) bool {
	d := &testDisk{format: f.format}
	var failed operation
	d.hook = func(n int, op operation) (int, error) {
		if n == f.at || n > f.at && f.forever {
			if n == f.at {
				failed = op
			}
			return int(f.part * float64(op.size)), fmt.Errorf("%s at %d: %w", op.name, op.offset, f.err)
		}
		return 0, nil
	}
	if f.at == 0 {
		d.err = f.err
		failed.name = "create"
	}
	registry := live.NewRegistry(live.Config{})
	viewer := registry.Subscribe("live/a")
	defer viewer.Close()
	s := record(t, d, registry)
	s.configs()
	var seen []*media.Packet
	watch := func() {
		synctest.Wait()
		b, err := viewer.Next(t.Context(), time.Now())
		if err == nil {
			seen = append(seen, b.Packets...)
		}
	}
	for range 4 {
		s.key()
		watch()
		for range 2 {
			s.wait(33 * ms)
			s.audio()
			s.inter()
			watch()
		}
		s.wait(33 * ms)
		if failed.name != "" && !s.Disabled() {
			t.Errorf("%s failed, but the recorder is not disabled", failed.name)
		}
	}
	ops := 0
	if failed.name != "" {
		ops = len(d.allOps())
	}
	s.end()
	watch()
	if !slices.Equal(seen, s.sent) {
		t.Errorf("the viewer got %d packets of %d", len(seen), len(s.sent))
	}
	if failed.name == "" {
		if s.Disabled() || len(d.lines(t, "error")) > 0 {
			t.Errorf("disabled without an error: %+v", s.Status())
		}
		return false
	}
	if ops > 0 && len(d.allOps()) != ops {
		t.Errorf("the file was used after the error: %v", d.allOps()[ops:])
	}
	checkError(t, s, f.err)
	if f.at > 0 {
		checkSalvaged(t, s, failed, f.forever)
	}
	return true
}

func (d *testDisk) allOps() []operation {
	if len(d.files) == 0 {
		return nil
	}
	return d.files[0].ops
}

// checkError: the error is logged once, with all that one must know.
func checkError(t *testing.T, s *session, why error) {
	t.Helper()
	lines := s.lines(t, "error")
	if !s.Disabled() || len(lines) != 1 {
		t.Fatalf("disabled %v, logged %v", s.Disabled(), lines)
	}
	line := lines[0]
	text, _ := line["error"].(string)
	path, _ := line["path"].(string)
	if line["stream"] != "live/a" || !strings.HasPrefix(path, "live_a_") || !strings.Contains(text, why.Error()) {
		t.Errorf("logged %v", line)
	}
	if !slices.Equal(s.told, []string{"live/a"}) {
		t.Errorf("told of the streams %q", s.told)
	}
	if st := s.Status(); st.Path != path {
		t.Errorf("status %+v, logged %q", st, path)
	}
}

// checkSalvaged: every tag or fragment that was wholly flushed is in the file; if writes work
// again after the error it is finished, and ends with a whole one.
func checkSalvaged(t *testing.T, s *session, failed operation, forever bool) {
	t.Helper()
	f := s.files[0]
	data := f.bytes()
	if failed == f.ops[0] {
		if names := opNames(f); names[len(names)-1] != "remove" {
			t.Errorf("a file that holds nothing is left behind: %q", names)
		}
		return
	}
	written := int(failed.offset)
	if failed.name != "write" || failed.offset == 0 {
		written = 0
		for _, op := range f.ops {
			if op == failed {
				break
			}
			written = max(written, int(op.offset)+op.size)
		}
	}
	if len(data) < written {
		t.Fatalf("%d bytes left of %d that were written", len(data), written)
	}
	if names := opNames(f); slices.Index(names, "close") != len(names)-1 {
		t.Errorf("the operations %q do not end with the only close", names)
	}
	if forever && failed.name != "close" {
		if end := wholeEnd(data); end < written {
			t.Errorf("whole up to %d, want %d", end, written)
		}
		if line := s.lines(t, "error")[0]; line["hint"] == nil {
			t.Errorf("no hint: %v", line)
		}
		return
	}
	wantPrefix(t, fmt.Sprint(failed.name, " failed"), data, s.sent)
}

// wholeEnd is where the last whole tag or fragment of a file ends, or its closing moov.
func wholeEnd(data []byte) int {
	r, size := bytes.NewReader(data), int64(len(data))
	if bytes.HasPrefix(data, []byte("FLV")) {
		x, _, _ := flv.Scan(r, size)
		return int(x.End)
	}
	x, _, _ := bmff.Scan(r, size)
	if x.State > bmff.Open {
		return len(data)
	}
	return int(x.End)
}

// If what was written cannot be read back, nothing is cut off.
func TestUnreadableFileIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testDisk{}
		s := record(t, d, live.NewRegistry(live.Config{}))
		s.configs()
		s.gop(10)
		synctest.Wait()
		f := d.files[0]
		before := f.bytes()
		f.mu.Lock()
		f.hook = func(_ int, op operation) (int, error) {
			if op.name == "write" && op.offset > 0 {
				return 0, errDisk
			}
			return 0, nil
		}
		f.unreadable = true
		f.mu.Unlock()
		s.gop(2)
		s.end()
		if !bytes.Equal(f.bytes(), before) {
			t.Error("the file was changed")
		}
		if line := d.lines(t, "error")[0]; line["finish"] == nil || line["hint"] == nil {
			t.Errorf("logged %v", line)
		}
	})
}

// A sync that fails while the file is being finished says as much as any other: no later one that
// succeeds proves what it did not write.
func TestSyncFailsAtTheEnd(t *testing.T) {
	for _, format := range []Format{FLV, MP4} {
		t.Run(string(format), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				syncs := atomic.Int32{}
				d := &testDisk{hook: func(_ int, op operation) (int, error) {
					if op.name == "sync" && syncs.Add(1) == 1 {
						<-release
						return 0, errDisk
					}
					return 0, nil
				}}
				f := newFeed(t, live.NewRegistry(live.Config{}), "live/a")
				c := d.config()
				c.Format = format
				r := Start(c, "live/a", f.p.Cursor())
				f.configs()
				f.gop(10)
				f.p.Close()
				synctest.Wait()
				close(release)
				<-r.Done()
				if !r.Disabled() {
					t.Error("not disabled")
				}
				if lines := d.lines(t, "error"); len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0]["hint"]), "inspect --deep") {
					t.Errorf("logged %v", lines)
				}
			})
		})
	}
}

// A recording that is given up holds nothing in the ring, even while its file
// hangs.
func TestErrorFreesRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := &testDisk{hook: func(n int, op operation) (int, error) {
			if op.name == "sync" {
				<-release
			}
			if n == 3 {
				return 0, errDisk
			}
			return 0, nil
		}}
		s := record(t, d, live.NewRegistry(live.Config{}))
		for range 100 {
			s.gop(10)
		}
		if !s.Disabled() {
			t.Error("not disabled")
		}
		select {
		case <-s.Done():
			t.Error("done while the file hangs")
		default:
		}
		if n := s.p.Stream().Info().RingBytes; n > 50*200 {
			t.Errorf("the ring holds %d bytes", n)
		}
		close(release)
		s.end()
	})
}

// A file that blocks: within the buffer nothing is lost and nobody notices.
func TestSlowDisk(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stall time.Duration
		lose  bool
	}{
		{"within the buffer", 60 * time.Second, false},
		{"beyond the buffer", 120 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				d := &testDisk{hook: func(n int, op operation) (int, error) {
					if n == 20 {
						<-release
					}
					return 0, nil
				}}
				// Room for 90 s of 60 packets a second.
				r := live.NewRegistry(live.Config{RecordBytes: 90 * 61 * 170, StreamBytes: 100 << 10})
				s := record(t, d, r)
				viewer := r.Subscribe("live/a")
				defer viewer.Close()
				s.configs()
				seen := 0
				for begin := time.Now(); time.Since(begin) < tt.stall; {
					s.gop(60)
					b, err := viewer.Next(t.Context(), time.Time{})
					if err != nil {
						t.Fatal(err)
					}
					seen += len(b.Packets)
				}
				if seen < len(s.sent)-1 { // the newest audio is held
					t.Errorf("the viewer got %d packets of %d", seen, len(s.sent))
				}
				close(release)
				s.gop(60)
				s.end()
				checkSlow(t, s, tt.lose)
			})
		})
	}
}

// checkSlow: what is missing is counted, and the file goes on at a keyframe, with
// times that do not go back.
func checkSlow(t *testing.T, s *session, lose bool) {
	t.Helper()
	data := s.files[0].bytes()
	wantFinished(t, data)
	sent := frames(s.sent)
	skipped := s.Status().Skipped
	if warned := len(s.lines(t, "warn")); s.Disabled() || (skipped > 0) != lose || (warned == 1) != lose {
		t.Fatalf("status %+v, %d warnings", s.Status(), warned)
	}
	if !lose {
		wantTags(t, data, 0, sent...)
		return
	}
	got := tags(t, data)
	at := 0
	for at < len(got) && got[at].body == string(sent[at].Body) {
		at++
	}
	// After the gap the configurations come again.
	again := got[at : at+2]
	if again[0].body != string(avcC) || again[1].body != string(asc) || again[0].at != got[at-1].at {
		t.Errorf("after the gap come %+v", again)
	}
	rest := got[at+2:]
	lost := len(sent) - at - len(rest)
	if uint64(lost) != skipped {
		t.Errorf("%d packets are lost, %d counted", lost, skipped)
	}
	for i, x := range rest {
		if x.body != string(sent[at+lost+i].Body) {
			t.Fatalf("tag %d after the gap is % x", i, x.body)
		}
	}
	if p := sent[at+lost]; !p.Key {
		t.Errorf("goes on at %s without a keyframe", p.Kind)
	}
	// About 90 s of the 120 s are there, and what was written before.
	if kept := time.Duration(len(got)) * 33 * ms / 2; kept < 85*time.Second {
		t.Errorf("only %s are kept", kept)
	}
	for i := range got[1:] {
		if got[i+1].at < got[i].at {
			t.Fatalf("time goes back from %s to %s", got[i].at, got[i+1].at)
		}
	}
}
