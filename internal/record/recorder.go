package record

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// flushEvery is the shortest time between two writes of a recording. Video comes
// every 33 ms or faster, so that nothing waits longer than that.
const flushEvery = 30 * time.Millisecond

// Config says where and how to record; zero fields mean the default.
type Config struct {
	Dir    string // must exist, see Prepare
	Logger zerolog.Logger

	// Create makes a new recording and gives its path; nil means a locked file
	// in Dir, named after the stream and the time.
	Create func(stream string, at time.Time) (File, string, error)
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
	writer  *flv.Writer
	base    time.Duration // stream time at which the file's time is 0
	flushed time.Time

	mu     sync.Mutex
	status Status
}

// Status tells how a recording is doing.
type Status struct {
	Path     string        // empty until the first file is open
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
	defer r.cursor.Close()
	if err := r.record(); err != nil {
		r.disable(err)
	}
}

// record reads until the publication ends. It returns the first error of the
// file, after which nothing more is written to it.
func (r *Recorder) record() error {
	for {
		var deadline time.Time
		if r.writer != nil && r.writer.Buffered() > 0 {
			deadline = r.flushed.Add(flushEvery)
		}
		batch, err := r.cursor.Next(context.Background(), deadline)
		if err != nil { // the deadline
			if err := r.flush(); err != nil {
				return err
			}
			continue
		}
		if batch.Skipped > 0 {
			r.update(func(s *Status) { s.Skipped += batch.Skipped })
			r.log.Warn().Uint64("packets", batch.Skipped).Msg("the disk is too slow: the recording has a gap")
		}
		for _, p := range batch.Packets {
			if err := r.packet(p); err != nil {
				return err
			}
		}
		if batch.End {
			return r.finish()
		}
		if r.writer != nil && time.Since(r.flushed) >= flushEvery {
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
}

// packet writes a packet, or keeps it until the file can begin.
func (r *Recorder) packet(p *media.Packet) error {
	if p.Kind == media.Data {
		r.pending.learn(p)
		return nil
	}
	if len(p.Body) == 0 {
		return nil // silence: an FLV tag must not be empty
	}
	if r.writer != nil {
		return r.write(p)
	}
	if !r.pending.add(p) {
		return nil
	}
	return r.begin()
}

// begin opens the file and writes what was kept for it.
func (r *Recorder) begin() error {
	now := time.Now()
	file, path, err := r.config.Create(r.stream, now)
	if err != nil {
		return err
	}
	r.file = file
	r.writer = flv.NewWriter(file, flv.Index{Created: now, FrameRate: r.pending.frameRate})
	r.update(func(s *Status) { s.Path = path })
	r.log.Info().Str("path", path).Msg("recording")
	packets := r.pending.take()
	r.base = earliest(packets)
	for _, p := range packets {
		if err := r.write(p); err != nil {
			return err
		}
	}
	return r.flush()
}

func (r *Recorder) write(p *media.Packet) error {
	return r.writer.Write(p, max(0, p.DTS-r.base))
}

func (r *Recorder) flush() error {
	err := r.writer.Flush()
	r.flushed = time.Now()
	index := r.writer.Index()
	r.update(func(s *Status) { s.Bytes, s.Duration = index.End, index.Duration() })
	return err
}

// finish closes the file at the end of the publication. Sound that was waiting
// for its video is not lost.
func (r *Recorder) finish() error {
	if r.writer == nil {
		if !r.pending.worthKeeping() {
			return nil
		}
		if err := r.begin(); err != nil {
			return err
		}
	}
	if err := r.flush(); err != nil {
		return err
	}
	if err := r.writer.Close(); err != nil {
		return err
	}
	if err := r.file.Close(); err != nil {
		return err
	}
	s := r.Status()
	r.log.Info().Str("path", s.Path).Stringer("duration", s.Duration.Round(time.Millisecond)).Int64("bytes", s.Bytes).Msg("recorded")
	return nil
}

// disable gives up after an error. What is whole in the file is finished as far
// as the disk allows.
func (r *Recorder) disable(err error) {
	r.update(func(s *Status) { s.Err = err })
	event := r.log.Error().Str("path", r.Status().Path).Err(err)
	if r.file != nil {
		if saveErr := r.salvage(); saveErr != nil {
			event = event.Str("hint", "finish the file with: rtmptool fix").AnErr("finish", saveErr)
		}
	}
	event.Msg("recording is disabled for this stream")
}

// salvage finishes a file with the tags that were wholly written.
func (r *Recorder) salvage() error {
	defer r.file.Close()
	size := r.writer.Written()
	index, _ := flv.Scan(r.file, size)
	if err := flv.Finalize(&index, size).Apply(r.file); err != nil {
		return fmt.Errorf("finish the recording: %w", err)
	}
	return nil
}
