package server

import (
	"maps"
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
)

// Status is what a stream is doing.
type Status struct {
	live.Info
	Recording *record.Status // nil if the stream is not recorded
}

// Status returns the state of every stream, by name.
func (s *Server) Status() []Status {
	streams := s.streams.Streams()
	s.mu.Lock()
	defer s.mu.Unlock()
	recording := make(map[string]*record.Recorder)
	for r, p := range s.recorders {
		if !p.Ended() {
			recording[p.Stream().Name()] = r
		}
	}
	all := make([]Status, 0, len(streams))
	for _, stream := range streams {
		st := Status{Info: stream.Info()}
		if r, ok := recording[st.Name]; ok {
			rec := r.Status()
			st.Recording = &rec
		}
		all = append(all, st)
	}
	return all
}

// Totals is what the server as a whole is doing, and has done since its start.
type Totals struct {
	Stopping    bool // it takes nobody any more, and finishes its recordings
	Connections int
	Recordings  Recordings

	// Counts since the start.
	Received           uint64 // bytes of audio and video from publishers
	Sent               uint64 // bytes to all connections, after the handshake
	ViewerSkipped      uint64 // packets that slow viewers did not get
	RecordingSkipped   uint64 // packets that recordings lack because the disk was too slow
	RefusedConnections uint64 // because of MaxConnections
	RefusedPublishers  uint64 // because the name is not valid or taken, or of MaxPublishers
	Denied             uint64 // attempts of clients that Config.Publish or Config.Play does not allow
	Disabled           uint64 // how often an error disabled a recording

	LastFailure Failure
}

// Recordings counts recordings by their state. One is finishing from the end of
// its stream until its file is closed.
type Recordings struct {
	Waiting, Recording, Finishing, Disabled int

	Unsynced time.Time // when the oldest byte in them that is not durable was written; zero if all are
}

// Failure is an error of the server's own, not of a peer.
type Failure struct {
	At     time.Time
	Stream string // whose recording it disabled; empty if it concerns all
	Err    error  // nil: there was none
}

// Totals returns a snapshot. No count is ever lower than before.
func (s *Server) Totals() Totals {
	t, sessions := s.totals()
	for _, sess := range sessions { // thousands, maybe: not under the mutex
		t.Sent += sess.rtmp.Sent()
	}
	streams := s.streams.Totals()
	t.Received, t.ViewerSkipped, t.RecordingSkipped = streams.Bytes, streams.ViewerSkipped, streams.RecorderSkipped
	return t
}

// totals returns what the mutex guards, and the sessions whose bytes are not in it.
func (s *Server) totals() (Totals, []*session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.past
	t.Stopping, t.Connections = s.closing, len(s.conns)
	for r, p := range s.recorders {
		t.Recordings.add(r, p.Ended())
	}
	return t, slices.AppendSeq(make([]*session, 0, len(s.conns)), maps.Values(s.conns))
}

// add counts a recorder whose stream is over or not.
func (c *Recordings) add(r *record.Recorder, over bool) {
	st, finished := r.Status(), done(r.Done())
	switch state := st.State(); {
	case over && finished:
	case over:
		c.Finishing++
	case state == record.Waiting:
		c.Waiting++
	case state == record.Recording:
		c.Recording++
	default:
		c.Disabled++
	}
	if !finished && !st.Unsynced.IsZero() && (c.Unsynced.IsZero() || st.Unsynced.Before(c.Unsynced)) {
		c.Unsynced = st.Unsynced
	}
}

// count changes the counts of events.
func (s *Server) count(change func(*Totals)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.past)
}

// failed takes note of an error.
func (s *Server) failed(f Failure) {
	f.At = time.Now()
	s.count(func(t *Totals) { t.LastFailure = f })
}

func (s *Server) recordingFailed(stream string, err error) {
	s.count(func(t *Totals) { t.Disabled++ })
	s.failed(Failure{Stream: stream, Err: err})
}
