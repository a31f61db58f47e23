package live

import "time"

const (
	// audioHold is how long audio waits for the video frame that it travels with.
	audioHold = 40 * time.Millisecond
	// shareOfTime: a stream's viewers are served for a third of the time at most, if the
	// latency that is allowed lets them wait so long.
	shareOfTime = 3
	// RecordPatience is the time that a recorder may take to write what has come. What has
	// waited so long before it was published is written at once.
	RecordPatience = 33 * time.Millisecond
	// idlePatience is for a stream that nobody reads. Who joins gets what is in the ring, and
	// then the rest.
	idlePatience = 3 * RecordPatience
)

// flush decides when packets are read. A video frame is complete when it comes, with the
// audio before it; audio alone is after audioHold. Recorders read what is complete at
// once. Viewers do too, unless their last flush was so recent that another one would be
// too soon, see Config.MinLatency and MaxLatency: then everything that comes meanwhile
// takes the same flush.
type flush struct {
	visible uint64    // viewers read up to here
	at      time.Time // when it was moved
	audio   time.Time // when the audio that waits is complete; zero: none does
	due     time.Time // when viewers shall read what is complete; zero: there is nothing
	timer   *time.Timer

	viewers, recorders chan struct{} // closed to wake them; nil while nobody waits
}

// waiting returns what is closed when there is more for a cursor.
func (f *flush) waiting(patient bool) <-chan struct{} {
	wake := &f.viewers
	if patient {
		wake = &f.recorders
	}
	if *wake == nil {
		*wake = make(chan struct{})
	}
	return *wake
}

func wakeAll(wake *chan struct{}) {
	if *wake != nil {
		close(*wake)
		*wake = nil
	}
}

func (f *flush) stop() {
	if f.timer != nil {
		f.timer.Stop()
	}
}

// complete tells that the newest packet ends a frame; true if viewers shall read it now.
func (s *Stream) complete(now time.Time) bool {
	f := &s.flush
	f.audio = time.Time{}
	wakeAll(&f.recorders)
	if due := f.at.Add(s.window()); now.Before(due) {
		f.due = due
		s.setTimer(now)
		return false
	}
	s.show(now)
	return true
}

// window is how long one flush follows another at the earliest.
func (s *Stream) window() time.Duration {
	c := &s.registry.config
	return max(min(shareOfTime*s.fan.took(), c.MaxLatency), c.MinLatency, 0)
}

// show lets viewers read everything.
func (s *Stream) show(now time.Time) {
	f := &s.flush
	f.visible, f.at = s.ring.next, now
	f.audio, f.due = time.Time{}, time.Time{}
	wakeAll(&f.recorders)
	wakeAll(&f.viewers)
}

// holdAudio sees to it that audio is complete in time if no video comes.
func (s *Stream) holdAudio(came, now time.Time) {
	if s.flush.audio.IsZero() {
		s.flush.audio = came.Add(audioHold)
		s.setTimer(now)
	}
}

// setTimer sets it for whatever is due first.
func (s *Stream) setTimer(now time.Time) {
	f := &s.flush
	next := f.due
	if next.IsZero() || !f.audio.IsZero() && f.audio.Before(next) {
		next = f.audio
	}
	switch {
	case next.IsZero():
	case f.timer == nil:
		f.timer = time.AfterFunc(next.Sub(now), s.alarm)
	default:
		f.timer.Reset(next.Sub(now))
	}
}

// alarm is called by the timer, which may have been set for what is visible or gone by
// now.
func (s *Stream) alarm() {
	if s.showDue(time.Now()) {
		s.fan.serve()
	}
}

func (s *Stream) showDue(now time.Time) (shown bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.flush
	switch {
	case f.visible == s.ring.next:
		f.audio, f.due = time.Time{}, time.Time{}
	case !f.due.IsZero() && !now.Before(f.due):
		s.show(now)
		return true
	case !f.audio.IsZero() && !now.Before(f.audio):
		return s.complete(now)
	default:
		s.setTimer(now)
	}
	return false
}
