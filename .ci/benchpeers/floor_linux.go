package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// floor is the child: it ends with its standard input, or with a connection.
func floor(ctx context.Context, text string) error {
	var spec floorSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // the thread below waits for the system
	}()
	publishers, err := acceptFloor(spec.Publishers)
	if err != nil {
		return err
	}
	players, err := acceptFloor(spec.Publishers * spec.Players)
	if err != nil {
		return err
	}
	sources := make(map[int32]*source, len(publishers))
	for i, fd := range publishers {
		s := &source{fd: fd, players: players[i*spec.Players : (i+1)*spec.Players], file: -1}
		sources[int32(fd)] = s
		if spec.Dir == "" {
			continue
		}
		if s.file, err = unix.Open(filepath.Join(spec.Dir, strconv.Itoa(i)), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600); err != nil {
			return err
		}
	}
	if spec.Dir != "" {
		go syncAll(ctx, sources)
	}
	runtime.LockOSThread()
	return forward(sources, spec.Size)
}

// source is a publisher.
type source struct {
	fd      int
	have    int // bytes of the frame that is here
	players []int
	file    int // -1: not recorded
	at      int64
}

// acceptFloor prints an address and takes so many connections out of Go's hands.
func acceptFloor(times int) (all []int, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	fmt.Println(l.Addr())
	for range times {
		c, err := l.Accept()
		if err != nil {
			return nil, err
		}
		raw, err := c.(*net.TCPConn).SyscallConn()
		if err != nil {
			return nil, err
		}
		n := 0
		if e := raw.Control(func(fd uintptr) { n, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); errors.Join(e, err) != nil {
			return nil, errors.Join(e, err)
		}
		all = append(all, n)
		c.Close()
	}
	return all, nil
}

// forward passes frames on, until it is ended. Connections end before that.
func forward(sources map[int32]*source, size int) error {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	for fd := range sources {
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: fd}); err != nil {
			return err
		}
	}
	frame := make([]byte, size) // its bytes do not matter
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(epoll, events, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range events[:n] {
			s := sources[e.Fd]
			n, _ := unix.Read(s.fd, frame[s.have:])
			if n <= 0 {
				_ = unix.EpollCtl(epoll, unix.EPOLL_CTL_DEL, s.fd, nil)
				continue
			}
			if s.have += n; s.have < size {
				continue
			}
			s.have = 0
			for _, fd := range s.players {
				writeFrame(fd, frame)
			}
			if s.file < 0 {
				continue
			}
			if _, err := unix.Pwrite(s.file, frame, s.at); err != nil {
				return err
			}
			s.at += int64(size)
		}
	}
}

// writeFrame waits for a player that is slow, and forgets one that is gone.
func writeFrame(fd int, frame []byte) {
	for len(frame) > 0 {
		n, err := unix.Write(fd, frame)
		switch {
		case errors.Is(err, unix.EAGAIN):
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
		case err != nil:
			return
		default:
			frame = frame[n:]
		}
	}
}

// syncAll makes files durable once a second, as serve does by default.
func syncAll(ctx context.Context, sources map[int32]*source) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		for _, s := range sources {
			_ = unix.Fdatasync(s.file) // an error does not make it cheaper
		}
	}
}

// ownCPU is the processor time of this process, without its children.
func ownCPU() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
