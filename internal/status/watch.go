package status

import (
	"time"

	"github.com/rs/zerolog"
)

const (
	showEvery = time.Second
	logEvery  = time.Minute
)

// Watcher shows the streams of a server until it is stopped.
type Watcher struct {
	screen *Screen
	task   *task
}

// Watch starts a watcher.
func Watch(sampler *Sampler, screen *Screen, log zerolog.Logger) *Watcher {
	show := func(time.Time) { screen.Show(Table(sampler.Snapshot().Streams)) }
	if screen.Interactive() {
		return &Watcher{screen, startTask(showEvery, show)}
	}
	lastLog := time.Now()
	return &Watcher{screen, startTask(showEvery, func(now time.Time) {
		snap := sampler.Snapshot() // each second, for the rates
		if now.Sub(lastLog) < logEvery {
			return
		}
		lastLog = now
		for _, s := range snap.Streams {
			s.Log(log)
		}
	})}
}

// Stop ends the watcher and takes its lines off the screen.
func (w *Watcher) Stop() {
	w.task.stop()
	if w.screen.Interactive() {
		w.screen.Show(nil)
	}
}
