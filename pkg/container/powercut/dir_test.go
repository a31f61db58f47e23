package powercut

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// outcomes lists the states that come, as names and what is in the files.
func outcomes(d *Dir) map[string]bool {
	all := make(map[string]bool)
	for c := range d.Cuts(random(), 400) {
		s := ""
		for _, name := range slices.Sorted(maps.Keys(c.Files)) {
			s += fmt.Sprintf("%s=%q ", name, c.Files[name].Data)
		}
		all[s] = true
	}
	return all
}

func wantOutcomes(t *testing.T, what string, d *Dir, want ...string) {
	t.Helper()
	got := outcomes(d)
	for _, w := range want {
		if !got[w] {
			t.Errorf("%s: never %q", what, w)
		}
		delete(got, w)
	}
	if len(got) > 0 {
		t.Errorf("%s: states that cannot be: %v", what, got)
	}
}

// A name is durable when its directory is synced, whatever is synced of the file, and
// what is in the file when that is.
func TestDirNames(t *testing.T) {
	d := NewDir(map[string][]byte{"old": []byte("x")})
	f := d.Create("new")
	if _, err := f.WriteAt([]byte("abc"), 0); err != nil {
		t.Fatal(err)
	}
	zeros := string(make([]byte, 3))
	wantOutcomes(t, "created", d, `old="x" `, `new="" old="x" `, `new="abc" old="x" `, fmt.Sprintf("new=%q old=%q ", zeros, "x"))
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, "the file synced", d, `old="x" `, `new="abc" old="x" `)
	d.Sync()
	wantOutcomes(t, "the directory synced", d, `new="abc" old="x" `)
	if err := d.Remove("old"); err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, "removed", d, `new="abc" old="x" `, `new="abc" `)
	d.Sync()
	wantOutcomes(t, "the removal synced", d, `new="abc" `)
	if d.Remove("old") == nil || d.Rename("old", "new") == nil || d.Link("old", "newer") == nil || d.File("old") != nil {
		t.Error("a file that is gone")
	}
}

// A rename is done or not; of a link and a removal there may be either alone.
func TestDirRename(t *testing.T) {
	d := NewDir(map[string][]byte{"a": []byte("x"), "b": []byte("y")})
	if err := d.Rename("a", "b"); err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, "renamed", d, `a="x" b="y" `, `b="x" `)

	d = NewDir(map[string][]byte{"a": []byte("x")})
	if err := d.Link("a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("a"); err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, "linked", d, `a="x" `, `a="x" b="x" `, `b="x" `, ``)
	if _, err := d.File("b").WriteAt([]byte("z"), 0); err != nil {
		t.Fatal(err)
	}
	for c := range d.Cuts(random(), 200) {
		if len(c.Files) == 2 && string(c.Files["a"].Data) != string(c.Files["b"].Data) {
			t.Fatalf("%s: one file under two names differs", c.How)
		}
	}
}
