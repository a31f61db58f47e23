package bench

import (
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// discard counts what comes and, without TLS, has the system throw it away (MSG_TRUNC,
// tcp(7)).
func (d *discarder) discard() error {
	conn, ok := d.Conn.(*net.TCPConn)
	if !ok {
		return d.readAll()
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	const most = 4 << 20
	for {
		var n uintptr
		var failed unix.Errno
		err := raw.Read(func(fd uintptr) bool {
			n, _, failed = unix.Syscall6(unix.SYS_RECVFROM, fd, 0, most, unix.MSG_TRUNC, 0, 0)
			return failed != unix.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case failed == unix.EINTR:
			continue
		case failed != 0:
			return failed
		case n == 0:
			return io.EOF
		}
		if err := d.count(int(n)); err != nil {
			return err
		}
	}
}
