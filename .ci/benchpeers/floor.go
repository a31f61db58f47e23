package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/bench"
)

// The floor is what the system alone takes on this machine in this minute: a process that
// writes each viewer a video frame with its sound in one call, or all that has come while
// they wait for others, and does nothing else.

const defaultFPS = 30

// measureFloor returns the processor time of that in s/GB, 0 where nobody plays.
func measureFloor(ctx context.Context, sc scenario, duration time.Duration) (float64, error) {
	viewers, every := sc.viewers(), max(time.Second/time.Duration(sc.fps()), sc.wait)
	size := int(sc.bitrate() / 8 * every.Seconds())
	if viewers == 0 {
		return 0, nil
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, "-floor", fmt.Sprintf("%d,%d,%d", viewers, size, every))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // its end is the child's
	if err != nil {
		return 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Wait()
	defer in.Close()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("floor: %w", err)
	}
	for range viewers {
		c, err := net.Dial("tcp", strings.TrimSpace(address))
		if err != nil {
			return 0, err
		}
		defer c.Close()
		go io.Copy(io.Discard, struct{ io.Reader }{c})
	}
	time.Sleep(time.Second)
	before, _, _ := bench.UsageOf(cmd.Process.Pid)
	begin := time.Now()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(duration):
	}
	after, _, ok := bench.UsageOf(cmd.Process.Pid)
	if !ok {
		return 0, errors.New("the floor's processor time is known on Linux only")
	}
	sent := float64(viewers*size) * time.Since(begin).Seconds() / every.Seconds()
	return (after - before).Seconds() / (sent / 1e9), nil
}

func (s scenario) flag(name string) string {
	for i, arg := range s.args {
		if arg == name {
			return s.args[i+1]
		}
	}
	return ""
}

func (s scenario) viewers() int {
	publishers, _ := strconv.Atoi(s.flag("--publishers"))
	players, _ := strconv.Atoi(s.flag("--players"))
	return publishers * players
}

func (s scenario) fps() int {
	if n, err := strconv.Atoi(s.flag("--fps")); err == nil {
		return n
	}
	return defaultFPS
}

func (s scenario) bitrate() float64 {
	text := s.flag("--bitrate")
	n, _ := strconv.ParseFloat(strings.TrimRight(text, "kM"), 64)
	if strings.HasSuffix(text, "M") {
		return n * 1e6
	}
	return n * 1e3
}

// floor is the child: it ends with its standard input.
func floor(ctx context.Context, spec string) error {
	var viewers, size int
	var period time.Duration
	if _, err := fmt.Sscanf(spec, "%d,%d,%d", &viewers, &size, &period); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Println(l.Addr())
	var conns []net.Conn
	for range viewers {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		defer c.Close()
		conns = append(conns, c)
	}
	frame := make([]byte, size)
	every := time.NewTicker(period)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		for _, c := range conns {
			if _, err := c.Write(frame); err != nil {
				return nil // the measurement is over
			}
		}
	}
}
