//go:build !linux

package server

import "net"

// limitBacklog does nothing: only Linux is known to stop accepting data early.
func limitBacklog(*net.TCPConn) {}
