package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/bench"
)

// running is a server at work.
type running struct {
	cmd  *exec.Cmd
	home string
	log  *os.File
	url  string // of a stream

	ended chan struct{} // closed then
	err   error         // how
}

// start returns once the server listens.
func start(ctx context.Context, dir string, s server, sc scenario) (r *running, err error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	r = &running{url: "rtmp://" + address + "/live/bench"}
	if s.secure {
		r.url = "rtmps" + strings.TrimPrefix(r.url, "rtmp")
	}
	if r.home, err = os.MkdirTemp(dir, "server-*"); err != nil {
		return nil, err
	}
	if r.log, err = os.Create(filepath.Join(r.home, "output")); err != nil {
		return nil, err
	}
	if r.cmd, err = s.command(r.home, port, sc); err != nil {
		return nil, err
	}
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	r.ended = make(chan struct{})
	go func() {
		r.err = r.cmd.Wait()
		close(r.ended)
	}()
	if err := await(ctx, address); err != nil {
		err = fmt.Errorf("%w\n%s", err, r.output())
		return nil, errors.Join(err, r.stop())
	}
	return r, nil
}

func (r *running) output() string {
	text, _ := os.ReadFile(r.log.Name())
	return string(text)
}

// stop ends the server as Ctrl-C does. The error is how it ended.
func (r *running) stop() error {
	_ = r.cmd.Process.Signal(os.Interrupt)
	dead := time.AfterFunc(15*time.Second, func() { _ = r.cmd.Process.Kill() })
	<-r.ended
	dead.Stop()
	_ = r.log.Close()
	return errors.Join(r.err, os.RemoveAll(r.home))
}

// bench runs rtmptool bench against the server, which must live on.
func (r *running) bench(ctx context.Context, tool string, duration time.Duration, args ...string) (result *bench.Result, err error) {
	all := append([]string{"bench", r.url, "--format", "json", "--quiet",
		"--duration", duration.String(), "--pid", strconv.Itoa(r.cmd.Process.Pid)}, args...)
	var stderr strings.Builder
	load := exec.CommandContext(ctx, tool, all...)
	load.Stderr = &stderr
	out, err := load.Output()
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return nil, err
	}
	select {
	case <-r.ended:
		return nil, fmt.Errorf("the server has ended: %w\n%s", cmp.Or(r.err, errors.New("exit code 0")), r.output())
	default:
		return result, nil
	}
}

// measure gives one server its turn.
func measure(ctx context.Context, dir, tool string, s server, sc scenario, duration time.Duration) (*bench.Result, error) {
	r, err := start(ctx, dir, s, sc)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	result, err := r.bench(ctx, tool, duration, sc.args...)
	if err == nil && sc.record != "" {
		err = r.recorded(result.Published.Bytes / 2) // the rest may not have been written yet
	}
	return result, err
}

// recorded is an error if there is less in the server's files: it must have been configured to record. It
// may write and rename them still.
func (r *running) recorded(least int64) error {
	const patience, pause = 5 * time.Second, 50 * time.Millisecond
	size := int64(0)
	for range patience / pause {
		size = 0
		_ = filepath.WalkDir(r.home, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil
			}
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
			return nil
		})
		if size >= least {
			return nil
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("%d bytes were recorded, want %d at least", size, least)
}

func await(ctx context.Context, address string) error {
	const patience, pause = 5 * time.Second, time.Millisecond
	for range patience / pause {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return errors.New("it does not listen")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
