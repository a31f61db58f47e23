package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The program as it is packed is one file that is soon copied, and costs little while
// nobody uses it. Most of the memory is the program itself, which the system can drop.
func TestPackedProgram(t *testing.T) {
	const mostBytes, mostMemory = 25_000_000, 15_000_000
	path := filepath.Join(t.TempDir(), "rtmptool")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "../..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	memory := serveBy(t, func(args ...string) *exec.Cmd {
		cmd := program(args...)
		cmd.Path = path
		return cmd
	}).memory()
	t.Logf("a file of %d bytes, %d bytes of memory while idle", info.Size(), memory)
	if info.Size() > mostBytes {
		t.Errorf("the program has %d bytes, at most %d are allowed", info.Size(), mostBytes)
	}
	if memory >= mostMemory {
		t.Errorf("an idle server takes %d bytes, fewer than %d are allowed", memory, mostMemory)
	}
}
