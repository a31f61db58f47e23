package server

import (
	"net"

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
