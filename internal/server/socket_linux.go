package server

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// backlog is how much unsent data the kernel takes for a viewer, in bytes. What a
// slow viewer has not got stays in the stream's ring, where it can be skipped.
const backlog = 256 << 10

// limitBacklog applies it. Without it the relay works too, only with stale video
// for slow viewers, so that an error does not matter.
func limitBacklog(conn *net.TCPConn) {
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, backlog)
		})
	}
}

// maxPieces is what one call takes (IOV_MAX).
const maxPieces = 1024

// socket is a connection whose reads and whose writes of chunks do not tell the scheduler
// that they call the system: they do not wait in it, and telling costs as much as the
// call. One goroutine at a time reads, and one writes chunks.
type socket struct {
	*net.TCPConn
	raw syscall.RawConn

	read    func(fd uintptr) bool // s.tryRead, made once
	into    []byte
	n       int
	readErr syscall.Errno
	drained bool // the last read took all there was

	now     func(fd uintptr)      // s.readNow, made once
	wait    func(fd uintptr) bool // s.tryWait, made once
	waited  bool
	gathers bool // the socket is ready once there is enough

	write    func(fd uintptr) // s.tryWrite, made once
	vectors  []syscall.Iovec
	written  int
	writeErr syscall.Errno
}

func newSocket(conn *net.TCPConn) *socket {
	s := &socket{TCPConn: conn}
	s.raw, _ = conn.SyscallConn() // fails for no connection at all
	s.read, s.now, s.wait, s.write = s.tryRead, s.readNow, s.tryWait, s.tryWrite
	return s
}

// Read implements io.Reader.
func (s *socket) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	s.into = b
	err := s.raw.Read(s.read)
	s.into = nil
	return s.result(err)
}

// tryRead returns false to be called again when there is something.
func (s *socket) tryRead(fd uintptr) bool {
	if s.gathers {
		s.gathers = false
		wakeAfter(fd, 1)
	}
	s.readNow(fd)
	return s.readErr != syscall.EAGAIN
}

func (s *socket) readNow(fd uintptr) {
	s.n, s.readErr = systemCall(syscall.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(s.into)), len(s.into))
	s.drained = s.n < len(s.into)
}

func (s *socket) result(err error) (int, error) {
	switch {
	case err != nil:
		return 0, err
	case s.readErr != 0:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: s.readErr}
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// enough bytes end the wait of ReadLater. They are much less than what the kernel takes for a
// connection at first, so that no publisher has to wait.
const enough = 32 << 10

// ReadLater reads what has come by a time, or earlier once there is enough, or the end: what comes
// before wakes nobody. If the last read left something it does not wait. The time is the read
// deadline from then on, and os.ErrDeadlineExceeded the error if there is nothing.
func (s *socket) ReadLater(b []byte, at time.Time) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if s.drained {
		if err := s.SetReadDeadline(at); err != nil {
			return 0, err
		}
		s.waited = false
		if err := s.raw.Read(s.wait); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
	}
	s.into = b
	err := s.raw.Control(s.now)
	s.into = nil
	if err == nil && s.readErr == syscall.EAGAIN {
		return 0, os.ErrDeadlineExceeded
	}
	return s.result(err)
}

// tryWait returns false once, to be called again when there is enough. Saying what is enough
// also tells of what is there already.
func (s *socket) tryWait(fd uintptr) bool {
	if s.waited {
		return true
	}
	s.waited, s.gathers = true, true
	wakeAfter(fd, enough)
	return false
}

// wakeAfter has a socket ready for reading once there are so many bytes, or their end. Without
// it more is woken than need be, so that an error does not matter.
func wakeAfter(fd uintptr, bytes int) {
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
}

// WriteBuffers waits until all is written, in as few calls as there can be.
func (s *socket) WriteBuffers(pieces *net.Buffers) (int64, error) { return pieces.WriteTo(s.TCPConn) }

// TryWriteBuffers makes one call that does not wait, whatever the deadline, and takes from
// the pieces what it has written.
func (s *socket) TryWriteBuffers(pieces *net.Buffers) (int64, error) {
	s.vectors = s.vectors[:0]
	for _, p := range (*pieces)[:min(len(*pieces), maxPieces)] {
		if len(p) > 0 {
			v := syscall.Iovec{Base: &p[0]}
			v.SetLen(len(p))
			s.vectors = append(s.vectors, v)
		}
	}
	s.written, s.writeErr = 0, 0
	err := s.raw.Control(s.write)
	clear(s.vectors)
	if err == nil && s.writeErr != 0 {
		err = s.writeErr
	}
	takeBytes(pieces, s.written)
	return int64(s.written), err
}

func (s *socket) tryWrite(fd uintptr) {
	s.written, s.writeErr = systemCall(syscall.SYS_WRITEV, fd, unsafe.Pointer(unsafe.SliceData(s.vectors)), len(s.vectors))
}

// systemCall makes a system call that does not wait.
func systemCall(what, fd uintptr, p unsafe.Pointer, n int) (int, syscall.Errno) {
	for {
		done, _, errno := syscall.RawSyscall(what, fd, uintptr(p), uintptr(n))
		switch errno {
		case 0:
			return int(done), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
