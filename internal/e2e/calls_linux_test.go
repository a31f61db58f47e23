package e2e

import (
	bin "encoding/binary"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// A frame with its sound costs one write for each viewer and two reads, of which the
// second finds no more; a recording is written every 30 ms, with one call; and nobody is
// woken for a viewer. The calls are those that the program makes of the system after all
// have connected.
func TestSystemCalls(t *testing.T) {
	for _, format := range []string{"flv", "mp4"} {
		t.Run(format, func(t *testing.T) { systemCalls(t, format) })
	}
}

func systemCalls(t *testing.T, format string) {
	const viewers, frames = 20, 300
	s, calls := serveCounted(t, "--record-format", format, "--record-sync", "0", "--max-latency", "0", "--read-timeout", "10m") // nobody is pinged
	relay := relayInStep(t, s.URL+"/live/a", viewers)
	relay(1)
	before, begin := calls(), time.Now()
	relay(frames)
	took, after := time.Since(begin), calls()
	if err := s.interrupt(); err != nil {
		t.Fatal(err)
	}
	// What the last frame before and the last frame counted cost may be noted late.
	within(t, before, after, []limit{
		{"socket read", frames, 2*frames + 2}, // fewer if a frame comes before the second read
		{"socket write", (frames - 1) * viewers, (frames + 1) * viewers},
		{"file write", 1, int(took/(30*time.Millisecond)) + 3},
		// How often threads find nothing to do and sleep depends on the load, a little; one
		// wake-up a frame and viewer would be 20 a frame.
		{"futex", 0, 6 * frames},
		{"epoll_pwait", 0, 8 * frames},
		{"eventfd write", 0, frames},
		{"pipe write", 0, 2 * viewers}, // the log
	})
}

// What a stream sends that is recorded and not watched is read 30 times a second, however often it
// comes, and written at most twice as often.
func TestSystemCallsUnwatched(t *testing.T) {
	const messages, every = 400, 5 * time.Millisecond
	s, calls := serveCounted(t, "--record-format", "flv", "--record-sync", "0")
	publisher := newStepper(t, s.URL+"/live/a")
	publisher.send()
	s.await("recording", "live/a")
	before, begin := calls(), time.Now()
	for tick := time.NewTicker(every); publisher.sent < messages; publisher.send() {
		<-tick.C
	}
	took := time.Since(begin)
	awaitRecorded(t, s.recordings()[0], (messages-1)*33*time.Millisecond)
	after := calls()
	if err := s.interrupt(); err != nil {
		t.Fatal(err)
	}
	isWhole(t, s.recordings()[0])
	ticks := int(took / (33 * time.Millisecond))
	within(t, before, after, []limit{
		{"socket read", 1, ticks + 10},
		{"file write", 1, 2*ticks + 10}, // what comes first may be written before the rest of a tick is published
		{"setsockopt", 1, ticks + 10},
	})
}

// serveCounted starts the program. The function it returns tells how often what has been called.
func serveCounted(t *testing.T, args ...string) (*server, func() map[string]int) {
	notes := filepath.Join(t.TempDir(), "calls")
	s := serveBy(t, func(args ...string) *exec.Cmd {
		cmd := exec.Command(peers.Strace(t), append([]string{"-D", "-f", "-y", "-s", "0", "-o", notes,
			"-e", "trace=" + strings.Join(slices.Collect(maps.Keys(callNames)), ","), binary}, args...)...)
		cmd.Env = append(program().Env, "GOMAXPROCS=2") // as many wake-ups on every machine
		return cmd
	}, args...)
	return s, func() map[string]int { return countCalls(t, notes) }
}

// limit is how often something may be called.
type limit struct {
	name        string
	least, most int
}

func within(t *testing.T, before, after map[string]int, limits []limit) {
	t.Helper()
	for _, l := range limits {
		n := after[l.name] - before[l.name]
		t.Logf("%s: %d", l.name, n)
		if n < l.least || n > l.most {
			t.Errorf("%s: %d calls, want %d to %d", l.name, n, l.least, l.most)
		}
	}
}

// stepper publishes a frame with sound at a time.
type stepper struct {
	connection
	t    *testing.T
	sent int
}

func newStepper(t *testing.T, url string) *stepper {
	publisher := connect(t, url)
	if err := publisher.Publish(); err != nil {
		t.Fatal(err)
	}
	go drain(publisher)
	return &stepper{connection: publisher, t: t}
}

func (p *stepper) send() {
	config := []byte("\x17\x00\x00\x00\x00\x01\x64\x00\x1f\xff\xe1\x00\x1a\x67\x64\x00\x1f\xac\xd9\x40\x50\x05\xbb\x01\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc0\xf1\x83\x19\x60\x01\x00\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\x00")
	var wire []byte
	add := func(kind uint8, body []byte) {
		wire = rtmp.AppendMessage(wire, rtmp.Message{Type: kind, StreamID: p.StreamID, Timestamp: uint32(p.sent * 33), Body: body}, rtmp.ChunkSize)
	}
	if p.sent == 0 {
		add(rtmp.TypeVideo, config)
		add(rtmp.TypeAudio, []byte{0xAF, 0, 0x11, 0x90})
	}
	add(rtmp.TypeAudio, append([]byte{0xAF, 1}, make([]byte, 100)...))
	add(rtmp.TypeVideo, numbered(p.sent))
	if _, err := p.socket.Write(wire); err != nil {
		p.t.Fatal(err)
	}
	p.sent++
}

// relayInStep connects a publisher and viewers. The function it returns publishes so many
// frames more with sound, each when all viewers have the one before, so that nothing is
// merged.
func relayInStep(t *testing.T, url string, viewers int) func(frames int) {
	publisher := newStepper(t, url)
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
	step := func() {
		n := publisher.sent
		publisher.send()
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
	return func(frames int) {
		for range frames {
			step()
		}
	}
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

// callNames are the system calls that count, and as what.
var callNames = map[string]string{
	"read": "read", "readv": "read", "recvfrom": "read", "recvmsg": "read",
	"write": "write", "writev": "write", "sendto": "write", "sendmsg": "write", "sendmmsg": "write",
	"pwrite64": "write", "pwritev": "write", "pwritev2": "write",
	"futex": "futex", "epoll_pwait": "epoll_pwait", "setsockopt": "setsockopt",
}

// tracedCall is a call in a trace, and what its first argument is if that is a file.
var tracedCall = regexp.MustCompile(`(?m)^\d+ +(\w+)\((?:\d+<(?:anon_inode:\[)?(socket|eventfd|pipe|/)?)?`)

// countCalls counts what a trace has by now.
func countCalls(t *testing.T, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	calls := make(map[string]int)
	for _, call := range tracedCall.FindAllStringSubmatch(string(text), -1) {
		kind := callNames[call[1]]
		if kind == "read" || kind == "write" {
			kind = strings.Replace(call[2], "/", "file", 1) + " " + kind
		}
		calls[kind]++
	}
	return calls
}
