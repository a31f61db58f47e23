package status

import (
	"sync/atomic"
	"time"
)

const (
	askEvery  = time.Second
	roomValid = 10 * time.Second // an older answer is none: the file system hangs
)

// diskRoom knows the room on the disk of recordings. It asks in a goroutine of its
// own, so that nobody else waits for a file system that hangs.
type diskRoom struct {
	*task
	latest atomic.Pointer[answer] // nil if unknown
}

type answer struct {
	free uint64 // bytes
	at   time.Time
}

// watchRoom asks for the room below a directory every askEvery.
func watchRoom(dir string, ask func(dir string) (free, total uint64, err error)) *diskRoom {
	r := &diskRoom{}
	r.task = startTask(askEvery, func(now time.Time) {
		if free, _, err := ask(dir); err == nil {
			r.latest.Store(&answer{free, now})
		} else {
			r.latest.Store(nil)
		}
	})
	return r
}

// free returns the room in bytes, false if it is unknown.
func (r *diskRoom) free() (uint64, bool) {
	a := r.latest.Load()
	if a == nil || time.Since(a.at) >= roomValid {
		return 0, false
	}
	return a.free, true
}
