package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/rs/zerolog/diode"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/internal/status"
)

// Log lines wait in a queue for a slow reader of stderr; beyond its length they
// are dropped, so that nothing waits for a log. The queue is polled: its other way
// of waiting can miss a line until the next one comes.
const (
	logQueue = 1000
	logPoll  = 20 * time.Millisecond
)

type serveOptions struct {
	server  server.Config
	log     logFlags
	record  recordOptions
	access  accessOptions
	monitor monitorOptions

	warnings []string // for the log, once there is one
}

func newServe() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve",
		Short: "Take live streams, relay them, and record them with --record-all",
		Long: `serve is an RTMP server. Publishers send to rtmp://HOST/live/NAME (any application
and name will do), viewers play the same address. With --record-all every stream
is recorded to disk while it is watched.

Whoever reaches the server may publish and play, unless --publish-keys and
--play-keys name files with the streams that may be. A line is app/key, or a
pattern: * is any text without a /, ? one byte of it, [a-z] one of a range, and
* alone is every stream; a line that begins with # is a comment. Behind = stands
the token that a client must bring: live/main=SECRET is published to
rtmp://HOST/live/main?token=SECRET (in OBS, stream key main?token=SECRET). A stream
needs a token as soon as one of the lines that match it has one.

These files, and the certificate, are read again when they change, within two
seconds; a mistake in them is logged, and what they held before stays in force.
Who publishes or plays already is left alone.

Every flag can also be given as an environment variable: --record-dir as
RTMPTOOL_RECORD_DIR.

Exit status: 0 after an interrupt, when all recordings are finished; 1 if serve
could not start or a recording could not be finished; 2 for wrong arguments. A
second interrupt ends serve at once.`,
		Example: `  rtmptool serve --record-all
  rtmptool serve --record-all --record-dir /srv/recordings
  rtmptool serve --listen 127.0.0.1:1935 --listen [::1]:1935
  rtmptool serve --record-all --publish-keys keys.txt
  rtmptool serve --listen none --listen-tls :1936 --tls-cert cert.pem --tls-key key.pem`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := applyEnv(c, func(text string) { o.warnings = append(o.warnings, text) }); err != nil {
				return err
			}
			return serve(c.Context(), o, c.Flags(), c.ErrOrStderr())
		},
	}
	f, s := c.Flags(), &o.server
	f.SortFlags = false
	o.record.add(f)
	o.access.add(f)
	f.DurationVar(&s.HandshakeTimeout, "handshake-timeout", 10*time.Second, "time for the RTMP handshake")
	f.DurationVar(&s.SetupTimeout, "setup-timeout", 15*time.Second, "time from the handshake to the request to publish or play")
	f.DurationVar(&s.ReadTimeout, "read-timeout", 60*time.Second, "drop a viewer that is silent for so long")
	f.DurationVar(&s.PublishTimeout, "publish-timeout", 30*time.Second, "drop a publisher that sends no media for so long")
	f.DurationVar(&s.WriteTimeout, "write-timeout", 10*time.Second, "drop a viewer that takes no data for so long")
	f.DurationVar(&s.PublishGrace, "publish-grace", 10*time.Second, "how long viewers wait for a publisher to return")
	f.DurationVar(&s.Live.MinLatency, "min-latency", 0, "let frames of viewers wait so long for others, so that many cost less; 0: send each at once")
	f.DurationVar(&s.Live.MaxLatency, "max-latency", 100*time.Millisecond, "let frames of viewers wait no longer than that when there is much to do")
	f.DurationVar(&s.ShutdownTimeout, "shutdown-timeout", 10*time.Second, "time to finish recordings when serve is stopped")
	f.IntVar(&s.MaxConnections, "max-connections", 20000, "connections at once")
	f.IntVar(&s.MaxPerAddress, "max-connections-per-ip", 0, "connections at once from one address (IPv6: from one /64 network); 0: no limit")
	f.IntVar(&s.Live.MaxPublishers, "max-publishers", 1000, "publishers at once")
	o.monitor.add(f)
	o.log.add(c)
	return c
}

func (o *serveOptions) validate(given *pflag.FlagSet) error {
	if err := o.record.validate(); err != nil {
		return err
	}
	if err := o.access.validate(given); err != nil {
		return err
	}
	s := &o.server
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"handshake-timeout", s.HandshakeTimeout}, {"setup-timeout", s.SetupTimeout}, {"read-timeout", s.ReadTimeout}, {"publish-timeout", s.PublishTimeout},
		{"write-timeout", s.WriteTimeout}, {"shutdown-timeout", s.ShutdownTimeout},
	} {
		if d.value <= 0 {
			return usageError{fmt.Errorf("--%s %s: want more than 0", d.name, d.value)}
		}
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"max-connections", s.MaxConnections}, {"max-publishers", s.Live.MaxPublishers}} {
		if n.value <= 0 {
			return usageError{fmt.Errorf("--%s %d: want more than 0", n.name, n.value)}
		}
	}
	if s.MaxPerAddress < 0 {
		return usageError{fmt.Errorf("--max-connections-per-ip %d: want 0 or more", s.MaxPerAddress)}
	}
	const mostLatency = time.Second // well below what makes a viewer skip
	switch l := &s.Live; {
	case l.MinLatency < 0:
		return usageError{fmt.Errorf("--min-latency %s: want 0 or more", l.MinLatency)}
	case l.MaxLatency < l.MinLatency:
		return usageError{fmt.Errorf("--max-latency %s: want at least --min-latency, which is %s", l.MaxLatency, l.MinLatency)}
	case l.MaxLatency > mostLatency:
		return usageError{fmt.Errorf("--max-latency %s: want at most %s", l.MaxLatency, mostLatency)}
	case l.MaxLatency == 0:
		l.MaxLatency = -1
	}
	if !given.Changed("max-connections") {
		s.MaxConnections = 0 // the server's own default
	}
	if s.PublishGrace <= 0 {
		s.PublishGrace = -1
	}
	return o.monitor.validate()
}

// serve runs the server until the context ends.
func serve(ctx context.Context, o serveOptions, given *pflag.FlagSet, stderr io.Writer) error {
	if err := o.validate(given); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE) // whoever reads the log may go, recordings are finished all the same
	screen := status.NewScreen(stderr, isTerminal(stderr) && !o.log.quiet)
	queue := diode.NewWriter(screen, logQueue, logPoll, func(missed int) {
		fmt.Fprintf(screen, "%d log lines were dropped: stderr is too slow\n", missed)
	})
	defer within(stopPatience, func() { _ = queue.Close() }) // it has no error to return
	log, err := o.log.logger(queue, isTerminal(stderr))
	if err != nil {
		return err
	}
	for _, text := range o.warnings {
		log.Warn().Msg(text)
	}
	if err := o.monitor.prepare(); err != nil {
		return err
	}
	defer o.monitor.close()
	files, err := o.access.prepare(&o.server, log)
	defer files.close()
	if err != nil {
		return err
	}
	s, err := o.start(ctx, log)
	if errors.Is(err, context.Canceled) {
		log.Warn().Msg("stopped before all recordings were looked at: the next start goes on")
		return nil
	}
	if err != nil {
		return err
	}
	o.access.warnOpen(append(s.Addresses(), s.AddressesTLS()...), log)
	if !o.record.all {
		warnIdle(given, log)
	}
	if !o.log.quiet {
		greeting := status.Greeting{
			Addresses: s.Addresses(), AddressesTLS: s.AddressesTLS(), PublishKeys: o.access.publishKeys,
			RecordDir: o.record.target(), HTTP: o.monitor.address(),
		}
		if screen.Interactive() {
			screen.Greet(greeting)
		} else {
			greeting.Log(log)
		}
	}
	defer o.record.retain(log)()
	if err := o.run(ctx, s, screen, log); err != nil {
		return err
	}
	log.Info().Msg("stopped")
	return nil
}

// run runs the server and tells people and machines how it is doing.
func (o *serveOptions) run(ctx context.Context, s *server.Server, screen *status.Screen, log zerolog.Logger) error {
	sampler := status.NewSampler(s, o.record.target())
	watch := status.Watch(sampler, screen, log)
	silence := status.Notify(ctx, sampler, o.server.ShutdownTimeout+mostStops*stopPatience, log)
	stopFile, stopHTTP := o.monitor.start(sampler, log)
	err := s.Run(ctx)
	for _, stop := range []func(){watch.Stop, silence, stopFile, stopHTTP, sampler.Stop} {
		within(stopPatience, stop)
	}
	return err
}

// warnIdle tells of flags that do nothing without --record-all.
func warnIdle(given *pflag.FlagSet, log zerolog.Logger) {
	given.Visit(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, "record-") && f.Name != "record-all" {
			log.Warn().Msgf("nothing is recorded: --%s needs --record-all", f.Name)
		}
	})
}

// stopPatience is how long a reader of stderr that stands still, a disk or a service
// manager that hangs may each hold up the end of serve, mostStops times in all.
// Recordings are finished by then.
const (
	stopPatience = time.Second
	mostStops    = 7
)

// within calls a function that ends within a while, or is left behind.
func within(limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// start prepares everything that can fail before the first stream comes.
func (o *serveOptions) start(ctx context.Context, log zerolog.Logger) (*server.Server, error) {
	o.server.Logger = log
	o.server.Live.RecordBytes = int(o.record.buffer)
	var err error
	if o.server.Record, err = o.record.prepare(ctx, log); err != nil {
		return nil, err
	}
	s := server.New(o.server)
	switch err = s.Listen(); {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hintError{err, "another server uses the port: stop it, or choose another " + o.access.otherAddress()}
	case errors.Is(err, syscall.EACCES):
		return nil, hintError{err, "choose a port above 1023 " + o.access.otherAddress()}
	case err != nil:
		return nil, hintError{err, "choose another address " + o.access.otherAddress()}
	}
	return s, nil
}
