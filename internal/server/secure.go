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
	sendSize   = 256 << 10 // bytes of plaintext that go out in one write at most
	maxAnswers = 16 << 10  // bytes of ciphertext that TLS may have to say of itself, between two writes
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
	unsent  []byte     // records that a write which does not wait has left
}

// sendBuffers are needed while a write lasts.
type sendBuffers struct {
	plain   *bufio.Writer // fills records
	records []byte        // those that go out in one write
	vector  net.Buffers   // scratch of a write that does not wait
}

func newSendBuffers() any {
	return &sendBuffers{plain: bufio.NewWriterSize(nil, recordSize), records: make([]byte, 0, sendSize+recordSize), vector: make(net.Buffers, 1)}
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
	c.records.secure()
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
func (c *secureConn) WriteBuffers(pieces *net.Buffers) (n int64, err error) {
	if len(c.unsent) > 0 {
		if _, err := c.records.Conn.Write(c.unsent); err != nil {
			return 0, err
		}
		c.unsent = nil
	}
	b := c.buffers.Get().(*sendBuffers)
	defer c.buffers.Put(b)
	for len(*pieces) > 0 {
		taken, err := c.encrypt(b, pieces)
		if err == nil && taken > 0 {
			_, err = c.records.Conn.Write(b.records)
		}
		if err != nil {
			*pieces = nil
			return n, err
		}
		n += taken
	}
	return n, nil
}

// encrypt takes up to sendSize bytes of the pieces and makes b.records of them.
func (c *secureConn) encrypt(b *sendBuffers, pieces *net.Buffers) (n int64, err error) {
	c.records.collect(b.records)
	b.plain.Reset(c.Conn)
	for len(*pieces) > 0 && n < sendSize {
		piece := (*pieces)[0]
		part := piece[:min(int64(len(piece)), sendSize-n)]
		_, _ = b.plain.Write(part) // Flush has the error
		n += int64(len(part))
		if (*pieces)[0] = piece[len(part):]; len(part) == len(piece) {
			*pieces = (*pieces)[1:]
		}
	}
	err = b.plain.Flush()
	b.records = c.records.take()
	return n, err
}

// records is the connection beneath a tls.Conn. Once there is an encrypted connection, what that
// writes waits for the next write of ours: reading TLS writes now and then, too (it
// answers a change of keys), and nobody shall wait for a peer because of it.
type records struct {
	net.Conn
	mu         sync.Mutex
	waiting    []byte
	secured    bool
	collecting bool
}

var errAnswers = errors.New("the peer changes its keys again and again")

// secure ends the time in which what is written is passed on.
func (r *records) secure() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secured = true
}

// collect lets what waits, and what comes, be put into a buffer.
func (r *records) collect(buffer []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting, r.collecting = append(buffer[:0], r.waiting...), true
}

func (r *records) take() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.waiting
	r.waiting, r.collecting = nil, false
	return all
}

func (r *records) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.secured {
		return r.Conn.Write(b)
	}
	if !r.collecting && len(r.waiting)+len(b) > maxAnswers {
		return 0, errAnswers
	}
	r.waiting = append(r.waiting, b...)
	return len(b), nil
}
