package cmd

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write docs/cli anew")

// docs/cli has a page for each command, as the program itself describes it.
func TestDocs(t *testing.T) {
	dir := filepath.Join("..", "docs", "cli")
	fresh := t.TempDir()
	root := NewRoot()
	root.DisableAutoGenTag = true // no date: pages change when the program does
	if err := doc.GenMarkdownTree(root, fresh); err != nil {
		t.Fatal(err)
	}
	want := readPages(t, fresh)
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(dir, os.DirFS(fresh)); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(readPages(t, dir), want); diff != "" {
		t.Errorf("docs/cli is stale (go test ./cmd -run TestDocs -update writes it anew):\n%s", diff)
	}
}

// readPages returns the text of every file in a directory by its name.
func readPages(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, e := range entries {
		page, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		pages[e.Name()] = string(page)
	}
	return pages
}
