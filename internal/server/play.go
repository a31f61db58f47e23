package server

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// viewer is a message stream that plays. It has a goroutine of its own, which
// pulls from the stream and writes.
type viewer struct {
	session *session
	name    string
	cursor  *live.Cursor
	cancel  context.CancelFunc
	done    chan struct{}

	rtmp             *rtmp.Conn  // the session's
	id               uint32      // message stream
	noAudio, noVideo atomic.Bool // the client wants none

	// Owned by the viewer's goroutine, or by whoever serves it while it follows.
	awaitKey bool        // video was off: it comes back at a keyframe
	pieces   net.Buffers // scratch of chunks
	left     net.Buffers // of them, that offer did not write
}

// startViewer begins to play a stream, or to wait for it.
func (s *session) startViewer(ms *messageStream, name string) *viewer {
	ctx, cancel := context.WithCancel(s.server.viewers)
	v := &viewer{
		session: s, rtmp: s.rtmp, id: ms.id, name: name,
		cursor: s.server.streams.Subscribe(name),
		cancel: cancel,
		done:   make(chan struct{}),
	}
	v.leaveOut(ms.noAudio, ms.noVideo)
	s.server.audience.info(v.log(), func(e *zerolog.Event) { e.Str("client", s.version).Msg("playing") })
	limitBacklog(s.conn.TCPConn)
	s.playing.Add(1)
	go v.run(ctx)
	return v
}

// log is made when there is something to tell, as that of the session.
func (v *viewer) log() zerolog.Logger { return v.session.log().With().Str("stream", v.name).Logger() }

// stop makes the goroutine end; wait waits until it has.
func (v *viewer) stop() { v.cancel() }
func (v *viewer) wait() { <-v.done }

func (v *viewer) run(ctx context.Context) {
	defer close(v.done)
	defer v.session.playing.Add(-1)
	defer v.cancel()
	defer v.cursor.Close()
	begin, sent := time.Now(), v.rtmp.Sent()
	err := v.relay(ctx)
	if err != nil || v.stopping() {
		_ = v.session.conn.Close() // the session's reader sees it and ends
	}
	v.session.server.audience.info(v.log(), func(e *zerolog.Event) {
		e.Stringer("after", time.Since(begin).Round(time.Second)).Uint64("bytes", v.rtmp.Sent()-sent)
		if gaps := v.cursor.Gaps(); gaps.Count > 0 {
			e.Int("skips", gaps.Count).Uint64("skipped_packets", gaps.Packets)
		}
		if !errors.Is(err, net.ErrClosed) { // the session has seen the end, or made it
			e.AnErr("reason", err)
		}
		e.Msg("viewer left")
	})
}

// stopping tells that the server ends, not only this viewer.
func (v *viewer) stopping() bool { return v.session.server.viewers.Err() != nil }

// relay writes what becomes visible until the viewer is stopped or the publisher
// does not return in time. When the server ends it writes what is left. The error
// is that of the connection.
func (v *viewer) relay(ctx context.Context) error {
	var deadline time.Time // for the publisher's return
	for {
		batch, err := v.cursor.Next(ctx, deadline)
		if errors.Is(err, live.ErrTimeout) {
			return v.farewell()
		}
		if err != nil && v.stopping() {
			ctx, deadline = context.Background(), time.Now()
			continue
		}
		if err != nil {
			return nil // stopped
		}
		if batch.Start && !deadline.IsZero() {
			deadline = time.Time{}
			if err := v.welcomeBack(); err != nil {
				return err
			}
		}
		if err := v.write(batch.Packets); err != nil {
			return err
		}
		if batch.End {
			if err := v.tell(rtmp.UserControl(rtmp.EventStreamEOF, v.id)); err != nil {
				return err
			}
			deadline = time.Now()
			if !v.stopping() {
				deadline = deadline.Add(max(0, v.session.server.config.PublishGrace))
			}
		} else if v.rtmp.CanTry() {
			// For as long as nobody has to wait, there is no need of this goroutine.
			v.cursor.Follow(ctx, v.offer)
			if err := v.rtmp.WriteChunks(v.left); err != nil {
				return err
			}
			v.left = nil
		}
	}
}

// write sends packets in one vectored write. They were encoded when they were
// published.
func (v *viewer) write(packets []*media.Packet) error {
	if v.gather(packets); len(v.pieces) == 0 {
		return nil
	}
	return v.rtmp.WriteChunks(v.pieces)
}

// offer is write that does not wait. If it returns false, left must be written.
func (v *viewer) offer(packets []*media.Packet) bool {
	v.gather(packets)
	v.left = v.pieces
	return len(v.pieces) == 0 || v.rtmp.TryWriteChunks(&v.left)
}

// gather puts the pieces of packets together.
func (v *viewer) gather(packets []*media.Packet) {
	old := v.pieces
	v.pieces = old[:0]
	for _, p := range packets {
		if !v.wants(p) {
			continue
		}
		frame := p.Frame
		if v.id != 1 {
			frame = rtmp.Retarget(frame, v.id)
		}
		v.pieces = rtmp.AppendChunks(v.pieces, frame)
	}
	clear(old[min(len(old), len(v.pieces)):]) // a burst is not kept alive
}

// leaveOut lets the client have no audio, or no video, from now on.
func (v *viewer) leaveOut(audio, video bool) {
	v.noAudio.Store(audio)
	v.noVideo.Store(video)
}

// wants applies receiveAudio and receiveVideo to frames. Everything else is sent
// all the same, so that a decoder is ready when they come back.
func (v *viewer) wants(p *media.Packet) bool {
	if p.Role != media.Frame {
		return true
	}
	if p.Kind == media.Audio {
		return !v.noAudio.Load()
	}
	v.awaitKey = v.noVideo.Load() || v.awaitKey && !p.Key
	return !v.awaitKey
}

func (v *viewer) tell(messages ...rtmp.Message) error {
	return v.rtmp.WriteMessages(messages...)
}

// farewell ends the play for the client: FFmpeg and librtmp close on it.
func (v *viewer) farewell() error {
	return v.tell(rtmp.OnStatus(v.id, rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodePlayUnpublish, v.name+" is no longer published")))
}

func (v *viewer) welcomeBack() error {
	return v.tell(
		rtmp.OnStatus(v.id, rtmp.StatusInfo(rtmp.LevelStatus, rtmp.CodePlayPublish, v.name+" is published again")),
		rtmp.UserControl(rtmp.EventStreamBegin, v.id))
}
