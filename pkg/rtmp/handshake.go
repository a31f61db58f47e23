package rtmp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
)

// The handshake (RTMP 5.2): one version byte, then two blocks of 1536 bytes each
// way. A client that carries a digest in C1 wants one back; that form is not in
// Adobe's specification, but Flash players and FFmpeg's player check it.
const (
	version       = 3
	handshakeSize = 1536
	digestSize    = sha256.Size
	digestSpan    = 728 // digest positions within a block: 764 - 4 - 32
)

// Keys of the digest handshake. The first 30 and 36 bytes sign C1 and S1, the
// whole keys sign C2 and S2.
const (
	keyTail   = "\xF0\xEE\xC2\x4A\x80\x68\xBE\xE8\x2E\x00\xD0\xD1\x02\x9E\x7E\x57\x6E\xEC\x5D\x2D\x29\x80\x6F\xAB\x93\xB8\xE6\x36\xCF\xEB\x31\xAE"
	playerKey = "Genuine Adobe Flash Player 001"
	serverKey = "Genuine Adobe Flash Media Server 001"
)

// Accept performs the server's side of the handshake. It waits for C0 and C1,
// answers with S0, S1 and S2 in one write, and takes any C2: several clients
// send something else than the specification asks for.
func (c *Conn) Accept() error {
	first, err := c.br.ReadByte()
	if err != nil {
		return err
	}
	if err := checkVersion(first); err != nil {
		return err
	}
	var c1 [handshakeSize]byte
	if _, err := io.ReadFull(c.br, c1[:]); err != nil {
		return fmt.Errorf("rtmp: handshake C1: %w", unexpected(err))
	}
	out := make([]byte, 1+2*handshakeSize)
	out[0] = version
	answerHandshake(c1[:], out[1:1+handshakeSize], out[1+handshakeSize:])
	c.beforeWrite()
	if _, err := c.w.Write(out); err != nil {
		return fmt.Errorf("rtmp: handshake S0-S2: %w", err)
	}
	if _, err := io.ReadFull(c.br, c1[:]); err != nil {
		return fmt.Errorf("rtmp: handshake C2: %w", unexpected(err))
	}
	return nil
}

// Connect performs the client's side of the handshake, in the simple form.
func (c *Conn) Connect() error {
	out := make([]byte, 1+handshakeSize)
	out[0] = version
	randomize(out[1+8:])
	c.beforeWrite()
	if _, err := c.w.Write(out); err != nil {
		return fmt.Errorf("rtmp: handshake C0-C1: %w", err)
	}
	first, err := c.br.ReadByte()
	if err != nil {
		return fmt.Errorf("rtmp: handshake S0: %w", unexpected(err))
	}
	if err := checkVersion(first); err != nil {
		return err
	}
	var in [2 * handshakeSize]byte
	if _, err := io.ReadFull(c.br, in[:]); err != nil {
		return fmt.Errorf("rtmp: handshake S1-S2: %w", unexpected(err))
	}
	c.beforeWrite()
	if _, err := c.w.Write(in[:handshakeSize]); err != nil {
		return fmt.Errorf("rtmp: handshake C2: %w", err)
	}
	return nil
}

// checkVersion explains the first byte of what is no plain RTMP.
func checkVersion(b byte) error {
	switch {
	case b == version:
		return nil
	case b == 6 || b == 8:
		return &ProtocolError{Reason: "the peer speaks RTMPE (encrypted RTMP), which is not supported: use rtmp:// or rtmps://"}
	case b == 0x16:
		return &ProtocolError{Reason: "the peer speaks TLS on a plain RTMP port: use rtmp:// here"}
	case b >= 'A' && b <= 'Z':
		return &ProtocolError{Reason: "the peer speaks HTTP on an RTMP port: use an rtmp:// address"}
	}
	return &ProtocolError{Reason: fmt.Sprintf("handshake version %d, want %d", b, version)}
}

// answerHandshake fills S1 and S2. Without a digest in C1 the answer is the
// simple form: no version in S1, C1 echoed in S2.
func answerHandshake(c1, s1, s2 []byte) {
	randomize(s1[8:])
	for scheme := 1; scheme >= 0; scheme-- {
		if digest, ok := findDigest(c1, scheme, playerKey); ok {
			copy(s1[4:], "\x04\x05\x00\x01") // FFmpeg looks for digests at server version 3 and above
			putDigest(s1, scheme, serverKey)
			randomize(s2)
			signEcho(s2, digest, serverKey+keyTail)
			return
		}
	}
	copy(s2, c1)
}

// digestPosition is where a block keeps its digest: scheme 1 in the first half,
// scheme 0 in the second, at an offset that four bytes tell.
func digestPosition(block []byte, scheme int) int {
	at := 772
	if scheme == 1 {
		at = 8
	}
	sum := int(block[at]) + int(block[at+1]) + int(block[at+2]) + int(block[at+3])
	return sum%digestSpan + at + 4
}

// blockDigest signs a block without the bytes of the digest itself.
func blockDigest(block []byte, at int, key string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(block[:at])
	mac.Write(block[at+digestSize:])
	return mac.Sum(nil)
}

func findDigest(block []byte, scheme int, key string) ([]byte, bool) {
	at := digestPosition(block, scheme)
	digest := block[at : at+digestSize]
	return digest, hmac.Equal(digest, blockDigest(block, at, key))
}

func putDigest(block []byte, scheme int, key string) {
	at := digestPosition(block, scheme)
	copy(block[at:], blockDigest(block, at, key))
}

// signEcho signs the second block of a side with the digest that the other side
// sent in its first one.
func signEcho(block, peerDigest []byte, key string) {
	body := block[:len(block)-digestSize]
	copy(block[len(body):], sign(sign([]byte(key), peerDigest), body))
}

func sign(key, data []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	return mac.Sum(nil)
}

func randomize(b []byte) {
	// crypto/rand.Read never fails (Go 1.24).
	rand.Read(b)
}
