package status

import (
	"sync"
	"time"
)

// task is a goroutine that does something at once and then every so often, until
// it is stopped.
type task struct {
	quit    chan struct{}
	stopped sync.WaitGroup
}

func startTask(every time.Duration, do func(now time.Time)) *task {
	t := &task{quit: make(chan struct{})}
	t.stopped.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for now := time.Now(); ; {
			do(now)
			select {
			case now = <-ticker.C:
			case <-t.quit:
				return
			}
		}
	})
	return t
}

// stop waits until what is being done is done.
func (t *task) stop() {
	close(t.quit)
	t.stopped.Wait()
}
