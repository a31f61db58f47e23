package status

import (
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/disk"
	"github.com/rtmptool/rtmptool/internal/server"
)

const (
	showEvery = time.Second
	logEvery  = time.Minute
	rateOver  = 5 // samples, a second apart, that a bit rate is taken over

	maxDiskLeft = 365 * 24 * time.Hour // more is not told apart
)

// Source is what is watched: a *server.Server.
type Source interface {
	Status() []server.Status
}

// Watcher shows the streams of a server until it is stopped.
type Watcher struct {
	source    Source
	screen    *Screen
	log       zerolog.Logger
	recordDir string
	quit      chan struct{}
	stopped   sync.WaitGroup
	rates     map[string]*meter
}

// Watch starts a watcher.
func Watch(source Source, screen *Screen, log zerolog.Logger, recordDir string) *Watcher {
	w := &Watcher{source: source, screen: screen, log: log, recordDir: recordDir,
		quit: make(chan struct{}), rates: make(map[string]*meter)}
	w.stopped.Go(w.run)
	return w
}

// Stop ends the watcher and takes its lines off the screen.
func (w *Watcher) Stop() {
	close(w.quit)
	w.stopped.Wait()
	if w.screen.Interactive() {
		w.screen.Show(nil)
	}
}

func (w *Watcher) run() {
	ticker := time.NewTicker(showEvery)
	defer ticker.Stop()
	lastLog := time.Now()
	for {
		select {
		case <-w.quit:
			return
		case now := <-ticker.C:
			lines := w.lines(now)
			if w.screen.Interactive() {
				w.screen.Show(Table(lines))
			} else if now.Sub(lastLog) >= logEvery {
				lastLog = now
				for _, l := range lines {
					l.Log(w.log)
				}
			}
		}
	}
}

// lines describes every stream as of now.
func (w *Watcher) lines(now time.Time) []Line {
	all := w.source.Status()
	seen := make(map[string]bool, len(all))
	lines := make([]Line, 0, len(all))
	var recording float64 // bytes a second that go to the disk
	for _, st := range all {
		seen[st.Name] = true
		m := w.rates[st.Name]
		if m == nil || !m.since.Equal(st.Since) {
			m = newMeter(st.Since)
			w.rates[st.Name] = m
		}
		l := Line{Status: st, Rate: m.add(now, st.Bytes)}
		if st.Live {
			l.Elapsed = now.Sub(st.Since)
		}
		if l.recording() {
			recording += l.Rate
		}
		lines = append(lines, l)
	}
	for name := range w.rates {
		if !seen[name] {
			delete(w.rates, name)
		}
	}
	if recording > 0 {
		if free, _, err := disk.Room(w.recordDir); err == nil {
			left := min(float64(free)/recording, maxDiskLeft.Seconds())
			for i := range lines {
				lines[i].DiskLeft = time.Duration(left * float64(time.Second))
			}
		}
	}
	return lines
}

// meter measures a rate over the last few samples.
type meter struct {
	since   time.Time // of the publication
	samples []sample
}

type sample struct {
	at    time.Time
	bytes uint64
}

// newMeter makes a meter that has begun with the publication.
func newMeter(since time.Time) *meter {
	m := &meter{since: since}
	if !since.IsZero() {
		m.samples = []sample{{at: since}}
	}
	return m
}

// add takes a sample and returns the rate in bytes a second.
func (m *meter) add(now time.Time, bytes uint64) float64 {
	m.samples = append(m.samples, sample{now, bytes})
	if len(m.samples) > rateOver+1 {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	if seconds := now.Sub(first.at).Seconds(); seconds > 0 {
		return float64(bytes-first.bytes) / seconds
	}
	return 0
}
