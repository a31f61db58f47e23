package status

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/rs/zerolog"
)

// defaultPort is the port that an rtmp:// address without one means.
const defaultPort = 1935

// Greeting tells how to reach a server that has just started.
type Greeting struct {
	Addresses []net.Addr
	RecordDir string // empty: nothing is recorded
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
	if g.RecordDir == "" {
		fmt.Fprintf(&b, "  Record   nothing: start serve with --record-all to record every stream\n")
	} else {
		fmt.Fprintf(&b, "  Record   every stream, into %s\n", g.RecordDir)
	}
	b.WriteString("\nCtrl+C stops it, once all recordings are finished.\n\n")
	return b.String()
}

// Log writes the greeting as a log line.
func (g Greeting) Log(log zerolog.Logger) {
	event := log.Info().Strs("publish", g.urls())
	if g.RecordDir != "" {
		event = event.Str("record_dir", g.RecordDir)
	}
	event.Msg("ready")
}

// urls turns listening addresses into what people type. An address for every
// interface becomes localhost and the machine's own address.
func (g Greeting) urls() []string {
	var all []string
	add := func(host string, port int) {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		url := "rtmp://" + host
		if port != defaultPort {
			url += fmt.Sprintf(":%d", port)
		}
		if !slices.Contains(all, url) {
			all = append(all, url)
		}
	}
	for _, a := range g.Addresses {
		tcp, ok := a.(*net.TCPAddr)
		switch {
		case !ok:
		case tcp.IP.IsUnspecified():
			add("localhost", tcp.Port)
			if ip := ownAddress(); ip != "" {
				add(ip, tcp.Port)
			}
		default:
			add(tcp.IP.String(), tcp.Port)
		}
	}
	return all
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
