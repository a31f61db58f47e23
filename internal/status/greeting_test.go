package status

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

func tcp(host string, port int) net.Addr { return &net.TCPAddr{IP: net.ParseIP(host), Port: port} }

func TestGreeting(t *testing.T) {
	var out writes
	s := NewScreen(&out, true)
	s.Greet(Greeting{Addresses: []net.Addr{tcp("127.0.0.1", 1935)}, RecordDir: "recordings"})
	s.Greet(Greeting{AddressesTLS: []net.Addr{tcp("::1", 1936)}, PublishKeys: "keys.txt", HTTP: tcp("127.0.0.1", 8080)})
	want := writes{fresh + `rtmptool is ready at rtmp://127.0.0.1

  OBS      Settings > Stream > Service: Custom, Server: rtmp://127.0.0.1/live, Stream Key: main
  FFmpeg   ffmpeg -re -i FILE -c copy -f flv rtmp://127.0.0.1/live/main
  Watch    ffplay rtmp://127.0.0.1/live/main
  Record   every stream, into recordings

Ctrl+C stops it, once all recordings are finished.

`, fresh + `rtmptool is ready at rtmps://[::1]:1936

  OBS      Settings > Stream > Service: Custom, Server: rtmps://[::1]:1936/live, Stream Key: main
  FFmpeg   ffmpeg -re -i FILE -c copy -f flv rtmps://[::1]:1936/live/main
  Watch    ffplay rtmps://[::1]:1936/live/main
  Keys     only the streams in keys.txt may be published
  Record   nothing: start serve with --record-all to record every stream
  Metrics  http://127.0.0.1:8080/metrics

Ctrl+C stops it, once all recordings are finished.

`}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("greetings (-want +got):\n%s", diff)
	}
}

func TestAddresses(t *testing.T) {
	everywhere := []string{"rtmp://localhost"}
	if own := ownAddress(); own != "" {
		everywhere = append(everywhere, "rtmp://"+own)
	}
	withPort := func(port string) (all []string) {
		for _, u := range everywhere {
			all = append(all, u+port)
		}
		return all
	}
	for _, test := range []struct {
		name      string
		addresses []net.Addr
		want      []string
	}{
		{"none", nil, nil},
		{"loopback", []net.Addr{tcp("127.0.0.1", 1935)}, []string{"rtmp://127.0.0.1"}},
		{"other port", []net.Addr{tcp("192.0.2.1", 1936)}, []string{"rtmp://192.0.2.1:1936"}},
		{"IPv6", []net.Addr{tcp("2001:db8::1", 1935), tcp("::1", 1936)}, []string{"rtmp://[2001:db8::1]", "rtmp://[::1]:1936"}},
		{"every interface", []net.Addr{tcp("::", 1935)}, everywhere},
		{"every interface, other port", []net.Addr{tcp("0.0.0.0", 19350)}, withPort(":19350")},
		{"every interface, twice", []net.Addr{tcp("0.0.0.0", 1935), tcp("::", 1935)}, everywhere},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Greeting{Addresses: test.addresses}.urls()); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAddressesTLS(t *testing.T) {
	g := Greeting{Addresses: []net.Addr{tcp("127.0.0.1", 443)}, AddressesTLS: []net.Addr{tcp("127.0.0.1", 1935), tcp("::1", 443)}}
	if diff := cmp.Diff([]string{"rtmp://127.0.0.1:443", "rtmps://127.0.0.1:1935", "rtmps://[::1]"}, g.urls()); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestGreetingLog(t *testing.T) {
	for want, g := range map[string]Greeting{
		`{"level":"info","publish":["rtmp://127.0.0.1","rtmp://[::1]:1936"],"record_dir":"recordings","message":"ready"}`: {Addresses: []net.Addr{tcp("127.0.0.1", 1935), tcp("::1", 1936)}, RecordDir: "recordings"},
		`{"level":"info","publish":["rtmps://127.0.0.1"],"publish_keys":"keys.txt","message":"ready"}`:                    {AddressesTLS: []net.Addr{tcp("127.0.0.1", 443)}, PublishKeys: "keys.txt"},
		`{"level":"info","publish":["rtmp://127.0.0.1"],"http":"http://localhost:8080","message":"ready"}`:                {Addresses: []net.Addr{tcp("127.0.0.1", 1935)}, HTTP: tcp("::", 8080)},
		`{"level":"info","publish":["rtmp://127.0.0.1"],"http":"http://[::1]:8081","message":"ready"}`:                    {Addresses: []net.Addr{tcp("127.0.0.1", 1935)}, HTTP: tcp("::1", 8081)},
		`{"level":"info","publish":["rtmp://127.0.0.1"],"message":"ready"}`:                                               {Addresses: []net.Addr{tcp("127.0.0.1", 1935)}},
	} {
		var b strings.Builder
		g.Log(zerolog.New(&b))
		if diff := cmp.Diff(want+"\n", b.String()); diff != "" {
			t.Errorf("log line (-want +got):\n%s", diff)
		}
	}
}
