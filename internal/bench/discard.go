package bench

import (
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// counter counts what is read of a connection, above TLS.
type counter struct {
	net.Conn
	bytes *atomic.Int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// discarder counts what comes, and acknowledges it: servers drop viewers that are silent,
// or wait for them at a window.
type discarder struct {
	counter
	now  func() time.Duration
	acks acks
}

// discarder goes on after the last message that was read.
func (r *run) discarder(c counter, read *rtmp.Conn) *discarder {
	received, step := read.Detach()
	d := &discarder{counter: c, now: r.now, acks: acks{step: uint64(step), received: received, told: received}}
	d.acks.at = r.now() - rand.N(ackEvery) // players that came at once do not answer at once
	return d
}

func (d *discarder) count(n int) error {
	d.bytes.Add(int64(n))
	if !d.acks.due(n, d.now()) {
		return nil
	}
	_, err := d.Write(rtmp.AppendMessage(nil, rtmp.Ack(d.acks.received), rtmp.ChunkSize))
	return err
}

// readAll counts to the end.
func (d *discarder) readAll() error {
	buf := make([]byte, 32<<10)
	for {
		n, err := d.Conn.Read(buf)
		if err == nil {
			err = d.count(n)
		}
		if err != nil {
			return err
		}
	}
}

// ackEvery is short beside the time after which servers drop a silent viewer, and long
// beside a frame.
const ackEvery = time.Second

// acks tells when an acknowledgement is due (RTMP 5.4.3): after step bytes, and with the
// first bytes that come a second after the last one. A server's ping comes as bytes too,
// and so gets its sign of life from a player of a silent stream.
type acks struct {
	step           uint64 // bytes
	received, told uint64 // since the handshake
	at             time.Duration
}

// due counts n bytes that came.
func (a *acks) due(n int, now time.Duration) bool {
	a.received += uint64(n)
	if a.received-a.told < a.step && now-a.at < ackEvery {
		return false
	}
	a.told, a.at = a.received, now
	return true
}
