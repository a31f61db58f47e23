package report

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	progressEvery = 250 * time.Millisecond
	progressAfter = 500 * time.Millisecond // work that is over by then shows nothing
	rateOver      = 20                     // steps of progressEvery that a speed is taken over
	maxShownName  = 32                     // characters of a file's name
)

// Work is what a progress line is about: a *recfile.Job.
type Work interface {
	Progress() (done, total int64) // bytes; called from another goroutine
}

// Screen is where a progress line is shown: a *status.Screen.
type Screen interface {
	Show(lines []string)
}

// Progress is a line about work that takes a while: which file of how many, bytes
// done of all, speed and time left. It is gone while results are printed.
type Progress struct {
	screen  Screen
	work    Work
	files   int
	quit    chan struct{}
	stopped sync.WaitGroup
	samples []progressSample // the newest one last

	mu   sync.Mutex // guards what follows and the screen
	file int
	path string // of the file at work; empty between Clear and Next
}

type progressSample struct {
	at   time.Time
	done int64
}

// StartProgress begins to show the work on a number of files. Without a screen
// nothing is shown.
func StartProgress(screen Screen, work Work, files int) *Progress {
	p := &Progress{screen: screen, work: work, files: files, quit: make(chan struct{})}
	if screen != nil {
		p.stopped.Go(p.run)
	}
	return p
}

// Next names the file that is worked on from now.
func (p *Progress) Next(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.file++
	p.path = path
}

// Clear takes the line away, for results to be printed before Next.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.path = ""
	if p.screen != nil {
		p.screen.Show(nil)
	}
}

// Stop ends the line.
func (p *Progress) Stop() {
	close(p.quit)
	p.stopped.Wait()
	p.Clear()
}

func (p *Progress) run() {
	begun := time.Now()
	p.samples = []progressSample{{at: begun}}
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-p.quit:
			return
		case now := <-ticker.C:
			done, total := p.work.Progress()
			speed := p.speed(now, done)
			if now.Sub(begun) >= progressAfter {
				p.show(done, total, speed)
			}
		}
	}
}

// speed is how many bytes a second are done, over the last few seconds.
func (p *Progress) speed(now time.Time, done int64) float64 {
	p.samples = append(p.samples, progressSample{now, done})
	p.samples = slices.Delete(p.samples, 0, max(0, len(p.samples)-1-rateOver))
	first := p.samples[0]
	return float64(done-first.done) / now.Sub(first.at).Seconds()
}

func (p *Progress) show(done, total int64, speed float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.path == "" {
		return
	}
	parts := []string{fmt.Sprintf("%d of %d", p.file, p.files), shortName(filepath.Base(p.path))}
	if total > 0 {
		name, unit := unitOf(total)
		parts = append(parts, fmt.Sprintf("%.1f of %.1f %s", float64(done)/unit, float64(total)/unit, name))
	}
	if speed >= 1 {
		name, unit := unitOf(int64(speed))
		digits := 0
		if speed < 10*unit {
			digits = 1
		}
		parts = append(parts, fmt.Sprintf("%.*f %s/s", digits, speed/unit, name))
		if left := float64(total-done) / speed; left > 0 {
			parts = append(parts, timeLeft(left)+" left")
		}
	}
	p.screen.Show([]string{strings.Join(parts, "  ")})
}

// shortName leaves out the middle of a long name: a recording's begins with its
// stream and ends with its time.
func shortName(name string) string {
	r := []rune(name)
	if len(r) <= maxShownName {
		return name
	}
	half := (maxShownName - 3) / 2
	return string(r[:half]) + "..." + string(r[len(r)-(maxShownName-3-half):])
}

// timeLeft writes seconds as 0:01, 12:34 or 1:00:00, rounded up.
func timeLeft(seconds float64) string {
	const most = 1000 * 3600
	s := int(min(seconds, most) + 0.999)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
