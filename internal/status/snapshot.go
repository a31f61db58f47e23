package status

import (
	"sync"
	"time"

	"github.com/rtmptool/rtmptool/internal/disk"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/internal/server"
)

const maxDiskLeft = 365 * 24 * time.Hour // more is not told apart

// Source is what is watched: a *server.Server.
type Source interface {
	Status() []server.Status
	Totals() server.Totals
}

// State is the phase of a server's life.
type State string

// The states. Stopping takes nobody any more and finishes recordings.
const (
	Serving  State = "serving"
	Stopping State = "stopping"
	Stopped  State = "stopped"
)

// Snapshot is what a server is doing at a moment. All that is shown, to people and
// to machines, comes from one.
type Snapshot struct {
	server.Totals
	State    State
	At       time.Time
	Started  time.Time
	Streams  []Stream      // by name
	Live     int           // streams that are being published
	Viewers  int           // of all streams
	Lag      time.Duration // age of the oldest byte in a recording that a power cut would take; 0 if none would be lost
	DiskFree uint64        // bytes that recordings can still take, if HasDisk
	HasDisk  bool          // something can be recorded, and the room for it is known
}

// Stream is the state of one stream.
type Stream struct {
	server.Status
	Elapsed  time.Duration // of the publication
	Rate     float64       // bytes a second received
	Lag      time.Duration // as of the snapshot, for the recording of the stream
	DiskLeft time.Duration // until the disk is full at the rate of all recordings; 0 if unknown
}

func (s *Stream) recording() bool {
	return s.Recording != nil && s.Recording.State() == record.Recording
}

func (s *Stream) failed() bool {
	return s.Recording != nil && s.Recording.State() == record.Disabled
}

// Sampler takes snapshots of a server. Any number of goroutines may ask it for one
// at any time; none waits for a disk or a network.
type Sampler struct {
	source  Source
	started time.Time
	room    *diskRoom // nil if nothing is recorded

	mu    sync.Mutex
	rates map[string]*meter
}

// NewSampler makes a sampler of a server that has just started and records into a
// directory, empty if it does not record. Stop it.
func NewSampler(source Source, recordDir string) *Sampler {
	s := &Sampler{source: source, started: time.Now(), rates: make(map[string]*meter)}
	if recordDir != "" {
		s.room = watchRoom(recordDir, disk.Room)
	}
	return s
}

// Stop ends what the sampler does on its own.
func (s *Sampler) Stop() {
	if s.room != nil {
		s.room.stop()
	}
}

// Snapshot describes the server as of now.
func (s *Sampler) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.source.Status()
	snap := Snapshot{Totals: s.source.Totals(), State: Serving, At: time.Now(), Started: s.started, Streams: make([]Stream, 0, len(all))}
	if snap.Stopping {
		snap.State = Stopping
	}
	snap.Lag = age(snap.At, snap.Recordings.Unsynced)
	for _, st := range all {
		snap.add(Stream{Status: st, Rate: s.rate(snap.At, st)})
	}
	s.forget(all)
	if s.room != nil {
		snap.DiskFree, snap.HasDisk = s.room.free()
	}
	snap.setDiskLeft()
	return snap
}

func (snap *Snapshot) add(s Stream) {
	snap.Viewers += s.Viewers
	if s.Live {
		snap.Live++
		s.Elapsed = snap.At.Sub(s.Since)
	}
	if s.recording() {
		s.Lag = age(snap.At, s.Recording.Unsynced)
	}
	snap.Streams = append(snap.Streams, s)
}

// age is how long ago something was, 0 if it was not.
func age(now, since time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return max(0, now.Sub(since))
}

// setDiskLeft: all recordings together fill the disk.
func (snap *Snapshot) setDiskLeft() {
	var rate float64 // bytes a second that go to the disk
	for _, s := range snap.Streams {
		if s.recording() {
			rate += s.Rate
		}
	}
	if !snap.HasDisk || rate == 0 {
		return
	}
	left := min(float64(snap.DiskFree)/rate, maxDiskLeft.Seconds())
	for i := range snap.Streams {
		snap.Streams[i].DiskLeft = time.Duration(left * float64(time.Second))
	}
}

// rate measures the bit rate of a publication.
func (s *Sampler) rate(now time.Time, st server.Status) float64 {
	m := s.rates[st.Name]
	if m == nil || !m.since.Equal(st.Since) {
		m = newMeter(st.Since)
		s.rates[st.Name] = m
	}
	return m.add(now, st.Bytes)
}

// forget drops the rates of streams that are gone.
func (s *Sampler) forget(all []server.Status) {
	if len(s.rates) == len(all) {
		return
	}
	seen := make(map[string]bool, len(all))
	for _, st := range all {
		seen[st.Name] = true
	}
	for name := range s.rates {
		if !seen[name] {
			delete(s.rates, name)
		}
	}
}
