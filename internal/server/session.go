package server

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// Limits of a session.
const (
	maxMessageStreams = 8
	maxLogged         = 64        // bytes of what a client says, in the log
	maxEarlyBytes     = 256 << 10 // audio and video before publish, with what keeping it costs
	earlyOverhead     = 128       // bytes for a kept message beside its body
	messageOverhead   = 128       // bytes that a message takes beside its body
	maxCommandRate    = 20        // commands a second, after the first ones
	maxControlRate    = 50        // protocol control messages a second
	maxChunkSizes     = 128       // changes of the chunk size a minute
	commandBurst      = 40
)

// errRefused ends a session whose client was told why.
var errRefused = errors.New("refused")

// errSilent is how some clients end that do not trust a certificate.
var errSilent = errors.New("the client left after the TLS handshake without a word; does it trust the certificate?")

// session is one connection. Its fields belong to the goroutine that runs it.
type session struct {
	server *Server
	conn   *timedConn
	secure *secureConn // TLS on it; nil: none
	rtmp   *rtmp.Conn

	connected  bool
	app, tcURL string
	version    string // the client's flashVer
	streams    map[uint32]*messageStream
	nextID     uint32

	newestDenied attempt

	early      []rtmp.Message // audio and video that came before publish
	earlyBytes int
	commands   rate
	controls   rate
	chunkSizes rate

	publishing atomic.Int32 // message streams that publish; for the server
	playing    atomic.Int32 // message streams that play; for the server
}

// messageStream is a message stream of the connection: idle, publishing or
// playing.
type messageStream struct {
	id     uint32
	pub    *publisher
	viewer *viewer

	noAudio, noVideo bool // the client wants none
}

func (ms *messageStream) publishes() bool { return ms.pub != nil }
func (ms *messageStream) busy() bool      { return ms.pub != nil || ms.viewer != nil }

// first returns the message stream with the lowest id that is wanted, or nil.
func (s *session) first(wanted func(*messageStream) bool) *messageStream {
	var found *messageStream
	for _, ms := range s.streams {
		if wanted(ms) && (found == nil || ms.id < found.id) {
			found = ms
		}
	}
	return found
}

func newSession(s *Server, conn *net.TCPConn, overTLS bool) *session {
	c := &timedConn{socket: newSocket(conn), writeTimeout: s.config.WriteTimeout}
	sess := &session{
		server:   s,
		conn:     c,
		streams:  make(map[uint32]*messageStream),
		nextID:   1,
		commands: rate{limit: maxCommandRate, burst: commandBurst},
		controls: rate{limit: maxControlRate, burst: maxControlRate},

		chunkSizes: rate{limit: maxChunkSizes / time.Minute.Seconds(), burst: maxChunkSizes},
	}
	if overTLS {
		sess.secure = newSecureConn(c, c.socket, s.tls, &s.tlsBuffers)
		sess.rtmp = rtmp.NewConn(sess.secure, sess.secure)
	} else {
		sess.rtmp = rtmp.NewConn(c, c.socket)
	}
	sess.rtmp.BeforeWrite = c.beforeWrite
	c.check, c.patience = sess.checkPublishers, sess.patience
	c.phase = rand.N(phases)
	c.idle = func() error {
		return sess.rtmp.WriteMessages(rtmp.UserControl(rtmp.EventPingRequest, uint32(time.Now().UnixMilli())))
	}
	return sess
}

// run serves the connection until it ends, for whatever reason.
func (s *session) run() {
	err := s.serve()
	for _, ms := range s.streams {
		s.stop(ms)
	}
	if errors.Is(err, errRefused) {
		s.linger()
	}
	_ = s.conn.Close() // what was to be said has been written
	for _, ms := range s.streams {
		if ms.viewer != nil {
			ms.viewer.wait()
		}
	}
	s.logEnd(err)
}

func (s *session) serve() error {
	if err := s.conn.until(time.Now().Add(s.server.config.HandshakeTimeout)); err != nil {
		return err
	}
	if s.secure != nil {
		// On a goroutine of its own, which takes its stack with it when it ends: nothing
		// else that a connection does needs as much.
		handshake := make(chan error)
		go func() { handshake <- s.secure.handshake() }()
		if err := <-handshake; err != nil {
			return err
		}
	}
	if err := s.rtmp.Accept(); err == io.EOF && s.secure != nil { // not a byte came
		return errSilent
	} else if err != nil {
		return err
	}
	if err := s.conn.until(time.Now().Add(s.server.config.SetupTimeout)); err != nil {
		return err
	}
	for {
		m, err := s.rtmp.ReadMessage()
		if err != nil {
			return err
		}
		if err := s.message(m); err != nil {
			return err
		}
	}
}

// message handles one message of the peer.
func (s *session) message(m rtmp.Message) error {
	switch m.Type {
	case rtmp.TypeAudio, rtmp.TypeVideo, rtmp.TypeDataAMF0, rtmp.TypeDataAMF3:
		return s.media(m)
	case rtmp.TypeCommandAMF0, rtmp.TypeCommandAMF3:
		if !s.commands.allow(time.Now()) {
			return s.violation("too many commands")
		}
		return s.command(m)
	case rtmp.TypeSetChunkSize:
		if !s.chunkSizes.allow(time.Now()) {
			return s.violation("too many changes of the chunk size")
		}
	case rtmp.TypeAck: // as many as our sending asks for
	default:
		// Control messages have taken effect; shared objects and unknown types have
		// none here. They still cost something.
		if !s.controls.allow(time.Now()) {
			return s.violation("too many control messages")
		}
	}
	return nil
}

// violation says that a peer did what none that means well does.
func (s *session) violation(format string, args ...any) error {
	return &rtmp.ProtocolError{Offset: s.rtmp.Received(), Reason: fmt.Sprintf(format, args...)}
}

// media publishes a message, or keeps it for a publish command that is late.
func (s *session) media(m rtmp.Message) error {
	if ms := s.mediaStream(m.StreamID); ms != nil && ms.publishes() {
		return ms.pub.message(m, s.conn.came)
	}
	if !s.connected {
		return s.violation("media before connect")
	}
	if s.earlyBytes += len(m.Body) + earlyOverhead; s.earlyBytes > maxEarlyBytes {
		return s.violation("media without publish")
	}
	s.early = append(s.early, m)
	return nil
}

// mediaStream finds the message stream of a media message. Some encoders send on
// stream 0: then it is the one that publishes.
func (s *session) mediaStream(id uint32) *messageStream {
	if id != 0 {
		return s.streams[id]
	}
	return s.first((*messageStream).publishes)
}

// checkPublishers ends what sends signs of life but no media, be it a message that
// never ends: one stream of several, or the connection. It is called while a message
// is read.
func (s *session) checkPublishers() error {
	for _, ms := range s.streams {
		lost := ms.pub != nil && (ms.pub.publication.Ended() || time.Since(ms.pub.clock.wall) > s.server.config.PublishTimeout)
		switch {
		case !lost:
		case s.publishing.Load() == 1:
			return os.ErrDeadlineExceeded
		default:
			s.stop(ms)
			if err := s.status(ms.id, rtmp.LevelError, rtmp.CodePublishBadName, "the stream was silent for too long, or another publisher took its name"); err != nil {
				return err
			}
		}
	}
	return nil
}

// patience is how long what the peer sends may wait until it is read: not at all if somebody
// waits for something that it publishes, or if it waits for answers, or is to end.
func (s *session) patience() time.Duration {
	if s.publishing.Load() == 0 || s.playing.Load() > 0 || s.conn.ending.Load() {
		return 0
	}
	patience := time.Duration(math.MaxInt64)
	for _, ms := range s.streams {
		if ms.pub != nil {
			patience = min(patience, ms.pub.publication.Patience())
		}
	}
	return patience
}

// stop ends what a message stream does. A viewer's goroutine ends by itself soon
// after.
func (s *session) stop(ms *messageStream) {
	if ms.pub != nil {
		ms.pub.end()
		ms.pub = nil
		s.publishing.Add(-1)
		s.server.publishers.Done()
	}
	if ms.viewer != nil {
		ms.viewer.stop()
	}
}

// evict ends a publisher that has lost its name: the connection is dead, unless
// other streams are published on it. Then it finds out by itself.
func (s *session) evict() {
	if s.publishing.Load() <= 1 {
		_ = s.conn.Close() // the session sees it and ends
	}
}

// endPublishing ends a connection that publishes, once what has come is read. The server
// calls it, holding the mutex under which sessions begin to publish.
func (s *session) endPublishing() {
	if s.publishing.Load() > 0 {
		s.conn.endReading() // the session sees it and ends
	}
}

// endPlaying lets viewers say goodbye and closes all other connections. The
// server calls it.
func (s *session) endPlaying() {
	s.conn.finish(time.Now().Add(refusalLinger))
	if s.playing.Load() == 0 {
		_ = s.conn.Close()
	}
}

// linger gives a refused client time to read why: a close with unread data in
// the receive buffer would take the reason away.
func (s *session) linger() {
	if s.secure != nil {
		_ = s.secure.CloseWrite() // the end of the connection says it too
	}
	if s.conn.CloseWrite() != nil || s.conn.until(time.Now().Add(refusalLinger)) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, s.conn) // ends at the deadline
}

// log is made when there is something to tell: it would be a part of what an idle
// connection costs.
func (s *session) log() zerolog.Logger {
	return s.server.log.With().Stringer("peer", s.conn.RemoteAddr()).Logger()
}

func (s *session) logEnd(err error) {
	log := s.log()
	var violation *rtmp.ProtocolError
	var noTLS *secureError
	switch {
	case errors.As(err, &noTLS):
		s.server.warnings.warn(log, func(e *zerolog.Event) { e.Err(err).Msg("closed a connection whose TLS handshake failed") })
	case errors.Is(err, errSilent):
		s.server.warnings.info(log, func(e *zerolog.Event) { e.Err(err).Msg("connection ended") })
	case errors.As(err, &violation):
		s.server.warnings.warn(log, func(e *zerolog.Event) { e.Err(err).Msg("closed a connection that broke the protocol") })
	case errors.Is(err, errRefused), errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		log.Debug().Msg("connection ended")
	default:
		log.Debug().Err(err).Msg("connection ended")
	}
}
