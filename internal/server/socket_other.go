//go:build !linux

package server

import "net"

// limitBacklog does nothing: only Linux is known to stop accepting data early.
func limitBacklog(*net.TCPConn) {}

// socket waits with every write: viewers keep their goroutines.
type socket struct{ *net.TCPConn }

func newSocket(conn *net.TCPConn) *socket { return &socket{conn} }

// WriteBuffers writes in as few calls as there can be.
func (s *socket) WriteBuffers(pieces *net.Buffers) (int64, error) { return pieces.WriteTo(s.TCPConn) }

// receive reads when something comes: only Linux is known to gather it without waking anybody.
func (c *timedConn) receive(b []byte) (int, error) { return c.socket.Read(b) }
