package record

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// flushEvery is the shortest time between two writes of a recording. Video comes
// every 33 ms or faster, so that nothing waits longer than flushLatest. Only a
// recorder that catches up writes more often: at once what has waited so long, and
// whenever it has flushBytes.
const (
	flushEvery  = 30 * time.Millisecond
	flushLatest = 33 * time.Millisecond
	flushBytes  = 1 << 20
)

// Config says where and how to record; zero fields mean the default.
type Config struct {
	Dir       string        // must exist, see Prepare
	Format    Format        // default Auto
	SyncEvery time.Duration // how often recordings are made durable; 0: only when they begin and end
	Logger    zerolog.Logger

	// Create makes a new recording with an ending and gives its path; nil means a
	// locked file in Dir, named after the stream and the time.
	Create func(stream string, at time.Time, ext string) (File, string, error)
}

// File is a recording that is being written.
type File interface {
	container.File
	Close() error
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
	current []*media.Packet // the configurations in force
	base    time.Duration   // stream time at which the file's time is 0
	newest  time.Duration   // time of the newest packet
	video   bool            // the stream has video
	flushed time.Time       // begin of the last flush
	oldest  time.Time       // arrival of the oldest packet that is not written

	mu     sync.Mutex
	status Status
}

// Status tells how a recording is doing.
type Status struct {
	Path     string        // empty until a file is opened
	Duration time.Duration // of the current file
	Bytes    int64         // written to the current file
	Skipped  uint64        // packets lost because the disk was too slow
	Err      error         // why recording is disabled
}

// Start begins to record what the cursor reads, until the publication ends. The
// recorder closes the cursor.
func Start(c Config, stream string, cursor *live.Cursor) *Recorder {
	if c.Create == nil {
		c.Create = c.createFile
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

// Disabled reports whether an error ended the recording before its stream.
func (r *Recorder) Disabled() bool { return r.Status().Err != nil }

// Status returns a snapshot.
func (r *Recorder) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

func (r *Recorder) update(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

func (r *Recorder) run() {
	defer close(r.done)
	err := r.record()
	r.cursor.Close() // the ring holds nothing for a file that is given up
	if err != nil {
		r.disable(err)
	}
}

// record reads until the publication ends. It returns the first error of the
// file, after which nothing more is written to it.
func (r *Recorder) record() error {
	for {
		// The only error is the deadline: then the batch is empty.
		batch, _ := r.cursor.Next(context.Background(), r.deadline())
		if batch.Skipped > 0 {
			r.update(func(s *Status) { s.Skipped += batch.Skipped })
			r.log.Warn().Uint64("packets", batch.Skipped).Msg("the disk is too slow: the recording has a gap")
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
		}
	}
}

// deadline is when the buffer must be written, zero if it is empty.
func (r *Recorder) deadline() time.Time {
	if r.writer == nil || r.writer.Buffered() == 0 {
		return time.Time{}
	}
	return earlier(r.flushed.Add(flushEvery), r.oldest.Add(flushLatest))
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
	case r.writer.takes(p):
		return r.write(p)
	}
	// The rest of the GOP stays in this file; what it cannot take waits.
	r.turning = true
	r.pending.configs = slices.Clone(r.current)
	r.pending.sawVideo = r.video
	return r.turn(p)
}

// hold keeps a packet for the file that is about to begin.
func (r *Recorder) hold(p *media.Packet) error {
	if !r.pending.add(p, r.config.Format) {
		return nil
	}
	return r.begin()
}

// turn handles a packet while another file is due: at a keyframe, or at once in a
// stream without video, the file ends and the next one begins.
func (r *Recorder) turn(p *media.Packet) error {
	begins := p.Role == media.Frame && (p.Kind == media.Video && p.Key && p.Track == 0 || !r.pending.sawVideo)
	switch {
	case begins:
		if err := r.finishFile(); err != nil {
			return err
		}
		r.turning = false
		r.pending.keepAll = true
		if err := r.hold(p); err != nil || r.writer != nil || r.pending.sawVideo {
			return err
		}
		return r.begin()
	case p.Config(), !r.writer.takes(p):
		r.pending.keepAll = true
		r.pending.add(p, r.config.Format)
		return nil
	}
	return r.write(p)
}

// begin opens a file and writes what was kept for it.
func (r *Recorder) begin() error {
	packets, frameRate := r.pending.take(), r.pending.frameRate
	r.base, r.newest = earliest(packets), 0
	// The first frame came as long ago as the times say.
	now := time.Now()
	created := now.Add(r.base - packets[len(packets)-1].DTS)
	format := r.config.Format
	kind := format.wants(videoCodec(packets))
	if kind == MP4 {
		if _, err := newOutput(format, MP4, nil, packets, created, 0); err != nil {
			r.log.Warn().Err(err).Msg("recording as FLV: the stream has no place in an MP4 file")
			format, kind = FLV, FLV
		}
	}
	file, path, err := r.config.Create(r.stream, now, "."+string(kind))
	r.update(func(s *Status) { s.Path = path })
	if err != nil {
		return err
	}
	r.file = file
	if r.writer, err = newOutput(format, kind, file, packets, created, frameRate); err != nil {
		return err
	}
	r.log.Info().Str("path", path).Msg("recording")
	for _, p := range packets {
		if err := r.write(p); err != nil {
			return err
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	r.syncer = startSyncer(file, r.config.SyncEvery, func() int64 { return r.Status().Bytes }, r.writer.Synced)
	return nil
}

func videoCodec(packets []*media.Packet) media.Codec {
	for _, p := range packets {
		if p.Kind == media.Video && p.Track == 0 && p.Codec != 0 {
			return p.Codec
		}
	}
	return 0
}

func (r *Recorder) write(p *media.Packet) error {
	at := max(0, p.DTS-r.base)
	if p.Config() {
		at = r.newest // its own may be before a gap, or after the sound that follows it
	}
	r.newest = max(r.newest, at)
	r.video = r.video || p.Kind == media.Video && p.Role == media.Frame
	return r.writer.write(p, at)
}

func (r *Recorder) flush() error {
	r.flushed = time.Now()
	if r.syncer != nil {
		if err := r.syncer.failed(); err != nil {
			return err
		}
	}
	if err := r.writer.Flush(); err != nil {
		return err
	}
	r.update(func(s *Status) { s.Bytes, s.Duration = r.writer.Written(), r.writer.duration() })
	return nil
}

// finish ends the recording with the publication. Sound that was waiting for its
// video is not lost.
func (r *Recorder) finish() error {
	if r.writer != nil {
		if err := r.finishFile(); err != nil {
			return err
		}
	}
	if !r.pending.worthKeeping() {
		return nil
	}
	if err := r.begin(); err != nil {
		return err
	}
	return r.finishFile()
}

// finishFile closes the current file.
func (r *Recorder) finishFile() error {
	if err := r.flush(); err != nil {
		return err
	}
	r.stopSyncer()
	if err := r.writer.Close(); err != nil {
		return err
	}
	file := r.file
	r.file, r.writer = nil, nil // whatever Close says, nothing is left to be salvaged
	if err := file.Close(); err != nil {
		return err
	}
	s := r.Status()
	r.log.Info().Str("path", s.Path).Stringer("duration", s.Duration.Round(time.Millisecond)).Int64("bytes", s.Bytes).Msg("recorded")
	return nil
}

func (r *Recorder) stopSyncer() {
	if r.syncer != nil {
		r.syncer.stop()
		r.syncer = nil
	}
}

// disable gives up after an error. What is whole in the file is finished as far
// as the disk allows.
func (r *Recorder) disable(err error) {
	r.update(func(s *Status) { s.Err = err })
	s := r.Status()
	event := r.log.Error().Str("path", s.Path).Err(err).Stringer("duration", s.Duration.Round(time.Millisecond)).Int64("bytes", s.Bytes)
	if r.file != nil {
		if saveErr := r.salvage(); saveErr != nil {
			event = event.Str("hint", "finish the file with: rtmptool fix").AnErr("finish", saveErr)
		}
	}
	event.Msg("recording is disabled for this stream")
}

// salvage finishes a file with what was wholly written.
func (r *Recorder) salvage() error {
	r.stopSyncer()
	if r.writer == nil {
		return r.file.Close()
	}
	// The write that failed may have reached the disk in part.
	plan, ok := r.writer.finished(r.writer.Written() + int64(r.writer.Buffered()) + maxTorn)
	err := errUnreadable
	if ok {
		err = plan.Apply(r.file)
	}
	return errors.Join(err, r.file.Close())
}

// maxTorn is more than what a fragment has beside its samples, in bytes.
const maxTorn = 64 << 10
