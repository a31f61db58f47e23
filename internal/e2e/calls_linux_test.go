package e2e

import (
	bin "encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// A frame with its sound costs one write for each viewer, hardly more than the two reads
// that find it and find no more, one write to the recording, and nobody is woken for a
// viewer. The calls are those that the program makes of the system.
func TestSystemCalls(t *testing.T) {
	const viewers, frames = 20, 300
	notes := filepath.Join(t.TempDir(), "calls")
	s := serveBy(t, func(args ...string) *exec.Cmd {
		cmd := exec.Command(peers.Strace(t), append([]string{"-D", "-f", "-c", "-U", "calls,name", "-o", notes, binary}, args...)...)
		cmd.Env = program().Env
		return cmd
	}, "--record-format", "flv", "--record-sync", "0", "--max-latency", "0")
	relayInStep(t, s.URL+"/live/a", viewers, frames)
	if err := s.interrupt(); err != nil {
		t.Fatal(err)
	}
	calls := countCalls(t, notes)
	t.Log(calls)
	const setup = 60 // of a connection, at most
	for _, limit := range []struct {
		names string
		most  int
	}{
		{"writev", frames*viewers + setup*viewers},
		{"read", 2*frames + frames/10 + setup*viewers},
		{"pwrite64 pwritev pwritev2", frames + 50},
		{"futex", frames * viewers / 2},       // one a frame and viewer would be twice that
		{"epoll_pwait", frames * viewers / 2}, // which is asked whenever a thread has nothing to do
		{"write sendto sendmsg sendmmsg recvfrom recvmsg", frames/4 + setup*viewers},
	} {
		n := 0
		for _, name := range strings.Fields(limit.names) {
			n += calls[name]
		}
		if n > limit.most {
			t.Errorf("%d calls of %s, want at most %d", n, limit.names, limit.most)
		}
	}
	if calls["writev"] < frames*viewers*9/10 {
		t.Errorf("%d calls of writev for %d frames and %d viewers: what did the viewers get?", calls["writev"], frames, viewers)
	}
}

// relayInStep publishes frames with sound, each when all viewers have the one before, so
// that nothing is merged.
func relayInStep(t *testing.T, url string, viewers, frames int) {
	publisher := connect(t, url)
	if err := publisher.Publish(); err != nil {
		t.Fatal(err)
	}
	go drain(publisher)
	arrived := make(chan uint32, viewers)
	for range viewers {
		v := connect(t, url)
		if err := v.Play(); err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				m, err := v.ReadMessage()
				if err != nil {
					return
				}
				if n := len(m.Body); m.Type == rtmp.TypeVideo && n > 100 {
					arrived <- bin.BigEndian.Uint32(m.Body[n-4:])
				}
			}
		}()
	}
	config := []byte("\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x1a\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x83\x19\x60\x01\x00\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\x00")
	for n := range frames {
		at := uint32(n * 33)
		var wire []byte
		add := func(kind uint8, body []byte) {
			wire = rtmp.AppendMessage(wire, rtmp.Message{Type: kind, StreamID: publisher.StreamID, Timestamp: at, Body: body}, rtmp.ChunkSize)
		}
		if n == 0 {
			add(rtmp.TypeVideo, config)
			add(rtmp.TypeAudio, []byte{0xAF, 0, 0x11, 0x90})
		}
		add(rtmp.TypeAudio, append([]byte{0xAF, 1}, make([]byte, 100)...))
		add(rtmp.TypeVideo, numbered(n))
		if _, err := publisher.socket.Write(wire); err != nil {
			t.Fatal(err)
		}
		for range viewers {
			select {
			case got := <-arrived:
				if got != uint32(n) {
					t.Fatalf("frame %d arrived, want %d", got, n)
				}
			case <-time.After(patience):
				t.Fatalf("frame %d does not arrive", n)
			}
		}
	}
	_ = publisher.socket.Close()
}

// numbered is a frame of H.264 of 1 kB, a keyframe first, that ends in its number.
func numbered(n int) []byte {
	const size = 1000
	body := []byte{0x27, 1, 0, 0, 0, 0, 0, size >> 8, size & 0xff, 0x41}
	if n == 0 {
		body[0], body[9] = 0x17, 0x65
	}
	body = append(body, make([]byte, size-5)...)
	return bin.BigEndian.AppendUint32(body, uint32(n))
}

// countCalls waits for the summary of strace.
func countCalls(t *testing.T, path string) map[string]int {
	t.Helper()
	var text string
	await(t, "the summary of strace", func() bool {
		b, err := os.ReadFile(path)
		text = string(b)
		return err == nil && strings.Contains(text, " total\n")
	})
	calls := make(map[string]int)
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 2 {
			if n, err := strconv.Atoi(fields[0]); err == nil {
				calls[fields[1]] = n
			}
		}
	}
	return calls
}
