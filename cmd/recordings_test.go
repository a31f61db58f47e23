package cmd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rtmptool/rtmptool/internal/recfile/recfiletest"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// recordings makes one file of each kind, by its name.
func recordings(t testing.TB) map[string][]byte {
	openFLV, closedFLV := recfiletest.FLV(t, recfiletest.Stream(12))
	openMP4, closedMP4, ends := recfiletest.MP4(t, 12, 6)
	damagedFLV := bytes.Clone(openFLV)
	damagedFLV[bytes.Index(openFLV, recfiletest.Unhex("2701000000"))-11] = 77 // the type of a tag
	damagedMP4 := bytes.Clone(openMP4)
	clear(damagedMP4[ends[3]:ends[4]])
	rottenMP4, rottenFLV := bytes.Clone(closedMP4), bytes.Clone(closedFLV)
	rottenMP4[ends[3]-1] ^= 1
	rottenFLV[bytes.Index(closedFLV, recfiletest.Unhex("2701000000"))+6] ^= 1 // of the length of a NAL unit
	others := recfiletest.FinishedFLV(recfiletest.Stream(12), 1.205, true)
	return map[string][]byte{
		"others.flv": others, "cut.flv": others[:600], "cut.mp4": closedMP4[:ends[8]+5],
		"whole.flv": closedFLV, "unfinished.flv": openFLV[:len(openFLV)-5], "damaged.flv": damagedFLV, "nothing.flv": openFLV[:5000],
		"whole.mp4": closedMP4, "unfinished.mp4": openMP4[:len(openMP4)-5], "damaged.mp4": damagedMP4, "nothing.mp4": openMP4[:48],
		"rotten.mp4": rottenMP4, "rotten.flv": rottenFLV,
		"rebuild.mp4": closedMP4[:len(closedMP4)-9], "foreign.flv": recfiletest.ForeignFLV(recfiletest.Stream(12)), "text.flv": []byte("this is a text, no recording"),
		"fragmented.mp4": readAll(t, filepath.Join("..", "pkg", "bmff", "testdata", "foreign", "frag.mp4")),
	}
}

// makeRecordings NAME...: makes those of recordings.
func makeRecordings(all map[string][]byte) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		for _, name := range args {
			b, ok := all[filepath.Base(name)]
			if !ok {
				ts.Fatalf("no recording %s", name)
			}
			ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(name)), 0o755))
			ts.Check(os.WriteFile(ts.MkAbs(name), b, 0o644))
		}
	}
}

// hold FILE: locks a recording until the end of the script, as a recorder does.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	ts.Defer(func() { _ = f.Close() })
	ts.Check(container.TryLock(f))
}

// untouched FILE...: they are still as "make" made them.
func untouched(all map[string][]byte) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		for _, name := range args {
			b, err := os.ReadFile(ts.MkAbs(name))
			ts.Check(err)
			if bytes.Equal(b, all[filepath.Base(name)]) == neg {
				ts.Fatalf("%s: untouched is %v", name, neg)
			}
		}
	}
}

func readAll(t testing.TB, p string) []byte {
	t.Helper()
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
