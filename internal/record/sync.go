package record

import (
	"sync"
	"time"
)

// syncError is a sync that failed: what was written before it may be lost, and no later sync tells.
type syncError struct{ error }

func (e *syncError) Unwrap() error { return e.error }

// syncer makes a recording durable, in a goroutine of its own: a disk that takes
// its time to sync does not hold up the writes. An error is kept and never
// retried, because the kernel forgets it.
type syncer struct {
	quit    chan struct{}
	stopped sync.WaitGroup
	mu      sync.Mutex
	err     error
}

// startSyncer syncs a file at once and then every so often; 0 means once. written
// tells how much of the file there is, synced is told how much was made durable.
func startSyncer(f File, every time.Duration, written func() int64, synced func(int64)) *syncer {
	s := &syncer{quit: make(chan struct{})}
	s.stopped.Go(func() {
		var tick <-chan time.Time
		if every > 0 {
			ticker := time.NewTicker(every)
			defer ticker.Stop()
			tick = ticker.C
		}
		for s.sync(f, written, synced) {
			select {
			case <-tick:
			case <-s.quit:
				return
			}
		}
	})
	return s
}

func (s *syncer) sync(f File, written func() int64, synced func(int64)) bool {
	until := written()
	err := f.Sync()
	if err == nil {
		synced(until)
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = &syncError{err}
	return false
}

// failed returns the error of a sync.
func (s *syncer) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// stop ends the goroutine, waits until a sync that is under way is done, and returns the
// error of that or of an earlier one.
func (s *syncer) stop() error {
	close(s.quit)
	s.stopped.Wait()
	return s.failed()
}

// durability follows how much of a file would survive a power cut. Writes and
// syncs go on at the same time: what is written while a sync is under way waits for
// the next one.
type durability struct {
	bytes    int64     // the beginning of the file that was synced
	unsynced time.Time // begin of the oldest write that is not, zero if all are
	later    time.Time // of the oldest write that the sync under way does not cover
	writing  time.Time // of the write under way
}

// write notes that a write begins. One that hangs is not durable either.
func (d *durability) write(now time.Time) {
	d.writing = now
	if d.unsynced.IsZero() {
		d.unsynced = now
	}
	if d.later.IsZero() {
		d.later = now
	}
}

// written notes that the write has ended.
func (d *durability) written() { d.writing = time.Time{} }

// sync notes that a sync begins.
func (d *durability) sync() { d.later = d.writing }

// synced notes that the sync has ended, which covers the file up to an offset.
func (d *durability) synced(until int64) { d.bytes, d.unsynced = until, d.later }
