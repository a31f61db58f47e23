package rtmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// controls are V19: what our constructors make, how it stands on the wire, and
// what it does to a connection that reads it.
var controls = []struct {
	name    string
	message Message
	hex     string
	applied func(*Conn) bool
}{
	{"WindowAckSize", WindowAckSize(), "02 000000 000004 05 00000000 002625A0",
		func(c *Conn) bool { return c.window == 2_500_000 }},
	{"SetPeerBandwidth", SetPeerBandwidth(), "02 000000 000005 06 00000000 002625A0 02",
		func(c *Conn) bool { return c.outWindow == 2_500_000 }},
	{"SetChunkSize", SetChunkSize(), "02 000000 000004 01 00000000 00010000",
		func(c *Conn) bool { return c.inChunk == 65536 }},
	{"StreamBegin", UserControl(EventStreamBegin, 1), "02 000000 000006 04 00000000 0000 00000001", nil},
	{"StreamEOF", UserControl(EventStreamEOF, 1), "02 000000 000006 04 00000000 0001 00000001", nil},
	{"PingRequest", UserControl(EventPingRequest, 0x01020304), "02 000000 000006 04 00000000 0006 01020304", nil},
	{"PingResponse", UserControl(EventPingResponse, 0x01020304), "02 000000 000006 04 00000000 0007 01020304", nil},
	{"Ack", Ack(1000), "02 000000 000004 03 00000000 000003E8", nil},
	{"Ack after 4 GiB", Ack(1<<32 + 1000), "02 000000 000004 03 00000000 000003E8", nil},
	{"Abort", controlMessage(TypeAbort, 6), "02 000000 000004 02 00000000 00000006", nil},
}

func TestControlMessages(t *testing.T) {
	for _, tt := range controls {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := NewConn(nil, &out).WriteMessages(tt.message); err != nil {
				t.Fatal(err)
			}
			b := unhex(t, tt.hex)
			equal(t, out.Bytes(), b)

			c, _ := newReader(starving(b))
			c.window = 0
			m, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			equal(t, m, tt.message)
			if tt.applied != nil && !tt.applied(c) {
				t.Error("the message was not applied")
			}
		})
	}
}

// Some control messages are answered, each once, and none of an unknown kind.
func TestControlAnswers(t *testing.T) {
	tests := []struct{ name, hex, want string }{
		{"ping", "02 000000 000006 04 00000000 0006 01020304", "02 000000 000006 04 00000000 0007 01020304"},
		{"ping with more bytes", "02 000000 000008 04 00000000 0006 0102030405FF", "02 000000 000006 04 00000000 0007 01020304"},
		{"ping on another stream", "05 000007 000006 04 01000000 0006 01020304", "02 000000 000006 04 00000000 0007 01020304"},
		{"short ping", "02 000000 000005 04 00000000 0006 010203", ""},
		{"ping response", "02 000000 000006 04 00000000 0007 01020304", ""},
		{"buffer length", "02 000000 00000A 04 00000000 0003 00000001 00000BB8", ""},
		{"unknown event", "02 000000 000006 04 00000000 00FF 01020304", ""},
		{"peer bandwidth", "02 000000 000005 06 00000000 004C4B40 02", "02 000000 000004 05 00000000 004C4B40"},
		{"peer bandwidth twice", "02 000000 000005 06 00000000 004C4B40 02 02 000000 000005 06 00000000 004C4B40 00", "02 000000 000004 05 00000000 004C4B40"},
		{"peer bandwidth 0", "02 000000 000005 06 00000000 00000000 02", ""},
		{"window 0 means none", "02 000000 000004 05 00000000 00000000", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, answers := newReader(bytes.NewReader(unhex(t, tt.hex)))
			if _, err := readAll(c); err != io.EOF {
				t.Fatal(err)
			}
			equal(t, answers.Bytes(), unhex(t, tt.want))
			if c.window != WindowSize {
				t.Errorf("window %d, want the default", c.window)
			}
		})
	}
}

// A bandwidth that we announced as our window needs no answer.
func TestPeerBandwidthKnown(t *testing.T) {
	c, answers := newReader(bytes.NewReader(unhex(t, "02 000000 000005 06 00000000 002625A0 02")))
	if err := c.WriteMessages(WindowAckSize()); err != nil {
		t.Fatal(err)
	}
	answers.Reset()
	if _, err := readAll(c); err != io.EOF {
		t.Fatal(err)
	}
	equal(t, answers.Bytes(), []byte{})
}

func TestAnswerFails(t *testing.T) {
	for _, hex := range []string{
		"02 000000 000006 04 00000000 0006 01020304",
		"02 000000 000005 06 00000000 004C4B40 02",
		"06 000000 00B000 09 01000000 AA*45056",
	} {
		w := failAfter(0)
		c := NewConn(bytes.NewReader(unhex(t, hex)), &w)
		c.AllowMedia()
		c.inChunk, c.window = maxChunkSize, 1
		if _, err := readAll(c); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: %v", hex, err)
		}
	}
}

// acks returns the sequence numbers of the acknowledgements in b.
func acks(t *testing.T, b []byte) (numbers []uint32) {
	t.Helper()
	r, _ := newReader(bytes.NewReader(b))
	messages, err := readAll(r)
	if err != io.EOF {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Type != TypeAck || len(m.Body) != 4 {
			t.Fatalf("answer of type %d and %d bytes", m.Type, len(m.Body))
		}
		numbers = append(numbers, binary.BigEndian.Uint32(m.Body))
	}
	return numbers
}

func TestAcknowledge(t *testing.T) {
	const message = 1 << 16 // bytes, header included
	tests := []struct {
		name   string
		window uint32
		before uint64 // bytes received before
		count  int    // messages
		want   []uint32
	}{
		{"default window", 0, 0, 40, []uint32{20 * message, 40 * message}},
		{"below the window", 0, 0, 19, nil},
		{"window of four messages", 4 * message, 0, 7, []uint32{2 * message, 4 * message, 6 * message}},
		{"wrap", 4 * message, 1<<32 - 2*message, 4, []uint32{0, 2 * message}},
		{"beyond 2^32", 4 * message, 1<<40 + 5, 2, []uint32{2*message + 5}},
		{"largest window", 1<<32 - 1, 0, 64, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := AppendMessage(nil, audio(0, make([]byte, message-fullHeader)), ChunkSize)
			c, answers := newReader(bytes.NewReader(bytes.Repeat(b, tt.count)))
			c.inChunk = ChunkSize
			if tt.window > 0 {
				c.window = tt.window
			}
			c.received, c.acknowledged = tt.before, tt.before
			if _, err := readAll(c); err != io.EOF {
				t.Fatal(err)
			}
			equal(t, acks(t, answers.Bytes()), tt.want)
		})
	}
}

// The peer may stop at the window in the middle of a chunk that is longer.
func TestAcknowledgeWithinChunk(t *testing.T) {
	const length = 4_000_000
	b := AppendMessage(nil, video(0, make([]byte, length)), length)
	c, answers := newReader(starving(b[:WindowSize]))
	c.inChunk = maxChunkSize
	if _, err := readAll(c); err != errStarved {
		t.Fatal(err)
	}
	if got := acks(t, answers.Bytes()); len(got) != 1 {
		t.Errorf("acknowledged %d after a window, want one within it", got)
	}
}

// A tiny window costs an answer every 16 KiB, not one a chunk.
func TestAcknowledgeTinyWindow(t *testing.T) {
	b := unhex(t, "02 000000 000004 05 00000000 00000001")
	for range 1000 {
		b = AppendMessage(b, audio(0, make([]byte, 100)), defaultChunkSize)
	}
	c, answers := newReader(bytes.NewReader(b))
	if _, err := readAll(c); err != io.EOF {
		t.Fatal(err)
	}
	if got := acks(t, answers.Bytes()); len(got) != len(b)/(minAckStep+112) {
		t.Errorf("%d acknowledgements of %d bytes: %d", len(got), len(b), got)
	}
}

// What was read ahead of the messages has been received too.
func TestDetach(t *testing.T) {
	b := AppendMessage(nil, audio(0, make([]byte, 100)), defaultChunkSize)
	c, _ := newReader(bytes.NewReader(bytes.Repeat(b, 3)))
	c.window = 4 * minAckStep
	if _, err := c.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	if received, step := c.Detach(); received != uint64(3*len(b)) || step != 2*minAckStep {
		t.Errorf("received %d, an acknowledgement after %d; want %d and %d", received, step, 3*len(b), 2*minAckStep)
	}
}

func TestWriteMessages(t *testing.T) {
	var out countedWrites
	c := NewConn(nil, &out)
	c.BeforeWrite = func() { out.announced++ }
	big := Message{Type: TypeCommandAMF0, Body: body(0xAA, 300)}
	if err := c.WriteMessages(big, SetChunkSize(), big); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteMessages(big); err != nil {
		t.Fatal(err)
	}
	const small = "03 000000 00012C 14 00000000 AA*128 C3 AA*128 C3 AA*44"
	const large = "03 000000 00012C 14 00000000 AA*300"
	equal(t, out.Bytes(), unhex(t, small+" 02 000000 000004 01 00000000 00010000 "+large+" "+large))
	if out.writes != 2 || out.announced != 2 {
		t.Errorf("%d writes, %d announced, want one a call", out.writes, out.announced)
	}
	if c.Sent() != uint64(out.Len()) {
		t.Errorf("sent %d, want %d", c.Sent(), out.Len())
	}
}

func TestWriteMessagesKeepsNoLargeScratch(t *testing.T) {
	c := NewConn(nil, io.Discard)
	if err := c.WriteMessages(Message{Type: TypeDataAMF0, Body: make([]byte, 1<<20)}); err != nil {
		t.Fatal(err)
	}
	if cap(c.out) > idleBuffer {
		t.Errorf("keeps %d bytes", cap(c.out))
	}
}

// shortWriter takes n bytes, then fails.
type shortWriter int

func (n *shortWriter) Write(b []byte) (int, error) {
	taken := min(len(b), int(*n))
	if *n -= shortWriter(taken); taken < len(b) {
		return taken, io.ErrClosedPipe
	}
	return taken, nil
}

func TestWriteError(t *testing.T) {
	m := audio(0, body(0xAA, 100))
	writes := map[string]func(*Conn) error{
		"WriteMessages": func(c *Conn) error { return c.WriteMessages(m) },
		"WriteChunks":   func(c *Conn) error { return c.WriteChunks(AppendChunks(nil, m.Frame(0))) },
	}
	for name, write := range writes {
		w := shortWriter(40)
		c := NewConn(nil, &w)
		if err := write(c); !errors.Is(err, io.ErrClosedPipe) || c.Sent() != 40 {
			t.Errorf("%s: %v, sent %d, want 40", name, err, c.Sent())
		}
	}
}

// tcpPair is both ends of a connection on the loopback interface.
func tcpPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestWriteChunks(t *testing.T) {
	client, server := tcpPair(t)
	c := NewConn(client, client)
	announced := 0
	c.BeforeWrite = func() { announced++ }
	want := []Message{audio(7, body(1, 10)), video(1<<24, body(2, 200_000)), audio(8, nil)}
	var chunks [][]byte
	for _, m := range want {
		chunks = AppendChunks(chunks, m.Frame(m.Timestamp))
	}
	done := make(chan error)
	go func() {
		err := errors.Join(c.WriteMessages(SetChunkSize()), c.WriteChunks(chunks), client.Close())
		done <- err
	}()
	r, _ := newReader(server)
	got, err := readAll(r)
	if err != io.EOF {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	equal(t, got[1:], want)
	if c.Sent() != r.Received() {
		t.Errorf("sent %d, received %d", c.Sent(), r.Received())
	}
	if announced != 2 {
		t.Errorf("BeforeWrite was called %d times for 2 writes", announced)
	}
}

func TestWriteChunksAllocatesNothing(t *testing.T) {
	client, server := tcpPair(t)
	go io.Copy(io.Discard, struct{ io.Reader }{server})
	c := NewConn(client, client)
	m := video(1<<24, body(0xAA, 150_000))
	frame := m.Frame(m.Timestamp)
	chunks := make([][]byte, 0, 16)
	allocs := testing.AllocsPerRun(100, func() {
		chunks = AppendChunks(chunks[:0], frame)
		if err := c.WriteChunks(chunks); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// repeating delivers the same bytes again and again.
type repeating struct {
	b  []byte
	at int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := copy(p, r.b[r.at:])
	r.at = (r.at + n) % len(r.b)
	return n, nil
}

// A message allocates its body, nothing else.
func TestReadMessageAllocations(t *testing.T) {
	for _, n := range []int{0, 300, eagerBody, 200_000} {
		c, _ := newReader(&repeating{b: AppendMessage(nil, video(1<<24, body(0xAA, n)), defaultChunkSize)})
		c.window = 1<<32 - 1 // nothing to acknowledge
		read := func() {
			if m, err := c.ReadMessage(); err != nil || len(m.Body) != n {
				t.Fatal(len(m.Body), err)
			}
		}
		read()
		if allocs := testing.AllocsPerRun(100, read); allocs > 1 {
			t.Errorf("%v allocations for a body of %d bytes", allocs, n)
		}
	}
}

// Any number of goroutines may write: messages and frames stay whole.
func TestWritersDoNotMix(t *testing.T) {
	var out bytes.Buffer
	c := NewConn(nil, &out)
	if err := c.WriteMessages(SetChunkSize()); err != nil {
		t.Fatal(err)
	}
	const writers, each = 4, 50
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			m := video(uint32(i), body(byte(i), 70_000))
			frame := m.Frame(m.Timestamp)
			for range each {
				if err := errors.Join(c.WriteChunks(AppendChunks(nil, frame)), c.WriteMessages(m)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	r, _ := newReader(&out)
	got, err := readAll(r)
	if err != io.EOF {
		t.Fatal(err)
	}
	var counts [writers]int
	for _, m := range got[1:] {
		if !bytes.Equal(m.Body, body(byte(m.Timestamp), 70_000)) {
			t.Fatal("messages are mixed")
		}
		counts[m.Timestamp]++
	}
	equal(t, counts, [writers]int{2 * each, 2 * each, 2 * each, 2 * each})
}
