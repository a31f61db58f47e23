package cmd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/rtmptool/rtmptool/internal/auth"
	"github.com/rtmptool/rtmptool/internal/reload"
	"github.com/rtmptool/rtmptool/internal/server"
)

// accessOptions are the flags of serve about who may connect, and how.
type accessOptions struct {
	listen, listenTLS     []string
	tlsCert, tlsKey       string
	publishKeys, playKeys string
}

// noListener is what --listen takes for "no plain RTMP".
const noListener = "none"

func (o *accessOptions) add(f *pflag.FlagSet) {
	f.StringArrayVar(&o.listen, "listen", []string{":1935"}, "`address` to listen on; may be repeated; none: only RTMPS")
	f.StringArrayVar(&o.listenTLS, "listen-tls", nil, "`address` to listen on for RTMPS, for example :1936; may be repeated")
	f.StringVar(&o.tlsCert, "tls-cert", "", "certificate for RTMPS with its chain, a PEM file")
	f.StringVar(&o.tlsKey, "tls-key", "", "private key of the certificate, a PEM file")
	f.StringVar(&o.publishKeys, "publish-keys", "", "file of the streams that may be published (default: any stream)")
	f.StringVar(&o.playKeys, "play-keys", "", "file of the streams that may be played (default: any stream)")
}

// validate checks the flags. A file without a name is a mistake: what it would
// protect must not be open.
func (o *accessOptions) validate(given *pflag.FlagSet) error {
	for _, name := range []string{"publish-keys", "play-keys", "tls-cert", "tls-key"} {
		if f := given.Lookup(name); f.Changed && f.Value.String() == "" {
			return usageError{hintError{fmt.Errorf("--%s names no file", name), fmt.Sprintf("name one, or leave --%s away", name)}}
		}
	}
	if slices.Equal(o.listen, []string{noListener}) {
		o.listen = nil
	}
	for _, address := range o.listen {
		if err := checkAddress("--listen", address, 1935); err != nil {
			return err
		}
	}
	for _, address := range o.listenTLS {
		if err := checkAddress("--listen-tls", address, 1936); err != nil {
			return err
		}
	}
	secure, files := len(o.listenTLS) > 0, o.tlsCert != "" && o.tlsKey != ""
	switch {
	case secure && !files:
		return usageError{hintError{errors.New("--listen-tls needs a certificate and its key"), "for example --tls-cert cert.pem --tls-key key.pem"}}
	case !secure && o.tlsCert+o.tlsKey != "":
		return usageError{hintError{errors.New("--tls-cert and --tls-key need an address for RTMPS"), "add --listen-tls :1936"}}
	case !secure && len(o.listen) == 0:
		return usageError{hintError{errors.New("--listen none leaves no address"), "add --listen-tls :1936"}}
	}
	return nil
}

func checkAddress(flag, address string, usual int) error {
	wrong := "no address with a port"
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		wrong = fmt.Sprintf("there is no port %q", port)
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return usageError{hintError{fmt.Errorf("%s %q: %s", flag, address, wrong), fmt.Sprintf("use HOST:PORT or :PORT, for example %s 127.0.0.1:%d", flag, usual)}}
	}
	return nil
}

// openFiles are followed for changes until they are closed.
type openFiles []interface{ Close() }

func (f openFiles) close() {
	for _, v := range f {
		v.Close()
	}
}

// prepare reads the files. What it returns must be closed also after an error.
func (o *accessOptions) prepare(s *server.Config, log zerolog.Logger) (files openFiles, err error) {
	s.Listen, s.ListenTLS = o.listen, o.listenTLS
	for _, k := range []struct {
		flag, file string
		access     *server.Access
	}{{"--publish-keys", o.publishKeys, &s.Publish}, {"--play-keys", o.playKeys, &s.Play}} {
		if k.file == "" {
			continue
		}
		keys, err := openKeys(k.flag, k.file, log)
		if err != nil {
			return files, err
		}
		files = append(files, keys)
		*k.access = func(stream, token string) bool { return keys.Get().Allow(stream, token) }
	}
	if len(o.listenTLS) > 0 {
		pair, err := openCertificate(o.tlsCert, o.tlsKey, log)
		if err != nil {
			return files, err
		}
		files = append(files, pair)
		s.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair.Get(), nil }
	}
	return files, nil
}

func openKeys(flag, file string, log zerolog.Logger) (*reload.Value[*auth.Keys], error) {
	keys, err := reload.Open(log, func(contents [][]byte) (*auth.Keys, error) {
		k, err := auth.Parse(file, contents[0])
		if err == nil && k.Len() == 0 {
			log.Warn().Str("path", file).Msg(flag + " names no stream: nobody is let in")
		}
		return k, err
	}, file)
	if err != nil {
		return nil, hintError{err, flag + " takes a file with lines like live/main, live/* or live/main=SECRET"}
	}
	return keys, nil
}

func openCertificate(cert, key string, log zerolog.Logger) (*reload.Value[*tls.Certificate], error) {
	pair, err := reload.Open(log, func(contents [][]byte) (*tls.Certificate, error) {
		c, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", cert, key, err)
		}
		return &c, nil
	}, cert, key)
	if err != nil {
		return nil, hintError{err, "--tls-cert takes a certificate with its chain, --tls-key its private key without a password, both as PEM"}
	}
	return pair, nil
}

// warnOpen tells who lets anybody publish, from anywhere.
func (o *accessOptions) warnOpen(addresses []net.Addr, log zerolog.Logger) {
	for _, a := range addresses {
		if tcp, ok := a.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && o.publishKeys == "" {
			log.Warn().Stringer("address", a).Msg("anybody who reaches this address may publish: name the streams with --publish-keys FILE, or listen on 127.0.0.1 only")
			return
		}
	}
}

// otherAddress is the hint for an address that cannot be listened on.
func (o *accessOptions) otherAddress() string {
	if len(o.listenTLS) > 0 {
		return "with --listen or --listen-tls"
	}
	return "with --listen, for example --listen :1936"
}
