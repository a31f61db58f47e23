package cmd

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/rtmptool/rtmptool/internal/monitor"
	"github.com/rtmptool/rtmptool/internal/status"
)

// monitorOptions are the flags of serve for machines that watch it.
type monitorOptions struct {
	statusFile string
	http       string
	httpDebug  bool

	listener net.Listener // nil without --http
}

func (o *monitorOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.statusFile, "status-file", "", "keep the state of all streams in this file, as JSON that is replaced each second")
	f.StringVar(&o.http, "http", "", "serve /healthz and /metrics (Prometheus) here; PORT and :PORT mean 127.0.0.1, ADDRESS:PORT another address")
	f.BoolVar(&o.httpDebug, "http-debug", false, "serve /debug/pprof/ too; needs --http")
}

func (o *monitorOptions) validate() error {
	if o.httpDebug && o.http == "" {
		return usageError{hintError{errors.New("--http-debug without --http"), "name an address too, for example --http 127.0.0.1:8080"}}
	}
	if o.http == "" {
		return nil
	}
	if _, err := strconv.Atoi(o.http); err == nil {
		o.http = ":" + o.http
	}
	if err := checkAddress("--http", o.http, 8080); err != nil {
		return err
	}
	if strings.HasPrefix(o.http, ":") {
		o.http = "127.0.0.1" + o.http
	}
	return nil
}

// prepare opens the address of --http and tries the place of --status-file, so that
// one in use or out of reach is known before anything else happens.
func (o *monitorOptions) prepare() (err error) {
	if o.statusFile != "" {
		if err := status.CheckFile(o.statusFile); err != nil {
			return hintError{fmt.Errorf("--status-file: %w", err), "name a file in a directory that is there and that serve may write to"}
		}
	}
	if o.http == "" {
		return nil
	}
	o.listener, err = net.Listen("tcp", o.http)
	if errors.Is(err, syscall.EADDRINUSE) {
		return hintError{fmt.Errorf("--http: %w", err), "another program uses the port: choose another one, for example --http 8081"}
	}
	if err != nil {
		return hintError{fmt.Errorf("--http: %w", err), "choose another address, for example --http 127.0.0.1:8080"}
	}
	return nil
}

// close closes the listener, if it is open. A second time does no harm.
func (o *monitorOptions) close() {
	if o.listener != nil {
		_ = o.listener.Close()
	}
}

// address is where HTTP is served, nil without --http.
func (o *monitorOptions) address() net.Addr {
	if o.listener == nil {
		return nil
	}
	return o.listener.Addr()
}

// start tells machines what serve is doing until the functions that it returns are
// called.
func (o *monitorOptions) start(sampler *status.Sampler, log zerolog.Logger) (stopFile, stopHTTP func()) {
	stopFile, stopHTTP = func() {}, func() {}
	if o.statusFile != "" {
		stopFile = status.WriteFile(o.statusFile, sampler, log).Stop
	}
	if o.listener != nil {
		if tcp, ok := o.address().(*net.TCPAddr); o.httpDebug && ok && !tcp.IP.IsLoopback() {
			log.Warn().Stringer("address", tcp).Msg("--http-debug: other machines can profile this process")
		}
		stopHTTP = monitor.Start(o.listener, sampler, o.httpDebug, log).Stop
	}
	return stopFile, stopHTTP
}
