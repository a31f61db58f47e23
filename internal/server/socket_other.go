//go:build !linux

package server

import (
	"net"
	"time"
)

// limitBacklog does nothing: only Linux is known to stop accepting data early.
func limitBacklog(*net.TCPConn) {}

// socket waits with every write: viewers keep their goroutines.
type socket struct{ *net.TCPConn }

func newSocket(conn *net.TCPConn) *socket { return &socket{conn} }

// WriteBuffers writes in as few calls as there can be.
func (s *socket) WriteBuffers(pieces *net.Buffers) (int64, error) { return pieces.WriteTo(s.TCPConn) }

// ReadLater reads at once: only Linux is known to gather what comes without waking anybody.
func (s *socket) ReadLater(b []byte, _ time.Time) (int, error) { return s.Read(b) }
