package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/recfile/recfiletest"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/container/powercut"
)

// cutsASync is how many states are tried before each sync of the program, and at the
// end; RTMPTOOL_CUTS is another number.
const cutsASync = 3

// replay does to a directory what the program did, and shows what a power cut leaves of
// it, at every moment.
func replay(t *testing.T, files map[string][]byte, ops []diskOp, look func(powercut.Cut)) *powercut.Dir {
	t.Helper()
	seed, limit := number(t, "RTMPTOOL_SEED", time.Now().UnixNano()), number(t, "RTMPTOOL_CUTS", cutsASync)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	d := powercut.NewDir(files)
	cuts, syncs := 0, 0
	cut := func(when string) {
		for c := range d.Cuts(random, limit) {
			c.How = fmt.Sprintf("RTMPTOOL_SEED=%d: cut %s: %s", seed, when, c.How)
			look(c)
			cuts++
		}
	}
	for i, op := range ops {
		if op.isSync() {
			syncs++
			cut(fmt.Sprintf("before call %d, %s of %q", i, op.call, op.name))
		}
		if err := op.apply(d); err != nil {
			t.Fatal(err)
		}
	}
	cut("at the end")
	t.Logf("%d calls, %d syncs, %d states", len(ops), syncs, cuts)
	return d
}

// contents are the bytes of files by name.
func contents(c powercut.Cut) map[string][]byte {
	all := make(map[string][]byte)
	for name, s := range c.Files {
		all[name] = s.Data
	}
	return all
}

func putAll(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func getAll(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]byte)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = b
	}
	return all
}

// sameFiles fails the test unless two directories hold the same.
func sameFiles(t *testing.T, how string, got, want map[string][]byte) {
	t.Helper()
	for name := range want {
		if b, ok := got[name]; !ok || !bytes.Equal(b, want[name]) {
			t.Fatalf("%s\n%s is there: %v, with %d bytes, want %d", how, name, ok, len(b), len(want[name]))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Fatalf("%s\n%s is left", how, name)
		}
	}
}

// Whatever a power cut leaves of a directory to which the program records, files that
// follow each other, FLV and MP4: the next start finishes them, with all that was synced
// and nothing that was not written; another start finds nothing to do.
func TestPowerCutWhileRecording(t *testing.T) {
	realTime(t)
	tr := newTraced(t)
	s := serveBy(t, tr.command, "--record-segment", "2s")
	finish(t, "the publisher", s.publishAll([]sending{{"live/a", "h264"}, {"live/b", "h265"}}, "-t", "5"))
	if err := s.interrupt(); err != nil {
		t.Fatal(err)
	}
	whole := make(map[string]*written)
	for _, path := range s.recordings() {
		whole[filepath.Base(path)] = newWritten(t, path)
	}
	if len(whole) < 4 {
		t.Fatalf("%d files", len(whole))
	}
	seen := make(map[string]bool)
	d := replay(t, nil, tr.ops(s.Dir), func(c powercut.Cut) {
		files := contents(c)
		for name, b := range files { // one that was tried before is not tried again
			if key := fmt.Sprint(name, c.Files[name].Durable, " ", string(b)); seen[key] || whole[name] == nil {
				delete(files, name)
			} else {
				seen[key] = true
			}
		}
		dir := t.TempDir()
		defer os.RemoveAll(dir)
		putAll(t, dir, files)
		recoverAll(t, dir)
		recovered := getAll(t, dir)
		for name := range files {
			whole[name].compare(t, c.How+"\n"+name, c.Files[name], recovered[name], filepath.Join(dir, name))
		}
		recoverAll(t, dir)
		sameFiles(t, c.How+"\nstarted again", getAll(t, dir), recovered)
	})
	for c := range d.Cuts(rand.New(rand.NewPCG(0, 0)), 1) { // nothing but what is durable
		for name, w := range whole {
			if !bytes.Equal(c.Files[name].Data, w.data) {
				t.Errorf("%s was finished, and is not durable", name)
			}
		}
	}
}

// recoverAll does what serve does with a directory at its start.
func recoverAll(t *testing.T, dir string) {
	t.Helper()
	if err := recfile.Recover(context.Background(), dir, func(int) {}, func(recfile.Recovered) {}); err != nil {
		t.Fatal(err)
	}
}

// written is a recording as it was finished.
type written struct {
	data []byte
	rows map[int64]container.Row // the samples, by offset
}

func newWritten(t *testing.T, path string) *written {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w := &written{b, make(map[int64]container.Row)}
	for _, row := range rowsOf(t, path) {
		w.rows[row.Offset] = row
	}
	return w
}

func rowsOf(t *testing.T, path string) (rows []container.Row) {
	t.Helper()
	r, err := recfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != recfile.Whole {
		t.Fatalf("%s is %s: %+v", path, r.Verdict, r.Findings)
	}
	for _, track := range r.Index.Tracks {
		rows = slices.AppendSeq(rows, track.Rows())
	}
	return rows
}

// compare checks what was recovered of a recording.
func (w *written) compare(t *testing.T, how string, s powercut.State, recovered []byte, path string) {
	t.Helper()
	synced := 0
	for _, row := range w.rows {
		if row.End() <= s.Durable {
			synced++
		}
	}
	if recovered == nil || s.Durable == 0 && bytes.Equal(recovered, s.Data) { // nothing in it, or nothing that is ours for sure
		if synced > 0 {
			t.Fatalf("%s: lost, with %d samples that were synced", how, synced)
		}
		return
	}
	for _, row := range rowsOf(t, path) {
		if !bytes.Equal(recovered[row.Offset:row.End()], w.data[row.Offset:min(row.End(), int64(len(w.data)))]) || w.rows[row.Offset].Size != row.Size {
			t.Fatalf("%s: the sample at %d was not written so", how, row.Offset)
		}
		if row.End() <= s.Durable {
			synced--
		}
	}
	if synced > 0 {
		t.Fatalf("%s: %d samples that were synced are lost", how, synced)
	}
}

// leftovers are files of ours that were not closed: torn at the end, with a hole, and
// without anything in them; and files of others.
func leftovers(t *testing.T) map[string][]byte {
	t.Helper()
	flv, _ := recfiletest.FLV(t, recfiletest.Stream(200))
	mp4, _, ends := recfiletest.MP4(t, 40, 0)
	holed := bytes.Clone(flv)
	clear(holed[40000:40200])
	foreign, err := os.ReadFile("../../pkg/bmff/testdata/foreign/frag.mp4")
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"a_20260115_143022.flv": flv[:len(flv)-7], "b_20260115_143022.mp4": mp4[:ends[30]+20], "c_20260115_143022.flv": holed,
		"d_20260115_143022.mp4": mp4[:100], "e.flv": recfiletest.ForeignFLV(recfiletest.Stream(200)), "f.mp4": foreign,
	}
}

// fix is cut at every moment: run again, it ends in the same files, and leaves nothing
// else behind.
func TestPowerCutWhileFixing(t *testing.T) {
	t.Parallel()
	dir, files := t.TempDir(), leftovers(t)
	putAll(t, dir, files)
	tr := newTraced(t)
	if out, err := tr.command("fix", dir).CombinedOutput(); err != nil && !strings.Contains(string(out), "d_20260115_143022.mp4") {
		t.Fatalf("%v\n%s", err, out)
	}
	want := getAll(t, dir)
	d := replay(t, files, tr.ops(dir), func(c powercut.Cut) {
		again := t.TempDir()
		defer os.RemoveAll(again)
		putAll(t, again, contents(c))
		for _, path := range recfile.Find([]string{again}) {
			_, _ = recfile.Fix(path, false) // one without anything in it is an error
		}
		sameFiles(t, c.How, getAll(t, again), want)
	})
	durable(t, d, want)
}

// durable fails the test unless a directory keeps what it holds whatever happens.
func durable(t *testing.T, d *powercut.Dir, want map[string][]byte) {
	t.Helper()
	for c := range d.Cuts(rand.New(rand.NewPCG(0, 0)), 1) { // nothing but what is durable
		sameFiles(t, "cut after the end", contents(c), want)
	}
}

// So are the recovery at the start of serve and the removal of old recordings.
func TestPowerCutAtStart(t *testing.T) {
	t.Parallel()
	files := leftovers(t)
	_, files["old_20250115_143022.flv"] = recfiletest.FLV(t, recfiletest.Stream(20))
	_, files["older_20250115_143022.mp4"], _ = recfiletest.MP4(t, 20, 0)
	old := time.Now().Add(-48 * time.Hour)
	begin := func(dir string, files map[string][]byte) {
		putAll(t, dir, files)
		for name := range files {
			if strings.HasPrefix(name, "old") {
				if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	dir := t.TempDir()
	begin(dir, files)
	tr := newTraced(t)
	s := serveBy(t, tr.command, "--record-dir", dir, "--record-keep", "24h")
	for n := range 2 {
		s.awaitNth("removed an old recording", "", n+1)
	}
	if err := s.interrupt(); err != nil {
		t.Fatal(err)
	}
	want := getAll(t, dir)
	d := replay(t, files, tr.ops(dir), func(c powercut.Cut) {
		again := t.TempDir()
		defer os.RemoveAll(again)
		left := contents(c)
		for name := range left {
			if strings.HasPrefix(name, ".rtmptool-") {
				delete(left, name) // tells whether files can be made there
			}
		}
		begin(again, left)
		recoverAll(t, again)
		if err := recfile.NewKeeper(again, 24*time.Hour).Sweep(context.Background(), time.Now(), func(recfile.Expired) {}); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, c.How, getAll(t, again), want)
	})
	durable(t, d, want)
}
