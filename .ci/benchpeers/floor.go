package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rtmptool/rtmptool/internal/bench"
)

// The floor is what the system alone takes on this machine in this minute: a process of one
// thread that reads a publisher's video frame with its sound, writes it to each of its viewers
// in one call, and to its file in another, and does nothing else. Frames that wait for others
// come together, and all are of one size.

const defaultFPS = 30

// floorSpec is the load of a floor, as JSON for the child.
type floorSpec struct {
	Publishers, Players int           // players of each
	Size                int           // bytes of a frame
	Every               time.Duration // a publisher's next frame
	Dir                 string        // where each publisher is recorded; empty: nowhere
}

func (s scenario) floor(dir string) floorSpec {
	f := floorSpec{Every: max(time.Second/time.Duration(s.fps()), s.wait)}
	f.Publishers, _ = strconv.Atoi(s.flag("--publishers"))
	f.Players, _ = strconv.Atoi(s.flag("--players"))
	f.Size = int(s.bitrate() / 8 * f.Every.Seconds())
	if s.record != "" {
		f.Dir = dir
	}
	return f
}

// measureFloor returns the processor time of that in s a GB delivered, or taken in where
// nobody plays.
func measureFloor(ctx context.Context, sc scenario, duration time.Duration) (float64, error) {
	dir, err := os.MkdirTemp("", "floor-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	spec := sc.floor(dir)
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, self, "-floor", string(text))
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
	lines := bufio.NewReader(out)
	publishers, err := dialFloor(lines, spec.Publishers)
	if err != nil {
		return 0, err
	}
	players, err := dialFloor(lines, spec.Publishers*spec.Players)
	if err != nil {
		return 0, err
	}
	defer func() {
		for _, c := range append(publishers, players...) {
			c.Close()
		}
	}()
	for _, c := range players {
		go io.Copy(io.Discard, struct{ io.Reader }{c})
	}
	var sent atomic.Int64 // bytes
	for i, c := range publishers {
		go spec.publish(c, spec.Every*time.Duration(i)/time.Duration(spec.Publishers), &sent) // as bench does
	}
	time.Sleep(time.Second)
	before, _, _ := bench.UsageOf(cmd.Process.Pid)
	begin := sent.Load()
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(duration):
	}
	after, _, ok := bench.UsageOf(cmd.Process.Pid)
	if !ok {
		return 0, errors.New("the process has ended")
	}
	return (after - before).Seconds() / (float64(sent.Load()-begin) * float64(max(spec.Players, 1)) / 1e9), nil
}

// dialFloor connects to the address that the child prints.
func dialFloor(lines *bufio.Reader, times int) (all []net.Conn, err error) {
	address, err := lines.ReadString('\n')
	if err != nil {
		return nil, err
	}
	for range times {
		c, err := net.Dial("tcp", strings.TrimSpace(address))
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// publish sends frames until the connection ends, the first one after a while, and counts
// their bytes.
func (f floorSpec) publish(c net.Conn, after time.Duration, sent *atomic.Int64) {
	time.Sleep(after)
	frame := make([]byte, f.Size)
	every := time.NewTicker(f.Every)
	defer every.Stop()
	for range every.C {
		if _, err := c.Write(frame); err != nil {
			return // the measurement is over
		}
		sent.Add(int64(f.Size))
	}
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
	f := s.floor("")
	return f.Publishers * f.Players
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
