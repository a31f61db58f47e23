package server

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// renewEvery bounds how often a deadline is set anew: setting one costs as much
// as parsing a message.
const renewEvery = time.Second

// phases spread the ticks at which what nobody waits for is read, see receive: who waits for
// something has few of those before itself.
const phases = 4

// timedConn is a connection with deadlines that follow its phase: a fixed one
// until it publishes or plays, then one that every read renews.
type timedConn struct {
	*socket
	writeTimeout time.Duration
	idle         func() error         // called when nothing came for half of silence
	check        func() error         // called now and then; its error ends reading
	patience     func() time.Duration // how long what comes may wait until it is read
	phase        int                  // one of phases

	// Owned by the reading goroutine.
	silence  time.Duration // how long nothing may come; 0 in a fixed phase
	renewed  time.Time     // when the deadline was set
	deadline time.Time     // of reading
	ticks    bool          // the socket has an earlier one
	misses   int           // ticks at which nothing had come
	came     time.Time     // what was read last has not come before; zero: it was read when it came
	asked    bool          // the peer was asked for a sign of life

	ending       atomic.Bool  // what has come is read, and no more
	writeRenewed atomic.Int64 // ns since 1970

	mu    sync.Mutex // held while the write deadline is set
	final bool       // the write deadline stands
}

// until sets a fixed deadline for reading.
func (c *timedConn) until(deadline time.Time) error {
	c.silence = 0
	return c.SetReadDeadline(deadline)
}

// endReading has the connection end where nothing more has come. One on which it goes on
// coming, or that waits for its peer, is closed after a while.
func (c *timedConn) endReading() {
	c.ending.Store(true)
	if c.CloseRead() != nil {
		_ = c.Close()
	}
	time.AfterFunc(refusalLinger, func() { _ = c.Close() })
}

// keepAlive lets reading go on for as long as something comes.
func (c *timedConn) keepAlive(silence time.Duration) {
	c.silence, c.renewed, c.asked = silence, time.Time{}, false
}

// Read reads; a silent peer is asked for a sign of life once, at half time.
func (c *timedConn) Read(b []byte) (int, error) {
	if c.silence == 0 {
		return c.socket.Read(b)
	}
	for {
		if now := time.Now(); now.Sub(c.renewed) >= min(renewEvery, c.silence/4) {
			if err := c.check(); err != nil {
				return 0, err
			}
			c.renewed, c.deadline = now, now.Add(c.silence/2)
			if err := c.SetReadDeadline(c.deadline); err != nil {
				return 0, err
			}
		}
		n, err := c.receive(b)
		if n > 0 {
			c.asked = false
		}
		if n > 0 || c.asked || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		c.asked, c.renewed = true, time.Time{}
		if err := c.idle(); err != nil {
			return 0, err
		}
	}
}

// Write writes all, with as many deadlines as it takes.
func (c *timedConn) Write(b []byte) (int, error) { return writeAll(c.TCPConn, b, c.beforeWrite) }

// writeAll goes on for as long as the receiver takes something before each deadline:
// a slow one has not stopped.
func writeAll(w io.Writer, b []byte, renew func()) (n int, err error) {
	for {
		renew()
		taken, err := w.Write(b[n:])
		n += taken
		if taken == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// beforeWrite renews the deadline for writing.
func (c *timedConn) beforeWrite() {
	now := time.Now()
	if last := c.writeRenewed.Load(); now.UnixNano()-last < int64(min(renewEvery, c.writeTimeout/4)) {
		return
	}
	c.writeRenewed.Store(now.UnixNano())
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.final {
		// The connection is closed if this fails, and the write says so.
		_ = c.SetWriteDeadline(now.Add(c.writeTimeout))
	}
}

// finish gives all writing that is left a last deadline.
func (c *timedConn) finish(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.final = true
	_ = c.SetWriteDeadline(deadline) // fails only if the connection is closed
}
