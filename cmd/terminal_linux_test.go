package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rtmptool/rtmptool/internal/recfile/recfiletest"
)

// openTerminal makes a pseudo-terminal.
func openTerminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(user.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100})
	}
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return user, program
}

// onTerminal runs the program with a terminal as its stderr. It calls seen with all
// that the terminal was sent, each time that there is more.
func onTerminal(t *testing.T, seen func(p *os.Process, screen string), args ...string) (code int, stdout, screen string) {
	t.Helper()
	user, program := openTerminal(t)
	c := exec.Command("rtmptool", args...) // testscript.Main has put it on PATH
	c.Env = append(os.Environ(), "TERM=xterm")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, program
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	program.Close()
	watchdog := time.AfterFunc(patience, func() { c.Process.Kill() })
	defer watchdog.Stop()
	var all bytes.Buffer
	for buf := make([]byte, 4096); ; {
		n, err := user.Read(buf)
		all.Write(buf[:n])
		seen(c.Process, all.String())
		if err != nil { // the program has ended
			break
		}
	}
	_ = c.Wait()
	return c.ProcessState.ExitCode(), out.String(), all.String()
}

// vast makes a recording that ends in a hole, which takes long to search.
func vast(t *testing.T, size int64) string {
	t.Helper()
	open, _, _ := recfiletest.MP4(t, 12, 0)
	p := filepath.Join(t.TempDir(), "live_main_20260115_143022.mp4")
	if err := os.WriteFile(p, open, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(p, size); err != nil {
		t.Fatal(err)
	}
	return p
}

// A terminal shows how far long work is, and an interrupt ends it.
func TestProgressOnTerminal(t *testing.T) {
	t.Parallel()
	p := vast(t, 1<<40)
	line := regexp.MustCompile(`1 of 1  live_main_20260115_143022\.mp4  \d+\.\d of 1099\.5 GB  \d+(\.\d)? [kMG]B/s  [\d:]+ left`)
	interrupted := false
	code, stdout, screen := onTerminal(t, func(p *os.Process, screen string) {
		if len(line.FindAllString(screen, -1)) >= 2 && !interrupted { // it is drawn again
			interrupted = true
			if err := p.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
		}
	}, "inspect", "--format", "json", p)
	if code != 1 || !interrupted {
		t.Errorf("exit %d, %q", code, screen)
	}
	var file struct{ Error string }
	if err := json.Unmarshal([]byte(stdout), &file); err != nil || !strings.HasSuffix(file.Error, ": interrupted") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("%v: %q", err, stdout)
	}
	if !strings.HasSuffix(screen, "\x1b[1A\r\x1b[J") {
		t.Errorf("the line stays: %q", screen[max(0, len(screen)-100):])
	}
}

// Asked to be quiet, or done in an instant, it shows nothing.
func TestNoProgressOnTerminal(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"inspect", "-q", vast(t, 1<<30)}, {"inspect", vast(t, 1<<20)}, {"fix", vast(t, 1<<20)}} {
		_, stdout, screen := onTerminal(t, func(*os.Process, string) {}, args...)
		if screen != "" || !strings.HasPrefix(stdout, args[len(args)-1]+"  ") {
			t.Errorf("%s: stdout %q, the terminal %q", args[0], stdout, screen)
		}
	}
}
