package recfile

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What is old, closed, whole and ours goes; everything else stays.
func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	openFLV, closedFLV := flvFile(t, stream(12))
	openMP4, closedMP4, _ := mp4File(t, 12, 0)
	const stamp = "_20260115_143022"
	now := time.Now()
	files := map[string]struct {
		b    []byte
		age  time.Duration
		gone bool
	}{
		"a" + stamp + ".flv":       {closedFLV, 8 * time.Hour, true},
		"b" + stamp + "-2.mp4":     {closedMP4, 9 * time.Hour, true},
		"c" + stamp + ".flv":       {closedFLV, 6 * time.Hour, false},
		"d" + stamp + ".flv":       {openFLV, 8 * time.Hour, false},
		"e" + stamp + ".mp4":       {openMP4[:len(openMP4)-3], 8 * time.Hour, false},
		"f" + stamp + ".flv":       {foreignFLV(stream(12)), 8 * time.Hour, false},
		"g" + stamp + ".mp4":       {foreignMP4(t, "faststart.mp4"), 8 * time.Hour, false},
		"h" + stamp + ".fixed.flv": {closedFLV, 8 * time.Hour, false},
		"i" + stamp + ".flv":       {closedFLV, 8 * time.Hour, false}, // in use
		"j" + stamp + ".flv":       {nil, 8 * time.Hour, false},
		"k" + stamp + ".flv":       {closedFLV, 56 * 365 * 24 * time.Hour, false}, // of 1970
		"renamed.flv":              {closedFLV, 8 * time.Hour, false},
		"notes.txt":                {[]byte("keep me"), 8 * time.Hour, false},
	}
	for name, f := range files {
		p := filepath.Join(dir, name)
		put(t, p, f.b)
		if err := os.Chtimes(p, now, now.Add(-f.age)); err != nil {
			t.Fatal(err)
		}
	}
	hold(t, filepath.Join(dir, "i"+stamp+".flv"))
	k := NewKeeper(dir, 7*time.Hour)
	for round := range 2 {
		removed := map[string]bool{}
		if err := k.Sweep(t.Context(), now, func(x Expired) {
			removed[filepath.Base(x.Path)] = x.Err == nil && x.Size > 0 && x.Age > 7*time.Hour
		}); err != nil {
			t.Fatal(err)
		}
		left := slices.Sorted(maps.Keys(state(t, dir)))
		for name, f := range files {
			if slices.Contains(left, name) == f.gone {
				t.Errorf("%s: gone %v", name, f.gone)
			}
			if removed[name] != (f.gone && round == 0) {
				t.Errorf("round %d: %s: reported %v", round, name, removed[name])
			}
		}
	}
	if err := NewKeeper(filepath.Join(dir, "missing"), time.Hour).Sweep(t.Context(), now, nil); err == nil {
		t.Error("no directory: no error")
	}
}

// What stays is not read again until it changes: then it may be whole.
func TestKeeperLooksAgain(t *testing.T) {
	open, closed := flvFile(t, stream(12))
	p := path(t, ourFile+".flv", open)
	old := func() {
		if err := os.Chtimes(p, time.Now(), time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	old()
	k := NewKeeper(filepath.Dir(p), time.Minute)
	sweep := func() (n int) {
		if err := k.Sweep(t.Context(), time.Now(), func(x Expired) { n++ }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := sweep(); n != 0 || len(k.spared) != 1 {
		t.Errorf("%d reported, %v spared", n, k.spared)
	}
	put(t, p, closed)
	old()
	if n := sweep(); n != 1 || len(k.spared) != 0 {
		t.Errorf("%d reported, %v spared", n, k.spared)
	}
	if _, err := os.Stat(p); err == nil {
		t.Error("a whole file is still there")
	}
}

// A file that was old when the directory was listed, and was mended, taken, replaced or removed
// since, stays as it is, without an error.
func TestKeeperLooksUnderTheLock(t *testing.T) {
	_, closed := flvFile(t, stream(12))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, since := range map[string]func(p string){
		"mended":   func(p string) { put(t, p, closed) },
		"taken":    func(p string) { hold(t, p) },
		"replaced": func(p string) { put(t, p+"~", closed[:99]); must(os.Rename(p+"~", p)) },
		"removed":  func(p string) { must(os.Remove(p)) },
	} {
		p := path(t, ourFile+".flv", closed)
		now := time.Now()
		must(os.Chtimes(p, now, now.Add(-time.Hour)))
		info, err := os.Stat(p)
		must(err)
		since(p)
		before := state(t, filepath.Dir(p))
		k := NewKeeper(filepath.Dir(p), time.Minute)
		if x, removed := k.expire(info, now); removed || x.Err != nil || !maps.Equal(before, state(t, filepath.Dir(p))) {
			t.Errorf("%s: removed %v, %v", name, removed, x.Err)
		}
	}
}
