package record

import (
	"errors"
	"time"

	"github.com/rtmptool/rtmptool/internal/disk"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// start begins a file with what is pending, unless the disk has too little room:
// then a later keyframe begins one.
func (r *Recorder) start() error {
	low := r.config.Low()
	if low == nil && !time.Now().Before(r.retry) {
		return r.begin()
	}
	r.pending.forgo()
	r.tellLow(low)
	return nil
}

// tellLow says, once, why nothing is recorded.
func (r *Recorder) tellLow(low error) {
	if low != nil && !r.Disabled() {
		r.fail(low)
		r.log.Error().Err(low).Msg("not recording until there is more room")
	}
}

// begin opens a file and writes what was kept for it.
func (r *Recorder) begin() error {
	packets, frameRate := r.pending.take(), r.pending.frameRate
	r.base, r.newest = earliest(packets), 0
	// The first frame came as long ago as the times say.
	created := time.Now().Add(r.base - packets[len(packets)-1].DTS)
	format := r.config.Format
	kind := format.wants(videoCodec(packets))
	if kind == MP4 {
		if _, err := newOutput(format, MP4, nil, packets, created, 0); err != nil {
			r.log.Warn().Err(err).Msg("recording as FLV: the stream has no place in an MP4 file")
			format, kind = FLV, FLV
		}
	}
	file, path, err := r.config.Create(r.stream, created, "."+string(kind))
	r.update(func(s *Status) { s.Path, s.Duration, s.Bytes, r.safe = path, 0, 0, durability{} })
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
	r.update(func(s *Status) { s.Err = nil }) // there is room again
	writer := r.writer
	r.syncer = startSyncer(file, r.config.SyncEvery, func() (until int64) {
		r.update(func(s *Status) { r.safe.sync(); until = s.Bytes })
		return until
	}, func(until int64) {
		r.update(func(*Status) { r.safe.synced(until) })
		writer.Synced(until)
	})
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
	r.update(func(*Status) { r.safe.write(r.flushed) })
	if err := r.writer.Flush(); err != nil {
		return err
	}
	r.update(func(s *Status) {
		s.Bytes, s.Duration = r.writer.Written(), r.writer.duration()
		r.safe.written()
	})
	return nil
}

// finish ends the recording with the publication. Sound that was waiting for its
// video is not lost, but where there was no room it is not what goes on.
func (r *Recorder) finish() error {
	if r.writer != nil {
		if err := r.finishFile(); err != nil {
			return err
		}
	}
	if !r.pending.worthKeeping() || r.Disabled() && r.pending.key == nil {
		return nil
	}
	if err := r.start(); err != nil || r.writer == nil {
		return err
	}
	return r.finishFile()
}

// finishFile closes the current file.
func (r *Recorder) finishFile() error {
	if err := r.flush(); err != nil {
		return err
	}
	if err := r.stopSyncer(); err != nil {
		return err
	}
	if err := r.writer.Close(); err != nil {
		return err
	}
	r.update(func(s *Status) {
		s.Bytes = r.writer.Written() // with what closing added
		r.safe = durability{bytes: s.Bytes}
	})
	file := r.file
	r.file, r.writer = nil, nil // whatever Close says, nothing is left to be salvaged
	if err := file.Close(); err != nil {
		return err
	}
	s := r.Status()
	r.log.Info().Str("path", s.Path).Stringer("duration", s.Duration.Round(time.Millisecond)).Int64("bytes", s.Bytes).Msg("recorded")
	return nil
}

func (r *Recorder) stopSyncer() error {
	s := r.syncer
	if r.syncer = nil; s == nil {
		return nil
	}
	return s.stop()
}

// retryAfter is how long a recorder waits after a write that the disk had no room
// for: what a file system says is free may not be free for this user.
const retryAfter = 10 * time.Second

// isFull reports whether an error is lack of room, which may pass.
func isFull(err error) bool { return disk.IsFull(err) || errors.Is(err, bmff.ErrNoRoom) }

// fail notes why nothing is recorded. A further attempt that fails is nothing new.
func (r *Recorder) fail(err error) {
	recorded := !r.Disabled()
	r.update(func(s *Status) { s.Err = err })
	if recorded {
		r.config.Failed(r.stream, err)
	}
}

// disable gives up a file after an error. What is whole in it is finished as far as
// the disk allows.
func (r *Recorder) disable(err error) {
	r.fail(err)
	s := r.Status()
	event := r.log.Error().Str("path", s.Path).Err(err).Stringer("duration", s.Duration.Round(time.Millisecond)).Int64("bytes", s.Bytes)
	if r.file != nil {
		var unsynced *syncError
		if saveErr := r.salvage(); saveErr != nil {
			event = event.Str("hint", "finish the file with: rtmptool fix").AnErr("finish", saveErr)
		} else if errors.As(err, &unsynced) {
			event = event.Str("hint", "the disk may have lost some of it: look with rtmptool inspect --deep after a restart of the machine")
		}
		r.update(func(*Status) { r.safe = durability{bytes: r.safe.bytes} })
	}
	if isFull(err) {
		event.Msg("recording is disabled for this stream until there is more room")
	} else {
		event.Msg("recording is disabled for this stream")
	}
}

// salvage finishes a file with what was wholly written, and leaves none behind that
// holds nothing.
func (r *Recorder) salvage() error {
	_ = r.stopSyncer() // the disk has failed already
	file, writer := r.file, r.writer
	r.file, r.writer = nil, nil
	if writer == nil || writer.Written() == 0 {
		return file.Remove()
	}
	// The write that failed may have reached the disk in part.
	plan, ok := writer.finished(writer.Written() + int64(writer.Buffered()) + maxTorn)
	err := errUnreadable
	if ok {
		err = plan.Apply(file)
	}
	return errors.Join(err, file.Close())
}

// maxTorn is more than what a fragment has beside its samples, in bytes.
const maxTorn = 64 << 10
