package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

var errClosing = errors.New("the server is shutting down")

// admit counts a session in. The error says why there is no room for it.
func (s *Server) admit(sess *session) error {
	host := hostOf(sess.conn.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.full(host); err != nil {
		s.past.RefusedConnections++
		return err
	}
	s.conns[sess.conn.TCPConn] = sess
	s.hosts[host]++
	s.sessions.Add(1)
	return nil
}

// full says why there is no room for a connection. The caller holds the mutex.
func (s *Server) full(host netip.Addr) error {
	switch most := s.config.MaxPerAddress; {
	case s.closing:
		return errClosing
	case len(s.conns) >= s.config.MaxConnections:
		return fmt.Errorf("there are %d connections: raise --max-connections to allow more", len(s.conns))
	case most > 0 && s.hosts[host] >= most:
		return fmt.Errorf("there are %d connections from %s: raise --max-connections-per-ip to allow more", most, host)
	}
	return nil
}

// forget counts a session out.
func (s *Server) forget(sess *session) {
	host := hostOf(sess.conn.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past.Sent += sess.rtmp.Sent()
	delete(s.conns, sess.conn.TCPConn)
	if s.hosts[host]--; s.hosts[host] == 0 {
		delete(s.hosts, host)
	}
}

// hostOf is whom a connection counts for: an IPv4 address, or the 64 bits of an
// IPv6 address that name a network, as a host picks the others at will.
func hostOf(peer net.Addr) netip.Addr {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	if ip.Is6() {
		network, _ := ip.Prefix(64) // fails for more bits than there are
		ip = network.Addr()
	}
	return ip
}
