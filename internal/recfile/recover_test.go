package recfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecover(t *testing.T) {
	dir := t.TempDir()
	openFLV, closedFLV := flvFile(t, stream(12))
	openMP4, closedMP4, _ := mp4File(t, 12, 0)
	damaged := slices.Clone(openFLV)
	damaged[36892] = 77
	lostInit := slices.Clone(openMP4)
	clear(lostInit[48:60])
	otherID := slices.Clone(openMP4)
	otherID[bytes.Index(otherID, []byte("rtt1"+"\x00\x00\x00\x00"))+8] ^= 1
	headOnly, _ := flvFile(t, nil)
	const stamp = "_20260115_143022"
	for name, b := range map[string][]byte{
		// Ours, unfinished.
		"a" + stamp + ".flv": openFLV, "b" + stamp + "-2.mp4": openMP4, "c" + stamp + ".flv": openFLV[:len(openFLV)-7],
		"renamed.flv": openFLV, "renamed.mp4": openMP4,
		// Ours, and nothing in them.
		"d" + stamp + ".flv": nil, "e" + stamp + ".mp4": nil, "f" + stamp + ".flv": headOnly, "g" + stamp + ".flv": headOnly[:20],
		"h" + stamp + ".mp4": openMP4[:40], "i" + stamp + ".mp4": openMP4[:900], "j" + stamp + ".flv": openFLV[:36892+30], "v" + stamp + ".flv": headOnly[:3],
		// To be left alone.
		"k" + stamp + ".flv": closedFLV, "l" + stamp + ".mp4": closedMP4,
		"m" + stamp + ".flv": foreignFLV(stream(12)), "n" + stamp + ".mp4": foreignMP4(t, "frag.mp4"), "o" + stamp + ".flv": foreignFLV(nil)[:4:4], "w" + stamp + ".mp4": lostInit,
		"p" + stamp + ".flv": openFLV, // locked
		"q" + stamp + ".mp4": nil,     // locked
		"empty.flv":          nil, "head.flv": headOnly, "r" + stamp + ".txt": nil, "s" + stamp + ".mkv": openMP4,
		"x" + stamp + ".flv": slices.Concat(headOnly, []byte{9}, make([]byte, 2<<20)),     // hours, maybe
		"y" + stamp + ".mp4": otherID,                                                     // nothing but the mark of the head is wrong
		"z" + stamp + ".mp4": bytes.ReplaceAll(lostInit, []byte("init"), make([]byte, 4)), // nor is there a copy
		"." + stamp + ".flv": openFLV, "t" + stamp + ".flv": []byte("some notes of somebody"), "u" + stamp + ".flv": damaged,
	} {
		put(t, filepath.Join(dir, name), b)
	}
	if err := os.Mkdir(filepath.Join(dir, "below"+stamp+".flv"), 0o755); err != nil {
		t.Fatal(err)
	}
	hold(t, filepath.Join(dir, "p"+stamp+".flv"))
	hold(t, filepath.Join(dir, "q"+stamp+".mp4"))
	before := state(t, dir)
	got := map[string]string{}
	recoverAll := func() {
		t.Helper()
		clear(got)
		err := Recover(t.Context(), dir, func(int) {}, func(r Recovered) {
			what := "finished"
			switch {
			case r.Err != nil:
				what = "failed"
			case r.Removed:
				what = "removed"
			case r.Fixed.After == nil || r.Fixed.After.Verdict != Whole:
				what = "nothing"
			}
			got[filepath.Base(r.Path)] = what
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	recoverAll()
	want := map[string]string{
		"a" + stamp + ".flv": "finished", "b" + stamp + "-2.mp4": "finished", "c" + stamp + ".flv": "finished", "renamed.flv": "finished", "renamed.mp4": "finished",
		"d" + stamp + ".flv": "removed", "e" + stamp + ".mp4": "removed", "f" + stamp + ".flv": "removed", "g" + stamp + ".flv": "removed",
		"h" + stamp + ".mp4": "removed", "i" + stamp + ".mp4": "removed", "j" + stamp + ".flv": "removed", "v" + stamp + ".flv": "removed",
		"o" + stamp + ".flv": "removed", // whoever wrote its four bytes
		"u" + stamp + ".flv": "finished", "w" + stamp + ".mp4": "finished", "z" + stamp + ".mp4": "failed", "t" + stamp + ".flv": "failed",
		"x" + stamp + ".flv": "failed", "y" + stamp + ".mp4": "finished",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	after := state(t, dir)
	for name, what := range want {
		_, exists := after[name]
		if exists != (what != "removed") || what == "finished" && before[name] == after[name] || what == "failed" && before[name] != after[name] {
			t.Errorf("%s: %s, exists %v", name, what, exists)
		}
		delete(before, name)
		delete(after, name)
	}
	if !maps.Equal(before, after) {
		t.Error("other files were touched")
	}
	recoverAll()
	if diff := cmp.Diff(map[string]string{"t" + stamp + ".flv": "failed", "x" + stamp + ".flv": "failed", "z" + stamp + ".mp4": "failed"}, got); diff != "" {
		t.Errorf("the second time: -want +got\n%s", diff)
	}
	if err := Recover(t.Context(), filepath.Join(dir, "missing"), nil, nil); err == nil {
		t.Error("no directory: no error")
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.flv", "a.mp4", "c.MP4", ".hidden.flv", "notes.txt", "sub/d.flv"} {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, p, nil)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{dir, link} {
		want := []string{filepath.Join(root, "a.mp4"), filepath.Join(root, "b.flv"), filepath.Join(root, "c.MP4"), filepath.Join(root, "sub", "d.flv")}
		want = append(want, filepath.Join(root, "notes.txt"), "missing")
		if diff := cmp.Diff(want, Find([]string{root, filepath.Join(root, "notes.txt"), "missing"})); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
}

// counting counts the bytes that are read.
type counting struct {
	io.ReaderAt
	read int
}

func (c *counting) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.read += n
	return n, err
}

// A file that was closed costs little however long it is; one that was not, or is cut,
// or whose ends are damaged, is found.
func TestFinished(t *testing.T) {
	openFLV, closedFLV := flvFile(t, stream(20000))
	openMP4, closedMP4, ends := mp4File(t, 60, 0)
	damaged := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 1
		return b
	}
	for name, tt := range map[string]struct {
		b     []byte
		named bool
		want  bool
	}{
		"closed FLV": {closedFLV, true, true}, "open FLV": {openFLV, true, false}, "open FLV, renamed": {openFLV, false, false},
		"cut FLV": {closedFLV[:len(closedFLV)-1000], true, false}, "FLV, damaged tail": {damaged(closedFLV, len(closedFLV)-1), true, false},
		"FLV, damaged head": {damaged(closedFLV, 3), true, false}, "FLV that has grown": {append(bytes.Clone(closedFLV), 0), true, false},
		"closed MP4": {closedMP4, true, true}, "open MP4": {openMP4, true, false}, "open MP4, renamed": {openMP4, false, false},
		"cut MP4": {closedMP4[:ends[30]], true, false}, "MP4, damaged moov": {damaged(closedMP4, len(closedMP4)-300), true, false},
		"MP4, damaged head": {damaged(closedMP4, 9), true, false},
		"somebody's":        {foreignFLV(stream(12)), false, true}, "somebody's, named like ours": {foreignFLV(stream(12)), true, false},
		"empty": {nil, true, false},
	} {
		c := &counting{ReaderAt: bytes.NewReader(tt.b)}
		if got := finishedFile(c, int64(len(tt.b)), tt.named); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
		if name == "closed FLV" && (c.read > 50<<10 || len(tt.b) < 20*c.read) {
			t.Errorf("%s: %d bytes of %d were read", name, c.read, len(tt.b))
		}
	}
}

func TestRecoverInterrupted(t *testing.T) {
	dir := t.TempDir()
	open, _ := flvFile(t, stream(12))
	put(t, filepath.Join(dir, "a_20260115_143022.flv"), open)
	before := state(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	files := 0
	err := Recover(ctx, dir, func(n int) { files = n; cancel() }, func(r Recovered) { t.Errorf("%+v", r) })
	if !errors.Is(err, context.Canceled) || files != 1 || !maps.Equal(before, state(t, dir)) {
		t.Error(err, files)
	}
}
