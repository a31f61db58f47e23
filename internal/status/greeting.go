package status

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/rs/zerolog"
)

// Ports that an address without one means.
const (
	defaultPort    = 1935 // rtmp://
	defaultPortTLS = 443  // rtmps://
)

// Greeting tells how to reach a server that has just started.
type Greeting struct {
	Addresses    []net.Addr
	AddressesTLS []net.Addr
	PublishKeys  string   // file of the streams that may be published; empty: any
	RecordDir    string   // empty: nothing is recorded
	HTTP         net.Addr // of metrics; nil: there are none
}

// Greet shows the greeting.
func (s *Screen) Greet(g Greeting) {
	_, _ = s.Write([]byte(g.String())) // as with Show
}

// String is the greeting for a person.
func (g Greeting) String() string {
	var b strings.Builder
	base := g.urls()
	fmt.Fprintf(&b, "rtmptool is ready at %s\n\n", strings.Join(base, ", "))
	url := base[0] + "/live"
	fmt.Fprintf(&b, "  OBS      Settings > Stream > Service: Custom, Server: %s, Stream Key: main\n", url)
	fmt.Fprintf(&b, "  FFmpeg   ffmpeg -re -i FILE -c copy -f flv %s/main\n", url)
	fmt.Fprintf(&b, "  Watch    ffplay %s/main\n", url)
	if g.PublishKeys != "" {
		fmt.Fprintf(&b, "  Keys     only the streams in %s may be published\n", g.PublishKeys)
	}
	if g.RecordDir == "" {
		fmt.Fprintf(&b, "  Record   nothing: start serve with --record-all to record every stream\n")
	} else {
		fmt.Fprintf(&b, "  Record   every stream, into %s\n", g.RecordDir)
	}
	if g.HTTP != nil {
		fmt.Fprintf(&b, "  Metrics  %s/metrics\n", g.httpURL())
	}
	b.WriteString("\nCtrl+C stops it, once all recordings are finished.\n\n")
	return b.String()
}

// Log writes the greeting as a log line.
func (g Greeting) Log(log zerolog.Logger) {
	event := log.Info().Strs("publish", g.urls())
	if g.PublishKeys != "" {
		event = event.Str("publish_keys", g.PublishKeys)
	}
	if g.RecordDir != "" {
		event = event.Str("record_dir", g.RecordDir)
	}
	if g.HTTP != nil {
		event = event.Str("http", g.httpURL())
	}
	event.Msg("ready")
}

// httpURL is what people type on this machine.
func (g Greeting) httpURL() string {
	if tcp, ok := g.HTTP.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + g.HTTP.String()
}

// urls turns listening addresses into what people type.
func (g Greeting) urls() []string {
	var all []string
	add := func(scheme string, port int, addresses []net.Addr) {
		for _, a := range addresses {
			tcp, ok := a.(*net.TCPAddr)
			if !ok {
				continue
			}
			for _, host := range hosts(tcp.IP) {
				url := scheme + "://" + host
				if tcp.Port != port {
					url += fmt.Sprintf(":%d", tcp.Port)
				}
				if !slices.Contains(all, url) {
					all = append(all, url)
				}
			}
		}
	}
	add("rtmp", defaultPort, g.Addresses)
	add("rtmps", defaultPortTLS, g.AddressesTLS)
	return all
}

// hosts are the names of an address. That of every interface becomes localhost and
// the machine's own address.
func hosts(ip net.IP) []string {
	switch {
	case ip.IsUnspecified():
		if own := ownAddress(); own != "" {
			return []string{"localhost", own}
		}
		return []string{"localhost"}
	case ip.To4() == nil:
		return []string{"[" + ip.String() + "]"}
	}
	return []string{ip.String()}
}

// ownAddress is the machine's first IPv4 address that others can reach.
func ownAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP.String()
		}
	}
	return ""
}
