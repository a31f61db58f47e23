package recfile

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/internal/recfile/recfiletest"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// What recfiletest makes, under the names that the tests use.
var (
	unhex       = recfiletest.Unhex
	stream      = recfiletest.Stream
	flvFile     = recfiletest.FLV
	foreignFLV  = recfiletest.ForeignFLV
	finishedFLV = recfiletest.FinishedFLV
	mp4File     = recfiletest.MP4
)

// ourFile is a name that a recorder gives, but for its ending.
const ourFile = "live_main_20260115_143022"

func path(t testing.TB, name string, b []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	put(t, p, b)
	return p
}

func put(t testing.TB, p string, b []byte) {
	t.Helper()
	if err := os.WriteFile(p, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, p string) []byte {
	t.Helper()
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// state is everything that a directory holds.
func state(t testing.TB, dir string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			all[e.Name()] = sha256.Sum256(get(t, filepath.Join(dir, e.Name())))
		}
	}
	return all
}

func foreignMP4(t testing.TB, name string) []byte {
	return get(t, filepath.Join("../../pkg/bmff/testdata/foreign", name))
}

func inspect(t testing.TB, p string) *Recording {
	t.Helper()
	r, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fix(t testing.TB, p string) Fixed {
	t.Helper()
	f, err := Fix(p, false)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func codes(r *Recording) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Code)
	}
	return strings.Join(all, " ")
}

// hold locks a file until the test ends.
func hold(t testing.TB, p string) *os.File {
	t.Helper()
	f, err := os.OpenFile(p, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := container.TryLock(f); err != nil {
		t.Fatal(err)
	}
	return f
}
