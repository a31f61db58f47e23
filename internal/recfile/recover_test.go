package recfile

import (
	"bytes"
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
		"x" + stamp + ".flv": slices.Concat(headOnly, []byte{9}, make([]byte, 2<<20)), // hours, maybe
		"y" + stamp + ".mp4": otherID,                                                 // nothing but the mark of the head is wrong
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
		err := Recover(dir, func(r Recovered) {
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
		"u" + stamp + ".flv": "finished", "w" + stamp + ".mp4": "failed", "t" + stamp + ".flv": "failed",
		"x" + stamp + ".flv": "failed", "y" + stamp + ".mp4": "failed",
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
	if diff := cmp.Diff(map[string]string{"t" + stamp + ".flv": "failed", "w" + stamp + ".mp4": "failed", "x" + stamp + ".flv": "failed", "y" + stamp + ".mp4": "failed"}, got); diff != "" {
		t.Errorf("the second time: -want +got\n%s", diff)
	}
	if err := Recover(filepath.Join(dir, "missing"), nil); err == nil {
		t.Error("no directory: no error")
	}
}

// A file that was taken or finished between two looks stays.
func TestRemoveIfLooksAgain(t *testing.T) {
	open, _ := flvFile(t, stream(2))
	p := path(t, ourFile+".flv", open)
	if removed, err := removeIf(p, (*Recording).isRemnant); removed || err != nil {
		t.Error("removed a recording", err)
	}
	put(t, p, nil)
	held := hold(t, p)
	if removed, err := removeIf(p, (*Recording).isRemnant); removed || err != nil {
		t.Error("removed a file in use", err)
	}
	held.Close()
	if removed, err := removeIf(p, (*Recording).isRemnant); !removed || err != nil {
		t.Error("did not remove a remnant", err)
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
