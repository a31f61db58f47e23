package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
)

const (
	recordSize = 16 << 10       // bytes of plaintext in a full TLS record (RFC 8446 5.1)
	plainSize  = 4 * recordSize // bytes of plaintext that are put together at a time
	sendSize   = 4 * plainSize  // bytes of plaintext that go out in one write at most
	maxAnswers = 16 << 10       // bytes of ciphertext that TLS may have to say of itself, between two writes
)

// secureError is a TLS handshake that failed.
type secureError struct{ error }

func (e *secureError) Unwrap() error { return e.error }

// secureConn is TLS, with one write to the socket for each write to it: a tls.Conn
// makes one for every record.
type secureConn struct {
	*tls.Conn
	buffers *sync.Pool // of *sendBuffers
	socket  *socket
	unsent  []byte // records that a write which does not wait has left
	records records
}

// sendBuffers are needed while a write lasts.
type sendBuffers struct {
	room    []byte      // where plaintext is put together
	plain   []byte      // what is there
	from    net.Buffers // the pieces it is made of
	records []byte      // those that go out in one write
	vector  net.Buffers // scratch of a write that does not wait
}

func newSendBuffers() any {
	return &sendBuffers{room: make([]byte, plainSize), records: make([]byte, 0, sendSize+recordSize), vector: make(net.Buffers, 1)}
}

// secureConfig is for TLS 1.2 and newer. Records are full from the first one on:
// small ones are for web pages.
func secureConfig(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificate, DynamicRecordSizingDisabled: true}
}

// newSecureConn is the server's side of TLS on a connection. Writes that do not wait
// go to the socket below it.
func newSecureConn(conn net.Conn, below *socket, config *tls.Config, buffers *sync.Pool) *secureConn {
	c := &secureConn{buffers: buffers, socket: below, records: records{Conn: conn}}
	c.Conn = tls.Server(&c.records, config)
	return c
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
	for len(*pieces) > 0 && n < sendSize && err == nil {
		part := b.next(pieces)
		_, err = c.Conn.Write(part)
		n += int64(len(part))
	}
	b.records = c.records.take()
	return n, err
}

// next takes up to plainSize bytes of the pieces. The viewers of a stream get the same ones one
// after the other, which are put together once: what comes in several pieces is frames, and
// those never change.
func (b *sendBuffers) next(pieces *net.Buffers) []byte {
	switch {
	case len(*pieces) == 1:
		only := (*pieces)[0]
		n := min(len(only), plainSize)
		takeBytes(pieces, n)
		return only[:n]
	case !slices.EqualFunc(*pieces, b.from, sameMemory):
		clear(b.from)
		b.from = append(b.from[:0], *pieces...)
		b.plain = b.room[:0]
		for _, piece := range b.from {
			b.plain = append(b.plain, piece[:min(len(piece), plainSize-len(b.plain))]...)
		}
	}
	takeBytes(pieces, len(b.plain))
	return b.plain
}

func sameMemory(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// takeBytes removes n bytes from the pieces, and what is empty.
func takeBytes(pieces *net.Buffers, n int) {
	rest := *pieces
	for len(rest) > 0 && n >= len(rest[0]) {
		n -= len(rest[0])
		rest = rest[1:]
	}
	if n > 0 {
		rest[0] = rest[0][n:]
	}
	*pieces = rest
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
