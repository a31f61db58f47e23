package server

import (
	"errors"
	"os"
	"time"
)

// maxMisses: a publisher of which nothing came at so many ticks is read when something comes, until
// more reads than that have followed each other faster than ticks.
const maxMisses = 3

// receive reads what somebody waits for when it comes. Else it reads at ticks, all
// that has come, with all others of the same phase: the process sleeps meanwhile.
func (c *timedConn) receive(b []byte) (int, error) {
	every := c.patience()
	for every > 0 && c.misses < maxMisses {
		now := time.Now()
		phase := time.Duration(c.phase) * every / phases
		tick := now.Add(every - (time.Duration(now.UnixNano())-phase)%every)
		if tick.After(c.deadline) {
			break
		}
		if c.drained {
			c.came = now
		}
		c.ticks = true
		n, err := c.ReadLater(b, tick)
		if n > 0 {
			c.misses = 0
		}
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		c.misses++
		every = c.patience()
	}
	c.came = time.Time{}
	if c.ticks {
		c.ticks = false
		if err := c.SetReadDeadline(c.deadline); err != nil {
			return 0, err
		}
	}
	if every == 0 {
		c.misses = 0
		return c.socket.Read(b)
	}
	begin := time.Now()
	n, err := c.socket.Read(b)
	if c.misses = max(c.misses-1, 0); time.Since(begin) > every {
		c.misses = 2 * maxMisses
	}
	return n, err
}
