package server

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// rate allows so many events a second, and a burst of them.
type rate struct {
	limit, burst float64
	tokens       float64
	last         time.Time
}

func (r *rate) allow(now time.Time) bool {
	if r.last.IsZero() {
		r.tokens = r.burst
	} else {
		r.tokens = min(r.burst, r.tokens+now.Sub(r.last).Seconds()*r.limit)
	}
	r.last = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

// throttle logs at a bounded rate what may happen very often.
type throttle struct {
	mu   sync.Mutex
	rate rate
	left int // that was not logged since the last line
}

// warn logs a warning that tell completes, unless there were too many just now.
func (t *throttle) warn(log zerolog.Logger, tell func(*zerolog.Event)) {
	t.log(log, zerolog.WarnLevel, tell)
}

// info is warn for what is no reason to.
func (t *throttle) info(log zerolog.Logger, tell func(*zerolog.Event)) {
	t.log(log, zerolog.InfoLevel, tell)
}

func (t *throttle) log(log zerolog.Logger, level zerolog.Level, tell func(*zerolog.Event)) {
	t.mu.Lock()
	allowed, left := t.rate.allow(time.Now()), t.left
	if t.left++; allowed {
		t.left = 0
	}
	t.mu.Unlock()
	if !allowed {
		return
	}
	event := log.WithLevel(level)
	if left > 0 {
		event = event.Int("not_logged_before", left)
	}
	tell(event)
}
