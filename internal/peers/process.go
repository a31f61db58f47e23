package peers

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// stopGrace is how long a program may take to end after Stop has asked it to.
const stopGrace = 10 * time.Second

// Process is a program that runs beside a test. It never outlives the test.
type Process struct {
	name           string
	cmd            *exec.Cmd
	stdout, stderr buffer
	done           chan struct{} // closed when it has ended
	err            error         // how it ended; valid once done is closed
}

// Run runs a program to its end and returns what it wrote. A program that has not ended within
// timeout is killed, which is an error.
func Run(tb testing.TB, timeout time.Duration, name string, args ...string) (stdout, stderr string, err error) {
	tb.Helper()
	p := Start(tb, name, args...)
	err = p.Wait(timeout)
	return p.Stdout(), p.Stderr(), err
}

// Start starts a program; it is killed at the end of the test if it still runs then.
func Start(tb testing.TB, name string, args ...string) *Process {
	tb.Helper()
	return StartCmd(tb, exec.Command(name, args...))
}

// StartCmd is Start for a command that needs a directory, an environment or a standard input.
func StartCmd(tb testing.TB, cmd *exec.Cmd) *Process {
	tb.Helper()
	p := &Process{name: filepath.Base(cmd.Path), cmd: cmd, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.stderr
	}
	cmd.WaitDelay = stopGrace // a grandchild may hold the pipes open
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		tb.Fatalf("cannot start %s: %v", p.name, err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	tb.Cleanup(p.Kill)
	return p
}

// Wait waits until the program has ended; after timeout it kills it. The error holds the end of
// what the program wrote to its standard error.
func (p *Process) Wait(timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s: not done after %v, killed\n%s", p.name, timeout, tail(p.Stderr()))
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name, p.err, tail(p.Stderr()))
	}
	return nil
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Stop asks the program to end, as Ctrl-C does, and waits until it has; it kills it after a while.
// FFmpeg ends its stream properly then, and returns 255.
func (p *Process) Stop() error {
	if p.Signal(os.Interrupt) != nil { // has ended already, or a system without signals
		p.Kill()
	}
	return p.Wait(stopGrace)
}

// Signal sends a signal to the program, not to its children.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the program and its children at once, and waits until it has ended.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	killGroup(p.cmd)
	<-p.done
}

// PID is the program's process id: .ci/tools' wrappers become the program itself.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout returns what the program has written to its standard output so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr returns what the program has written to its standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// buffer may be read while the program writes.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
