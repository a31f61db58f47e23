package rtmp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// v1 is the C1 of the golden numbers V1: bytes that count up, and the version of
// a Flash player.
func v1() []byte {
	b := counting()
	copy(b, "\x00\x00\x00\x00\x09\x00\x7C\x02")
	return b
}

func counting() []byte {
	b := make([]byte, handshakeSize)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

var v1Digests = []struct {
	scheme, position int
	digest, echo     string
}{
	{0, 798, "2e064d617800c563ffdb6ff67e2084be69f21576d0e3449c252dccae7bd4ce49",
		"ad3f91f6e728826c99df92e3d20b9cfdd96a32361216c4382cc067e6acba8334"},
	{1, 50, "847b0a67b05fc66226127cd092337f2f9d2150340f81eafde5b40988a40a60b8",
		"62195b7978ff30b9b7c6ef900a6154f7e6900cf05ddb24035d6306f29773d531"},
}

func TestDigest(t *testing.T) {
	for _, tt := range v1Digests {
		c1 := v1()
		if at := digestPosition(c1, tt.scheme); at != tt.position {
			t.Errorf("scheme %d: position %d, want %d", tt.scheme, at, tt.position)
		}
		want := unhex(t, tt.digest)
		equal(t, blockDigest(c1, tt.position, playerKey), want)
		if _, ok := findDigest(c1, tt.scheme, playerKey); ok {
			t.Errorf("scheme %d: a digest where there is none", tt.scheme)
		}
		putDigest(c1, tt.scheme, playerKey)
		digest, ok := findDigest(c1, tt.scheme, playerKey)
		if !ok {
			t.Errorf("scheme %d: no digest", tt.scheme)
		}
		equal(t, digest, want)

		s2 := counting()
		signEcho(s2, digest, serverKey+keyTail)
		equal(t, s2[handshakeSize-digestSize:], unhex(t, tt.echo))
		equal(t, s2[:handshakeSize-digestSize], counting()[:handshakeSize-digestSize])
	}
}

// The digest lies within its block for all offsets that four bytes can tell.
func TestDigestPosition(t *testing.T) {
	for scheme, limits := range [2]struct{ first, last int }{{776, 1536 - 32}, {12, 772 - 32}} {
		seen := map[int]bool{}
		for sum := range 4*255 + 1 {
			b := make([]byte, handshakeSize)
			at := []int{772, 8}[scheme]
			for i := range 4 {
				b[at+i] = byte(min(255, max(0, sum-255*i)))
			}
			p := digestPosition(b, scheme)
			if p < limits.first || p > limits.last {
				t.Fatalf("scheme %d sum %d: position %d", scheme, sum, p)
			}
			seen[p] = true
		}
		if len(seen) != digestSpan {
			t.Errorf("scheme %d: %d positions, want %d", scheme, len(seen), digestSpan)
		}
	}
}

func hmacOf(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// verifyAsFFmpeg checks S1 and S2 the way FFmpeg's player does (rtmpproto.c,
// rtmp_handshake): digest of S1 at either place, S2 signed for C1's digest.
func verifyAsFFmpeg(t *testing.T, s1, s2, c1Digest []byte) {
	t.Helper()
	if s1[4] < 3 {
		t.Fatal("S1 has no version: FFmpeg would not look for a digest")
	}
	key := []byte("Genuine Adobe Flash Media Server 001\xF0\xEE\xC2\x4A\x80\x68\xBE\xE8\x2E\x00\xD0\xD1\x02\x9E\x7E\x57\x6E\xEC\x5D\x2D\x29\x80\x6F\xAB\x93\xB8\xE6\x36\xCF\xEB\x31\xAE")
	found := false
	for _, offset := range []int{772, 8} {
		sum := 0
		for _, b := range s1[offset : offset+4] {
			sum += int(b)
		}
		at := sum%728 + offset + 4
		rest := append(append([]byte(nil), s1[:at]...), s1[at+32:]...)
		found = found || bytes.Equal(s1[at:at+32], hmacOf(key[:36], rest))
	}
	if !found {
		t.Error("no valid digest in S1")
	}
	signature := hmacOf(hmacOf(key, c1Digest), s2[:1536-32])
	if !bytes.Equal(signature, s2[1536-32:]) {
		t.Error("signature of S2 is wrong")
	}
}

// A server answers a plain C1 with the simple form and a signed one with its
// own digests. Whatever C2 is, the bytes after it are the first chunks.
func TestAccept(t *testing.T) {
	garbage := body(0xEE, handshakeSize)
	connect := unhex(t, "03 000000 000001 14 00000000 05")
	tests := []struct {
		name   string
		scheme int // -1: none
	}{{"simple", -1}, {"scheme 0", 0}, {"scheme 1", 1}}
	for _, tt := range tests {
		c1 := v1()
		if tt.scheme >= 0 {
			putDigest(c1, tt.scheme, playerKey)
		}
		in := bytes.Join([][]byte{{3}, c1, garbage, connect}, nil)
		for delivery, r := range map[string]io.Reader{
			"whole": bytes.NewReader(in),
			"bytes": iotest.OneByteReader(bytes.NewReader(in)),
		} {
			t.Run(tt.name+"/"+delivery, func(t *testing.T) {
				var out countedWrites
				c := NewConn(r, &out)
				c.BeforeWrite = func() { out.announced++ }
				if err := c.Accept(); err != nil {
					t.Fatal(err)
				}
				if out.writes != 1 || out.announced != 1 || out.Len() != 1+2*handshakeSize || out.Bytes()[0] != 3 {
					t.Fatalf("%d bytes in %d writes, version %d", out.Len(), out.writes, out.Bytes()[0])
				}
				s1, s2 := out.Bytes()[1:1+handshakeSize], out.Bytes()[1+handshakeSize:]
				if tt.scheme < 0 {
					equal(t, s2, c1)
					equal(t, s1[4:8], []byte{0, 0, 0, 0})
				} else {
					digest, _ := findDigest(c1, tt.scheme, playerKey)
					verifyAsFFmpeg(t, s1, s2, digest)
					if _, ok := findDigest(s1, tt.scheme, serverKey); !ok {
						t.Error("S1 is signed in the other scheme")
					}
				}
				if m, err := c.ReadMessage(); err != nil || m.Type != TypeCommandAMF0 {
					t.Errorf("after the handshake: %v, %v", m, err)
				}
				if c.Received() != uint64(len(connect)) || c.Sent() != 0 {
					t.Errorf("received %d and sent %d after the handshake", c.Received(), c.Sent())
				}
			})
		}
	}
}

// countedWrites counts writes, and what BeforeWrite said of them.
type countedWrites struct {
	bytes.Buffer
	writes, announced int
}

func (w *countedWrites) Write(b []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(b)
}

var foreign = []struct {
	first byte
	hint  string
}{
	{0, "handshake version 0, want 3"},
	{2, "handshake version 2, want 3"},
	{6, "RTMPE"},
	{8, "RTMPE"},
	{0x16, "TLS"},
	{'G', "HTTP"},
	{'P', "HTTP"},
	{'A', "HTTP"},
	{'Z', "HTTP"},
	{'Z' + 1, "handshake version 91, want 3"},
	{0xFF, "handshake version 255, want 3"},
}

// The first byte is enough to refuse what is no RTMP, and nothing is answered.
func TestHandshakeVersion(t *testing.T) {
	for _, tt := range foreign {
		for name, handshake := range map[string]func(*Conn) error{"Accept": (*Conn).Accept, "Connect": (*Conn).Connect} {
			var out bytes.Buffer
			c := NewConn(starving([]byte{tt.first}), &out)
			err := handshake(c)
			var violation *ProtocolError
			if !errors.As(err, &violation) || !strings.Contains(err.Error(), tt.hint) {
				t.Errorf("%s: first byte %#x: %v, want a hint at %s", name, tt.first, err, tt.hint)
			}
			if name == "Accept" && out.Len() > 0 {
				t.Errorf("first byte %#x: answered %d bytes", tt.first, out.Len())
			}
		}
	}
}

// failAfter is a writer of which a write fails.
type failAfter int

func (n *failAfter) Write(b []byte) (int, error) {
	if *n--; *n < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

func TestHandshakeCut(t *testing.T) {
	whole := append([]byte{3}, make([]byte, 2*handshakeSize)...)
	for name, handshake := range map[string]func(*Conn) error{"Accept": (*Conn).Accept, "Connect": (*Conn).Connect} {
		for _, n := range []int{0, 1, 2, handshakeSize, handshakeSize + 1, 2 * handshakeSize} {
			want := io.ErrUnexpectedEOF
			if name == "Accept" && n == 0 {
				want = io.EOF // a port scan is no handshake that was cut
			}
			if err := handshake(NewConn(bytes.NewReader(whole[:n]), io.Discard)); !errors.Is(err, want) {
				t.Errorf("%s of %d bytes: %v, want %v", name, n, err, want)
			}
		}
		if err := handshake(NewConn(starving(whole), io.Discard)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for writes := range map[string]int{"Accept": 1, "Connect": 2}[name] {
			w := failAfter(writes)
			if err := handshake(NewConn(bytes.NewReader(whole), &w)); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%s, write %d fails: %v", name, writes, err)
			}
		}
	}
}

func TestConnect(t *testing.T) {
	s1, s2 := counting(), body(0xEE, handshakeSize)
	for name, r := range map[string]io.Reader{
		"whole": io.MultiReader(bytes.NewReader([]byte{3}), bytes.NewReader(s1), bytes.NewReader(s2)),
		"bytes": starving(bytes.Join([][]byte{{3}, s1, s2}, nil)),
	} {
		t.Run(name, func(t *testing.T) {
			var out countedWrites
			c := NewConn(r, &out)
			c.BeforeWrite = func() { out.announced++ }
			if err := c.Connect(); err != nil {
				t.Fatal(err)
			}
			if out.writes != 2 || out.announced != 2 || out.Len() != 1+2*handshakeSize {
				t.Fatalf("%d bytes in %d writes, %d announced", out.Len(), out.writes, out.announced)
			}
			equal(t, out.Bytes()[:9], []byte{3, 0, 0, 0, 0, 0, 0, 0, 0})
			equal(t, out.Bytes()[1+handshakeSize:], s1)
		})
	}
}

func TestConnectAccept(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	accepted := make(chan error)
	go func() { accepted <- NewConn(b, b).Accept() }()
	if err := NewConn(a, a).Connect(); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
}
