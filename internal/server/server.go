package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
)

// Config sets up a server; zero fields mean the default.
type Config struct {
	Listen           []string      // addresses, default ":1935" if there are none for TLS either
	HandshakeTimeout time.Duration // for the whole handshake, default 10 s
	SetupTimeout     time.Duration // from the handshake to publish or play, default 15 s
	ReadTimeout      time.Duration // a silent peer is dropped, default 60 s
	PublishTimeout   time.Duration // a publisher without media is dropped, default 30 s
	WriteTimeout     time.Duration // a viewer that takes nothing is dropped, default 10 s
	PublishGrace     time.Duration // viewers wait for a publisher to return; negative is 0, default 10 s
	ShutdownTimeout  time.Duration // for finishing recordings, default 10 s
	MaxConnections   int           // default 20000, or what the limit for open files allows
	MaxPerAddress    int           // connections from one address, see hostOf; 0: no limit
	DenialDelay      time.Duration // before a client is told that it has no access, default 1 s
	Publish, Play    Access        // nil: everybody
	ListenTLS        []string      // addresses of RTMPS, which need a certificate
	GetCertificate   func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Live             live.Config
	Record           *record.Config // nil: only relay
	Logger           zerolog.Logger
}

const (
	defaultConnections = 20000

	refusalLinger = time.Second // a refused client may read why for so long
	acceptPause   = 50 * time.Millisecond
	warningBurst  = 20               // warnings at once, then one a second
	refusalAgain  = 10 * time.Second // that connections are refused is told so often
	viewerBurst   = 100              // viewers that come or go at once are each told of, then
	viewerRate    = 5                // so many a second
)

func (c Config) withDefaults() Config {
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	if len(c.Listen)+len(c.ListenTLS) == 0 {
		c.Listen = []string{":1935"}
	}
	def(&c.HandshakeTimeout, 10*time.Second)
	def(&c.SetupTimeout, 15*time.Second)
	def(&c.ReadTimeout, 60*time.Second)
	def(&c.PublishTimeout, 30*time.Second)
	def(&c.WriteTimeout, 10*time.Second)
	def(&c.PublishGrace, 10*time.Second)
	def(&c.ShutdownTimeout, 10*time.Second)
	def(&c.DenialDelay, time.Second)
	return c
}

// Server accepts RTMP connections.
type Server struct {
	config     Config
	log        zerolog.Logger
	streams    *live.Registry
	sessions   sync.WaitGroup
	publishers sync.WaitGroup  // message streams that publish
	running    context.Context // done when the server shall end
	viewers    context.Context // done when viewers shall leave
	tls        *tls.Config
	tlsBuffers sync.Pool // of *sendBuffers

	mu        sync.Mutex
	listeners []listener
	conns     map[net.Conn]*session
	hosts     map[netip.Addr]int                     // connections from each
	recorders map[*record.Recorder]*live.Publication // at least those not done
	closing   bool
	past      Totals // counts of events, and of connections that have ended

	audience throttle // of viewers that come and go
	warnings throttle // of what a peer can cause once it is connected
	refusals throttle // of connections, as they come
}

// listener is an address that clients come to.
type listener struct {
	net.Listener
	overTLS bool
}

// New returns a server that Run starts.
func New(c Config) *Server {
	c = c.withDefaults()
	return &Server{
		config:     c,
		log:        c.Logger,
		streams:    live.NewRegistry(c.Live),
		tls:        secureConfig(c.GetCertificate),
		tlsBuffers: sync.Pool{New: newSendBuffers},
		conns:      make(map[net.Conn]*session),
		hosts:      make(map[netip.Addr]int),
		recorders:  make(map[*record.Recorder]*live.Publication),
		audience:   throttle{rate: rate{limit: viewerRate, burst: viewerBurst}},
		warnings:   throttle{rate: rate{limit: 1, burst: warningBurst}},
		refusals:   throttle{rate: rate{limit: 1 / refusalAgain.Seconds(), burst: 1}},
	}
}

// Listen opens the listeners, so that an address in use is known before anything
// else happens.
func (s *Server) Listen() error {
	err := s.listen(s.config.Listen, false)
	if err == nil {
		err = s.listen(s.config.ListenTLS, true)
	}
	if err != nil {
		for _, open := range s.listeners {
			err = errors.Join(err, open.Close())
		}
		return err
	}
	s.fitConnections()
	return nil
}

func (s *Server) listen(addresses []string, overTLS bool) error {
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, listener{l, overTLS})
	}
	return nil
}

// fitConnections lowers the number of connections to what the limit for open
// files allows; each recording needs a file too. Nobody is warned of a number that
// nobody has asked for.
func (s *Server) fitConnections() {
	want, level := s.config.MaxConnections, zerolog.WarnLevel
	if want == 0 {
		want, level = defaultConnections, zerolog.InfoLevel
	}
	files := maxFiles()
	if s.config.Record != nil {
		files -= min(s.config.Live.MaxPublishers, files/2)
	}
	s.config.MaxConnections = want
	if files > 0 && want > files {
		s.config.MaxConnections = files
		s.log.WithLevel(level).Int("max_connections", files).Int("wanted", want).Msg("lowered --max-connections to fit the limit for open files (ulimit -n)")
	}
}

// Addresses returns what Listen has opened for RTMP.
func (s *Server) Addresses() []net.Addr { return s.addresses(false) }

// AddressesTLS returns what Listen has opened for RTMPS.
func (s *Server) AddressesTLS() []net.Addr { return s.addresses(true) }

func (s *Server) addresses(overTLS bool) []net.Addr {
	var all []net.Addr
	for _, l := range s.listeners {
		if l.overTLS == overTLS {
			all = append(all, l.Addr())
		}
	}
	return all
}

// Run accepts connections until the context ends, then finishes every recording.
// Listen must have succeeded. The error tells what could not be finished in time.
func (s *Server) Run(ctx context.Context) error {
	viewers, release := context.WithCancel(context.Background())
	defer release()
	s.running, s.viewers = ctx, viewers
	var accepting sync.WaitGroup
	for _, l := range s.listeners {
		accepting.Go(func() { s.accept(l) })
	}
	<-ctx.Done()
	err := s.shutdown(release)
	accepting.Wait()
	return err
}

func (s *Server) accept(l listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, or the peer is gone already
			s.failed(Failure{Err: err})
			s.refusals.warn(s.log, func(e *zerolog.Event) { e.Err(err).Msg("cannot accept connections") })
			time.Sleep(acceptPause)
			continue
		}
		s.serve(conn.(*net.TCPConn), l.overTLS)
	}
}

// serve starts a session unless the server is full or closing.
func (s *Server) serve(conn *net.TCPConn, overTLS bool) {
	sess := newSession(s, conn, overTLS)
	if err := s.admit(sess); err != nil {
		if !errors.Is(err, errClosing) {
			s.refusals.warn(sess.log(), func(e *zerolog.Event) { e.Err(err).Msg("refused a connection") })
		}
		_ = conn.Close() // nothing was promised to the peer
		return
	}
	go func() {
		defer s.sessions.Done()
		defer s.forget(sess)
		sess.run()
	}()
}

// shutdown ends publishers first, so that recorders and viewers get the last
// packet, waits for the recordings, then ends everybody else.
func (s *Server) shutdown(releaseViewers func()) error {
	deadline := time.NewTimer(s.config.ShutdownTimeout)
	defer deadline.Stop()
	for _, l := range s.listeners {
		_ = l.Close() // accept ends with net.ErrClosed
	}
	s.mu.Lock()
	s.closing = true
	for _, sess := range s.conns {
		sess.endPublishing()
	}
	s.mu.Unlock()
	s.publishers.Wait() // their connections are closed
	err := s.awaitRecorders(deadline.C)
	releaseViewers()
	s.mu.Lock()
	for _, sess := range s.conns {
		sess.endPlaying()
	}
	s.mu.Unlock()
	s.sessions.Wait()
	return err
}

// awaitRecorders waits until every recording is finished. One whose disk hangs is
// left behind at the deadline, and told of.
func (s *Server) awaitRecorders(deadline <-chan time.Time) error {
	s.mu.Lock()
	left := maps.Clone(s.recorders)
	s.mu.Unlock()
	for r := range left {
		select {
		case <-r.Done():
		case <-deadline:
			return s.abandon(left)
		}
	}
	return nil
}

// abandon leaves recorders behind that are not done.
func (s *Server) abandon(recorders map[*record.Recorder]*live.Publication) error {
	n := 0
	for r, p := range recorders {
		if done(r.Done()) {
			continue
		}
		n++
		st := r.Status()
		event := s.log.Error().Str("stream", p.Stream().Name()).Str("path", st.Path).Int64("bytes", st.Bytes).Int64("durable", st.Durable)
		if !st.Unsynced.IsZero() {
			event = event.Stringer("not_durable_for", time.Since(st.Unsynced).Round(time.Millisecond))
		}
		event.Str("hint", "finish the file with: rtmptool fix").Msg("the disk does not answer: the recording is abandoned")
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d recordings could not be finished within --shutdown-timeout %s; rtmptool fix finishes them", n, s.config.ShutdownTimeout)
}

// startRecorder records a publication, if the server records. The caller holds
// the mutex.
func (s *Server) startRecorder(p *live.Publication) {
	if s.config.Record == nil {
		return
	}
	config := *s.config.Record
	config.Failed = s.recordingFailed
	r := record.Start(config, p.Stream().Name(), p.Cursor())
	s.recorders[r] = p
	for r, p := range s.recorders {
		if done(r.Done()) && p.Ended() {
			delete(s.recorders, r)
		}
	}
}

func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
