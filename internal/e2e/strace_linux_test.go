package e2e

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/pkg/container/powercut"
)

// traced runs the program under strace, which notes what is done to files.
type traced struct {
	t    testing.TB
	path string // of the notes
}

func newTraced(t testing.TB) traced {
	return traced{t, filepath.Join(t.TempDir(), "trace")}
}

// command is the program, with strace as a process of its own beside it, so that
// signals reach the program.
func (tr traced) command(args ...string) *exec.Cmd {
	const calls = "openat,pwrite64,pwritev,ftruncate,fdatasync,fsync,renameat,renameat2,linkat,unlinkat,write,copy_file_range,sendfile"
	options := []string{"-D", "-f", "-y", "-xx", "-s", "100000000", "-e", "trace=" + calls, "-e", "signal=none", "-o", tr.path, binary}
	cmd := exec.Command(peers.Strace(tr.t), append(options, args...)...)
	cmd.Env = program().Env
	return cmd
}

// ops waits until the program has ended, and returns what it did in a directory.
func (tr traced) ops(dir string) []diskOp {
	tr.t.Helper()
	var lines []string
	await(tr.t, "the end of the trace", func() bool {
		b, err := os.ReadFile(tr.path)
		lines = strings.Split(strings.TrimSpace(string(b)), "\n")
		first, _, _ := strings.Cut(lines[0], " ") // the program's process, padded if its number is short
		last := strings.Fields(lines[len(lines)-1])
		return err == nil && len(last) > 1 && last[0] == first && last[1] == "+++"
	})
	ops, err := parseTrace(lines, dir)
	if err != nil {
		tr.t.Fatal(err)
	}
	return ops
}

// diskOp is something that was done to a directory or to a file in it.
type diskOp struct {
	call string
	name string // in the directory; empty: the directory itself
	to   string // the other name
	at   int64  // of a write, or the size of a truncate
	data []byte
}

func (op diskOp) isSync() bool { return op.call == "fdatasync" || op.call == "fsync" }

// apply does the same to a directory.
func (op diskOp) apply(d *powercut.Dir) error {
	var err error
	f := d.File(op.name)
	switch {
	case op.isSync() && op.name == "":
		d.Sync()
	case op.call == "openat":
		d.Create(op.name)
	case op.call == "linkat":
		err = d.Link(op.name, op.to)
	case op.call == "renameat", op.call == "renameat2":
		err = d.Rename(op.name, op.to)
	case op.call == "unlinkat":
		err = d.Remove(op.name)
	case f == nil:
		err = fmt.Errorf("%s of %s, which is not there", op.call, op.name)
	case op.isSync():
		err = f.Sync()
	case op.call == "ftruncate":
		err = f.Truncate(op.at)
	default:
		_, err = f.WriteAt(op.data, op.at)
	}
	return err
}

var (
	traceLine  = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (\d+)`)
	unfinished = regexp.MustCompile(`^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)`)
)

// parseTrace reads the lines of strace. A sync counts from when it was called, all else
// from when it returned: what happens meanwhile no sync has covered.
func parseTrace(lines []string, dir string) ([]diskOp, error) {
	var ops []diskOp
	open := make(map[string]string) // by process: the arguments of a call that goes on
	var failed error
	add := func(call, args string) {
		op, ok, err := parseOp(call, args, dir)
		if ok {
			ops = append(ops, op)
		}
		failed = errors.Join(failed, err)
	}
	for _, line := range lines {
		if m := unfinished.FindStringSubmatch(line); m != nil {
			if open[m[1]] = m[3]; isSyncCall(m[2]) {
				add(m[2], m[3])
			}
		} else if m := resumed.FindStringSubmatch(line); m != nil {
			if isSyncCall(m[2]) {
				if m[4] != "0" {
					return nil, fmt.Errorf("a sync failed: %.200s", line)
				}
			} else if !strings.HasPrefix(m[4], "-") {
				add(m[2], open[m[1]]+m[3])
			}
		} else if m := traceLine.FindStringSubmatch(line); m != nil {
			add(m[2], m[3])
		}
	}
	return ops, failed
}

func isSyncCall(call string) bool { return call == "fdatasync" || call == "fsync" }

var hexText = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"|<((?:\\x[0-9a-f]{2})*)>`)

// parseOp reads one call; false if it is of no concern to a directory.
func parseOp(call, args, dir string) (op diskOp, ok bool, err error) {
	texts := hexText.FindAllStringSubmatch(args, -1)
	path := func(i int) string { return unhexText(texts[i][1] + texts[i][2]) }
	in := func(path string) (string, bool) {
		if path == dir {
			return "", true
		}
		return filepath.Base(path), filepath.Dir(path) == dir
	}
	if len(texts) == 0 {
		return op, false, nil
	}
	op.call = call
	switch call {
	case "openat":
		if !strings.Contains(args, "O_CREAT") {
			return op, false, nil
		}
		op.name, ok = in(path(1))
	case "renameat", "renameat2", "linkat": // a directory and a path, twice
		op.name, ok = in(path(1))
		op.to, _ = in(path(3))
	case "unlinkat":
		op.name, ok = in(path(1))
	case "fdatasync", "fsync":
		op.name, ok = in(path(0))
	case "ftruncate":
		op.name, ok = in(path(0))
		op.at, err = lastNumber(args)
	case "pwrite64":
		op.name, ok = in(path(0))
		op.data = []byte(path(1))
		op.at, err = lastNumber(args)
	default:
		if _, ours := in(path(0)); ours {
			err = fmt.Errorf("%s to a recording, of which the test knows nothing", call)
		}
	}
	return op, ok, err
}

func lastNumber(args string) (int64, error) {
	return strconv.ParseInt(strings.TrimSpace(args[strings.LastIndex(args, ",")+1:]), 10, 64)
}

func unhexText(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}
