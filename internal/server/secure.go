package server

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

const (
	recordSize = 16 << 10  // bytes of plaintext in a full TLS record (RFC 8446 5.1)
	sendSize   = 256 << 10 // bytes of ciphertext that go out in one write at most
)

// secureError is a TLS handshake that failed.
type secureError struct{ error }

func (e *secureError) Unwrap() error { return e.error }

// secureConn is TLS, with one write to the socket for each write to it: a tls.Conn
// makes one for every record.
type secureConn struct {
	*tls.Conn
	records *records
	buffers *sync.Pool // of *sendBuffers
}

// sendBuffers are needed while a write lasts.
type sendBuffers struct {
	plain   *bufio.Writer // fills records
	records *bufio.Writer // waits for the socket
}

func newSendBuffers() any {
	return &sendBuffers{plain: bufio.NewWriterSize(nil, recordSize), records: bufio.NewWriterSize(nil, sendSize)}
}

// secureConfig is for TLS 1.2 and newer. Records are full from the first one on:
// small ones are for web pages.
func secureConfig(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate, DynamicRecordSizingDisabled: true}
}

// newSecureConn is the server's side of TLS on a connection.
func newSecureConn(conn net.Conn, config *tls.Config, buffers *sync.Pool) *secureConn {
	r := &records{Conn: conn}
	return &secureConn{Conn: tls.Server(r, config), records: r, buffers: buffers}
}

// handshake returns a secureError if there is something to tell: not of a peer that
// goes away or falls silent before it has said hello.
func (c *secureConn) handshake() error {
	err := c.Handshake()
	var gone syscall.Errno
	var noTLS tls.RecordHeaderError
	switch {
	case err == nil, errors.Is(err, net.ErrClosed):
		return err
	case errors.As(err, &gone), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
		if c.ConnectionState().Version == 0 {
			return err
		}
		err = fmt.Errorf("%w; does the peer trust the certificate?", err)
	case errors.As(err, &noTLS):
		err = errors.New("the peer does not speak TLS: use rtmps:// on this port")
	}
	return &secureError{err}
}

func (c *secureConn) Write(b []byte) (int, error) {
	n, err := c.WriteBuffers(&net.Buffers{b})
	return int(n), err
}

// WriteBuffers puts the pieces into full records and sends them in one write, or
// one for every sendSize bytes. An error ends the connection.
func (c *secureConn) WriteBuffers(pieces *net.Buffers) (int64, error) {
	b := c.buffers.Get().(*sendBuffers)
	defer c.buffers.Put(b)
	b.plain.Reset(c.Conn)
	c.records.collect(b.records)
	var n int64
	for _, piece := range *pieces {
		_, _ = b.plain.Write(piece) // Flush has the error
		n += int64(len(piece))
	}
	*pieces = nil
	if err := errors.Join(b.plain.Flush(), c.records.send()); err != nil {
		return 0, err
	}
	return n, nil
}

// records is the connection beneath a tls.Conn. It passes on what that writes, or
// collects it for a while. Reading TLS writes now and then, too.
type records struct {
	net.Conn
	mu        sync.Mutex
	collected *bufio.Writer // nil: pass on
}

func (r *records) collect(w *bufio.Writer) {
	w.Reset(r.Conn)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collected = w
}

// send sends what was collected, and ends collecting.
func (r *records) send() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.collected
	r.collected = nil
	return w.Flush()
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.collected != nil {
		return r.collected.Write(b)
	}
	return r.Conn.Write(b)
}
