package record

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// flushEvery is the shortest time between two writes of a recording. Video comes
// every 33 ms or faster, so that nothing waits longer than flushLatest. What has waited
// so long already is written at once: of a publisher that is read at ticks, and by a recorder
// that catches up, which also writes whenever it has flushBytes.
const (
	flushEvery  = 30 * time.Millisecond
	flushLatest = live.RecordPatience
	flushAgain  = 5 * time.Millisecond // what comes with what was written last waits for so long
	flushBytes  = 1 << 20
)

// Config says where and how to record; zero fields mean the default.
type Config struct {
	Dir       string        // must exist, see Prepare
	Format    Format        // default Auto
	Segment   time.Duration // a file ends at the first keyframe after so long; 0: with its publication
	SyncEvery time.Duration // how often recordings are made durable; 0: only when they begin and end
	Logger    zerolog.Logger

	// Create makes a new recording with an ending and gives its path; nil means a
	// locked file in Dir, named after the stream and the time.
	Create func(stream string, at time.Time, ext string) (File, string, error)

	// Low returns an error while the disk has too little room: no file begins then,
	// and those that are written end. nil means that there is always room. See Space.
	Low func() error

	// Spare tells whether the disk has so many bytes beside what it must keep free: a
	// small part of that is reserved for what is to come. nil means that it has. See Space.
	Spare func(bytes int64) bool

	// Failed, if set, is told why nothing is recorded of a stream from now on. It must
	// not wait for the disk.
	Failed func(stream string, err error)
}

// File is a recording that is being written.
type File interface {
	container.File
	Close() error
	Remove() error // closes the file and removes it: it holds nothing
}

// Recorder records one publication.
type Recorder struct {
	config Config
	stream string
	cursor *live.Cursor
	log    zerolog.Logger
	done   chan struct{}

	// Owned by the recorder's goroutine.
	pending pending
	file    File
	writer  output
	syncer  *syncer
	turning bool            // something came that the file cannot take: another begins at the next keyframe
	changes []time.Time     // when that happened last
	current []*media.Packet // the configurations in force
	base    time.Duration   // stream time at which the file's time is 0
	newest  time.Duration   // time of the newest packet
	video   bool            // the stream has video
	flushed time.Time       // begin of the last flush
	oldest  time.Time       // arrival of the oldest packet that is not written
	retry   time.Time       // no file begins before, after one that the disk had no room for

	mu     sync.Mutex
	status Status
	safe   durability
}

// Status tells how a recording is doing.
type Status struct {
	Path     string        // empty until a file is opened
	Duration time.Duration // of the current file
	Bytes    int64         // written to the current file
	Durable  int64         // of which so many would survive a power cut
	Unsynced time.Time     // when the oldest of the others was written; zero if there are none
	Skipped  uint64        // packets lost because the disk was too slow
	Err      error         // why nothing is recorded
}

// Start begins to record what the cursor reads, until the publication ends. The
// recorder closes the cursor.
func Start(c Config, stream string, cursor *live.Cursor) *Recorder {
	if c.Create == nil {
		c.Create = c.CreateFile
	}
	if c.Low == nil {
		c.Low = func() error { return nil }
	}
	if c.Failed == nil {
		c.Failed = func(string, error) {}
	}
	r := &Recorder{
		config: c, stream: stream, cursor: cursor,
		log:  c.Logger.With().Str("stream", stream).Logger(),
		done: make(chan struct{}),
	}
	go r.run()
	return r
}

// Done is closed when the recording is finished, or was given up.
func (r *Recorder) Done() <-chan struct{} { return r.done }

// Disabled reports whether nothing is recorded of the stream, because of an error
// of the file or for lack of room.
func (r *Recorder) Disabled() bool { return r.Status().Err != nil }

// Status returns a snapshot.
func (r *Recorder) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Durable, s.Unsynced = r.safe.bytes, r.safe.unsynced
	return s
}

func (r *Recorder) update(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

// run records until the publication ends or the file has an error. Lack of room is
// the one that may pass: then the recorder goes on at a keyframe.
func (r *Recorder) run() {
	defer close(r.done)
	for {
		err := r.record()
		over := err == nil || !isFull(err)
		if over {
			r.cursor.Close() // the ring holds nothing for a file that is given up
		}
		if err != nil {
			r.disable(err)
		}
		if over {
			return
		}
		r.retry = time.Now().Add(retryAfter)
		r.startOver()
	}
}

// record reads until the publication ends. It returns the first error of the
// file, after which nothing more is written to it.
func (r *Recorder) record() error {
	for {
		// The only error is the deadline: then the batch is empty.
		batch, _ := r.cursor.Next(context.Background(), r.deadline())
		if batch.Skipped > 0 {
			if err := r.skip(batch.Skipped, batch.Dropped); err != nil {
				return err
			}
		}
		if r.writer == nil || r.writer.Buffered() == 0 {
			r.oldest = batch.Oldest
		}
		for _, p := range batch.Packets {
			if err := r.packet(p); err != nil {
				return err
			}
		}
		if batch.End {
			return r.finish()
		}
		if r.due() {
			if err := r.flush(); err != nil {
				return err
			}
			if err := r.endIfLow(); err != nil {
				return err
			}
		}
	}
}

// skip notes in the file that the disk was too slow for what came. A file that is about
// to begin has what came before that.
func (r *Recorder) skip(packets uint64, d live.Dropped) error {
	r.update(func(s *Status) { s.Skipped += packets })
	if r.writer == nil && r.pending.worthKeeping() {
		if err := r.start(); err != nil {
			return err
		}
	}
	event := r.log.Warn().Uint64("packets", packets).Uint64("video", d.Video).Uint64("audio", d.Audio)
	if r.writer == nil {
		event.Msg("the disk is too slow: packets are dropped")
		return nil
	}
	if r.writer.Buffered() > 0 {
		if err := r.flush(); err != nil { // an MP4 notes it in its next fragment
			return err
		}
	}
	drop := container.Drop{At: r.newest, Length: d.Until - r.base - r.newest, Video: count(d.Video), Audio: count(d.Audio)}.Round()
	event.Stringer("duration", drop.Length).Msg("the disk is too slow: the recording has a gap")
	return r.writer.Drop(drop)
}

// count is a number of frames, as far as a file can tell it.
func count(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }

// endIfLow ends the file, cleanly, before the disk is full.
func (r *Recorder) endIfLow() error {
	low := r.config.Low()
	if low == nil {
		return nil
	}
	if err := r.finishFile(); err != nil {
		return err
	}
	r.startOver()
	r.tellLow(low)
	return nil
}

// deadline is when the buffer must be written, zero if it is empty.
func (r *Recorder) deadline() time.Time {
	if r.writer == nil || r.writer.Buffered() == 0 {
		return time.Time{}
	}
	late := r.oldest.Add(flushLatest)
	if again := r.flushed.Add(flushAgain); late.Before(again) {
		late = again
	}
	return earlier(r.flushed.Add(flushEvery), late)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// due reports whether the buffer is to be written now.
func (r *Recorder) due() bool {
	deadline := r.deadline()
	return !deadline.IsZero() && (time.Until(deadline) <= 0 || r.writer.Buffered() >= flushBytes)
}

// packet writes a packet, or keeps it until a file can begin with it.
func (r *Recorder) packet(p *media.Packet) error {
	if p.Kind == media.Data {
		r.pending.learn(p)
		return nil
	}
	if len(p.Body) == 0 {
		return nil // silence: an FLV tag must not be empty
	}
	if p.Config() {
		r.current = replaceConfig(r.current, p)
	}
	switch {
	case r.writer == nil:
		return r.hold(p)
	case r.turning:
		return r.turn(p)
	case !r.writer.takes(p):
		r.changed(time.Now())
	case !r.complete(p):
		return r.write(p)
	}
	// The rest of the GOP stays in this file; what it cannot take waits.
	r.turning = true
	r.pending.restart(r.current, r.video)
	return r.turn(p)
}

// A stream may change maxChanges times in changesWithin. One that changes more often
// goes on as FLV, which takes any change: else it could fill the disk with files.
const (
	maxChanges    = 10
	changesWithin = time.Minute
)

// changed notes that something came which the file cannot take.
func (r *Recorder) changed(now time.Time) {
	r.changes = append(r.changes, now)
	if len(r.changes) <= maxChanges {
		return
	}
	oldest := r.changes[0]
	r.changes = r.changes[1:]
	if now.Sub(oldest) < changesWithin && r.config.Format != FLV {
		r.config.Format = FLV
		r.log.Warn().Int("changes", maxChanges+1).Stringer("within", now.Sub(oldest).Round(time.Second)).
			Msg("the stream changes too often for MP4: recording as FLV from here")
	}
}

// complete reports whether the file has its length, or can have no more, and another
// can begin with a packet.
func (r *Recorder) complete(p *media.Packet) bool {
	long := r.config.Segment > 0 && p.DTS-r.base >= r.config.Segment
	return begins(p, r.video) && (long || r.writer.Full())
}

// begins reports whether a file can begin with a packet: a keyframe, or any frame
// of a stream without video.
func begins(p *media.Packet, video bool) bool {
	return p.Role == media.Frame && (p.Kind == media.Video && p.Key && p.Track == 0 || !video)
}

// hold keeps a packet for the file that is about to begin.
func (r *Recorder) hold(p *media.Packet) error {
	if !r.pending.add(p, r.config.Format) {
		return nil
	}
	return r.start()
}

// turn handles a packet while another file is due: at a keyframe, or at once in a
// stream without video, the file ends and the next one begins.
func (r *Recorder) turn(p *media.Packet) error {
	switch {
	case begins(p, r.pending.sawVideo):
		if err := r.finishFile(); err != nil {
			return err
		}
		r.turning = false
		r.pending.keepAll = true
		if err := r.hold(p); err != nil || r.writer != nil || r.pending.sawVideo {
			return err
		}
		return r.start()
	case p.Config(), !r.writer.takes(p):
		r.pending.keepAll = true
		r.pending.add(p, r.config.Format)
		return nil
	}
	return r.write(p)
}

// startOver waits for a keyframe to begin with, as at the start of the stream but
// with what is known of it.
func (r *Recorder) startOver() {
	r.turning = false
	r.pending.restart(r.current, r.video)
}
