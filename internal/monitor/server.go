package monitor

import (
	"context"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/status"
)

// Limits of what anybody who reaches the address can make the process do.
const (
	maxConnections = 32
	maxHeader      = 16 << 10 // bytes
	maxScrapes     = 8        // at once
	readTimeout    = 10 * time.Second
	writeTimeout   = 10 * time.Second // pprof adds what it was asked to wait
	idleTimeout    = 2 * time.Minute  // Prometheus keeps its connection between scrapes
	stopPatience   = time.Second / 2  // for requests under way
)

// Server answers monitoring programs until it is stopped.
type Server struct {
	http   http.Server
	cancel context.CancelFunc // ends requests
	open   atomic.Int32       // connections

	running sync.WaitGroup // the accept loop and the connections
}

// Start answers what comes to a listener, which the server closes. debug adds
// profiles of the process.
func Start(l net.Listener, sampler *status.Sampler, debug bool, log zerolog.Logger) *Server {
	return serve(l, newHandler(sampler, debug), log)
}

func serve(l net.Listener, h http.Handler, log zerolog.Logger) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{cancel: cancel}
	s.http = http.Server{
		Handler:        h,
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		ConnState:      s.connState,
		BaseContext:    func(net.Listener) context.Context { return ctx },
		ErrorLog:       stdlog.New(warnings{log}, "", 0),
	}
	s.running.Go(func() { _ = s.http.Serve(l) }) // ends when it is shut down
	return s
}

// connState counts connections. One too many is closed: it must not take file
// descriptors from streams.
func (s *Server) connState(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew: // in the accept loop, which running waits for as well
		s.running.Add(1)
		if s.open.Add(1) > maxConnections {
			_ = conn.Close()
		}
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
		s.running.Done()
	}
}

// Stop ends the server and waits until nothing of it is left.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if s.http.Shutdown(ctx) != nil { // a request is still under way
		s.cancel()
		_ = s.http.Close()
	}
	s.running.Wait()
	s.cancel()
}

// warnings logs what net/http has to say.
type warnings struct{ log zerolog.Logger }

func (w warnings) Write(p []byte) (int, error) {
	w.log.Warn().Msg(strings.TrimSpace(string(p)))
	return len(p), nil
}
