package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/certtest"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// identity is a certificate and who trusts it.
type identity struct {
	certificate tls.Certificate
	roots       *x509.CertPool
}

func newIdentity(t testing.TB) identity {
	t.Helper()
	cert, key := certtest.New(t)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return identity{pair, roots}
}

func (id identity) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &id.certificate, nil }

// dialTLS opens a connection to the TLS port and does both handshakes.
func (s *testServer) dialTLS(id identity) *peer {
	s.t.Helper()
	conn := s.tcpTLS()
	client := tls.Client(conn, &tls.Config{RootCAs: id.roots, ServerName: "127.0.0.1"})
	if err := client.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	return s.dialOn(client)
}

// tcpTLS opens a connection to the TLS port without a handshake.
func (s *testServer) tcpTLS() net.Conn {
	s.t.Helper()
	other := *s
	other.address = s.AddressesTLS()[0].String()
	return other.tcp()
}

// TestSecureRelay: streams go between RTMP and RTMPS in every direction, large
// frames and bursts too.
func TestSecureRelay(t *testing.T) {
	id := newIdentity(t)
	s := start(t, Config{GetCertificate: id.get})
	for name, p := range map[string]*peer{"plain": s.dial(), "secure": s.dialTLS(id)} {
		viewers := []*peer{s.play(name), s.dialTLS(id).play(name)}
		p.publish(name)
		want := []rtmp.Message{video(0, avcHeader), video(0, keyFrame("one"))}
		for i, n := range []int{1, 1000, recordSize - 12, recordSize, 70_000, 2 * sendSize, 3} {
			want = append(want, video(uint32(40*i), interFrame(strings.Repeat("x", n))), audio(uint32(40*i), aacFrame(name)))
		}
		want = append(want, video(400, interFrame("last")))
		p.send(want...)
		p.fence()
		viewers = append(viewers, s.dialTLS(id).play(name)) // joins late
		for i, v := range viewers {
			for _, m := range want {
				if got := v.media(); got.Type != m.Type || got.Timestamp != m.Timestamp || !bytes.Equal(got.Body, m.Body) {
					t.Fatalf("%s, viewer %d: got %d bytes of type %d, want %d of type %d", name, i, len(got.Body), got.Type, len(m.Body), m.Type)
				}
			}
		}
		p.command(0, "deleteStream", 0, nil, 1.0)
		p.fence()
	}
}

// TestTLSVersions: 1.2 and 1.3 are served, older ones are not.
func TestTLSVersions(t *testing.T) {
	id := newIdentity(t)
	var log logBuffer
	s := start(t, Config{GetCertificate: id.get, Logger: log.logger()})
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		config := &tls.Config{RootCAs: id.roots, ServerName: "127.0.0.1", MinVersion: version, MaxVersion: version}
		client := tls.Client(s.tcpTLS(), config)
		if err := client.Handshake(); (err == nil) != ok {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if ok {
			s.dialOn(client).publish("main").command(0, "deleteStream", 0, nil, 1.0)
			s.awaitGone("live/main")
		}
	}
	s.await("a warning of each old version", func() bool { return strings.Count(log.String(), "TLS handshake failed") == 2 })
}

// TestNewCertificate: a connection keeps the certificate that it began with.
func TestNewCertificate(t *testing.T) {
	ids := []identity{newIdentity(t), newIdentity(t)}
	var current atomic.Pointer[identity]
	current.Store(&ids[0])
	s := start(t, Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load().get(nil) }})
	viewer, p := s.dialTLS(ids[0]).play("main"), s.dialTLS(ids[0]).publish("main")
	current.Store(&ids[1])
	late := s.dialTLS(ids[1]).play("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	for _, v := range []*peer{viewer, late} {
		v.expect("video/1@0 avc", "video/1@0 one")
	}
	untrusting := tls.Client(s.tcpTLS(), &tls.Config{RootCAs: ids[0].roots, ServerName: "127.0.0.1"})
	if err := untrusting.Handshake(); err == nil {
		t.Error("the old certificate is still in use")
	}
}

// TestWrongPort: who speaks TLS to the plain port, or no TLS to the other, is told
// of in one line and disturbs nobody.
func TestWrongPort(t *testing.T) {
	id := newIdentity(t)
	var log logBuffer
	s := start(t, Config{GetCertificate: id.get, Logger: log.logger()})
	others := newWitness(s)
	for name, test := range map[string]struct {
		dial func() net.Conn
		send []byte
		want string
	}{
		"RTMP to TLS":    {s.tcpTLS, append([]byte{3}, make([]byte, 1536)...), "the peer does not speak TLS: use rtmps:// on this port"},
		"HTTP to TLS":    {s.tcpTLS, []byte("GET / HTTP/1.1\r\n\r\n"), "the peer does not speak TLS: use rtmps:// on this port"},
		"TLS to RTMP":    {s.tcp, []byte("\x16\x03\x01\x02\x00\x01"), "the peer speaks TLS on a plain RTMP port: use rtmp:// here"},
		"noise to TLS":   {s.tcpTLS, bytes.Repeat([]byte{0xff}, 1<<20), "the peer does not speak TLS"},
		"nothing to TLS": {s.tcpTLS, nil, ""},
		"a byte to TLS":  {s.tcpTLS, []byte{0x16}, ""},
	} {
		before := log.String()
		others.abuse(&peer{s: s, t: t, Conn: test.dial()}, test.send)
		s.await("its line in the log", func() bool { return log.String() != before })
		line := strings.TrimPrefix(log.String(), before)
		if strings.Count(line, "\n") != 1 || strings.Contains(line, `"level":"warn"`) != (test.want != "") || !strings.Contains(line, test.want) {
			t.Errorf("%s: %s, want one line, a warning of %q", name, line, test.want)
		}
	}
	// A client that does not trust the certificate says so.
	before := s.sessionCount()
	err := tls.Client(s.tcpTLS(), &tls.Config{ServerName: "127.0.0.1"}).Handshake()
	var untrusted *tls.CertificateVerificationError
	if !errors.As(err, &untrusted) {
		t.Error(err)
	}
	s.await("its end", func() bool {
		return s.sessionCount() == before && strings.Contains(log.String(), "remote error: tls: ")
	})
	// Others only go, within the handshake or after it.
	conn := s.tcpTLS()
	leave := func(tls.ConnectionState) error { return conn.Close() }
	if err := tls.Client(conn, &tls.Config{RootCAs: id.roots, ServerName: "127.0.0.1", VerifyConnection: leave}).Handshake(); err == nil {
		t.Error("shook hands on a closed connection")
	}
	s.await("a warning", func() bool { return len(log.lines(t, "warn")) == 6 })
	client := tls.Client(s.tcpTLS(), &tls.Config{RootCAs: id.roots, ServerName: "127.0.0.1"})
	if err := errors.Join(client.Handshake(), client.Close()); err != nil {
		t.Error(err)
	}
	s.await("a line", func() bool { return strings.Contains(log.String(), errSilent.Error()) })
}

// TestSecureHandshakeTimeout: the limit is for both handshakes together, and nobody
// waits for who is slow.
func TestSecureHandshakeTimeout(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	s := start(t, Config{GetCertificate: id.get, HandshakeTimeout: 2 * time.Second})
	silent := s.tcpTLS()
	half := tls.Client(s.tcpTLS(), &tls.Config{RootCAs: id.roots, ServerName: "127.0.0.1"})
	if err := half.Handshake(); err != nil {
		t.Fatal(err)
	}
	p := s.dialTLS(id).publish("main")
	for _, conn := range []net.Conn{silent, half} {
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("answered: %d bytes, %v", n, err)
		}
	}
	p.fence()
}

// TestDeniedOverTLS: the reason arrives whole, and the end of the stream as TLS says
// it.
func TestDeniedOverTLS(t *testing.T) {
	id := newIdentity(t)
	s := start(t, Config{GetCertificate: id.get, Publish: keys(t, "live/other"), DenialDelay: soonDenied})
	p := s.dialTLS(id).createStream()
	p.command(1, "publish", 0, nil, "main", "live")
	_ = p.rtmp.WriteMessages(repeat(video(0, keyFrame(strings.Repeat("x", 60<<10))), 8)...)
	p.expect("onStatus/1 NetStream.Publish.Denied")
	if _, err := p.rtmp.ReadMessage(); err != io.EOF {
		t.Errorf("then %v, want an end", err)
	}
}

// TestStuckSecureViewer: one that takes nothing is dropped after the write timeout;
// publisher and other viewers go in step meanwhile.
func TestStuckSecureViewer(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	s := start(t, Config{GetCertificate: id.get, WriteTimeout: time.Second})
	stuck, viewer := s.dialTLS(id).play("main"), s.dialTLS(id).play("main")
	_ = stuck.Conn.(*tls.Conn).NetConn().(*net.TCPConn).SetReadBuffer(64 << 10)
	p := s.dialTLS(id).publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("first")))
	viewer.expect("video/1@0 avc", "video/1@0 first")
	filler := strings.Repeat("x", 200<<10)
	at := uint32(40)
	s.await("the stuck viewer is dropped", func() bool {
		body := keyFrame(fmt.Sprint(at, filler))
		p.send(video(at, body))
		if got := viewer.media(); string(got.Body) != body {
			t.Fatalf("got %d bytes at %d", len(got.Body), got.Timestamp)
		}
		at += 40
		st, _ := s.stream("live/main")
		return st.Viewers == 1
	})
	s.await("its connection is closed", func() bool { return s.sessionCount() == 2 })
}

// countingConn counts what a connection is asked to write.
type countingConn struct {
	net.Conn
	sizes []int
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.sizes = append(c.sizes, len(b))
	return c.Conn.Write(b)
}

// securePair is both ends of TLS on a connection that counts the server's writes.
func securePair(t testing.TB) (server *secureConn, client *tls.Conn, count *countingConn) {
	t.Helper()
	ours, theirs := tcpPair(t)
	count = &countingConn{Conn: ours}
	server, client = secured(t, count, theirs)
	count.sizes = nil
	return server, client, count
}

// secured is both ends of TLS on a connection.
func secured(t testing.TB, ours, theirs net.Conn) (server *secureConn, client *tls.Conn) {
	t.Helper()
	id := newIdentity(t)
	below, _ := ours.(*socket)
	server = newSecureConn(ours, below, secureConfig(id.get), &sync.Pool{New: newSendBuffers})
	client = tls.Client(theirs, &tls.Config{RootCAs: id.roots, ServerName: "127.0.0.1"})
	done := make(chan error, 1)
	go func() { done <- client.Handshake() }()
	if err := errors.Join(server.handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// TestOneWriteAFlush: however many pieces a flush has, its records are full and go
// out in one write, or one for each 256 KiB.
func TestOneWriteAFlush(t *testing.T) {
	const overhead = 5 + 1 + 16 // header, type and tag of a record in TLS 1.3
	server, client, count := securePair(t)
	for _, pieces := range [][]int{{1}, {0}, {100, 3, 2000, 1}, {recordSize}, {recordSize + 1}, {12, 65536, 1, 65536, 1, 20_000, 300, 300},
		{240_000}, {5, sendSize, 7}, {3 * sendSize, 1, 1, 1}} {
		var want []byte
		var buffers net.Buffers
		for i, n := range pieces {
			piece := bytes.Repeat([]byte{byte('a' + i)}, n)
			buffers, want = append(buffers, piece), append(want, piece...)
		}
		got := make([]byte, len(want))
		done := make(chan error, 1)
		go func() {
			_, err := io.ReadFull(client, got)
			done <- err
		}()
		n, err := server.WriteBuffers(&buffers)
		if err != nil || n != int64(len(want)) || len(buffers) != 0 {
			t.Fatalf("%v: wrote %d of %d, %d pieces are left: %v", pieces, n, len(want), len(buffers), err)
		}
		if err := <-done; err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v: something else arrived: %v", pieces, err)
		}
		most := len(want) + (len(want)+recordSize-1)/recordSize*overhead
		if out := sum(count.sizes); out > most || len(count.sizes) != (len(want)+sendSize-1)/sendSize {
			t.Errorf("%v: writes of %v bytes, want at most %d in all, one for each %d of plaintext", pieces, count.sizes, most, sendSize)
		}
		count.sizes = nil
	}
}

// Pieces that follow one another are put together, whatever came before, and only once if
// they are the same.
func TestPiecesPutTogether(t *testing.T) {
	b := newSendBuffers().(*sendBuffers)
	frames := make([]byte, 3*plainSize)
	for i := range frames {
		frames[i] = byte(i) ^ byte(i>>8)
	}
	header, frame, long := frames[:12], frames[12:20_000], frames[20_000:]
	for i, pieces := range []net.Buffers{
		{header, frame}, {header, frame}, {header, frame[:500]}, {header, frame[500:1000]}, {frame}, {header, frame}, {}, {frame, header},
		{header, nil, frame}, {nil, nil}, {long}, {header, long}, {header, long}, {long, header, long}, {nil}, {header, frame},
	} {
		want := bytes.Join(pieces, nil)
		var got []byte
		for left := slices.Clone(pieces); len(left) > 0; {
			part := b.next(&left)
			if len(part) < plainSize && len(left) > 0 {
				t.Fatalf("%d: took %d bytes, with %d pieces left", i, len(part), len(left))
			}
			got = append(got, part...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d: %d bytes, want %d; the first %d are right", i, len(got), len(want), common(got, want))
		}
	}
	first, again := net.Buffers{header, frame}, net.Buffers{header, frame}
	b.next(&first)
	b.room[0] ^= 1 // is seen unless they are put together again
	if b.next(&again)[0] == header[0] {
		t.Error("the same pieces were put together twice")
	}
}

func common(a, b []byte) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// What TLS has to say of itself, because of something it has read, waits for the next write. A
// peer that asks for it without end is not served.
func TestAnswersWait(t *testing.T) {
	server, client, count := securePair(t)
	go func() { _, _ = io.Copy(io.Discard, client) }()
	answer := make([]byte, 1000)
	for n := len(answer); n <= maxAnswers; n += len(answer) {
		if _, err := server.records.Write(answer); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := server.records.Write(answer); !errors.Is(err, errAnswers) {
		t.Errorf("beyond %d bytes: %v", maxAnswers, err)
	}
	if len(count.sizes) > 0 {
		t.Fatalf("written: %v", count.sizes)
	}
	if _, err := server.Write([]byte("media")); err != nil {
		t.Fatal(err)
	}
	if len(count.sizes) != 1 || count.sizes[0] < maxAnswers/len(answer)*len(answer) {
		t.Errorf("writes of %v bytes, want one with all that waited", count.sizes)
	}
	if _, err := server.records.Write(answer); err != nil {
		t.Errorf("after the write: %v", err)
	}
}

func sum(all []int) (n int) {
	for _, v := range all {
		n += v
	}
	return n
}

func BenchmarkSecureFlush(b *testing.B) {
	server, client, _ := securePair(b)
	go func() { _, _ = io.Copy(io.Discard, client) }()
	frame := make([]byte, 20_000)
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		if _, err := server.WriteBuffers(&net.Buffers{frame[:300], frame[:300], frame[600:]}); err != nil {
			b.Fatal(err)
		}
	}
}
