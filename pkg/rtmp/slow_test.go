package rtmp

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
)

// slowWriter takes a few bytes at a time, then lets its deadline pass.
type slowWriter struct {
	step int
	got  bytes.Buffer
}

func (w *slowWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.step)
	w.got.Write(b[:n])
	if n < len(b) {
		return n, os.ErrDeadlineExceeded
	}
	return n, nil
}

// A receiver that takes something before each deadline gets everything; one that
// takes nothing does not hold up its writer.
func TestWriteChunksToSlowReceiver(t *testing.T) {
	m := Message{Type: TypeVideo, Body: bytes.Repeat([]byte("video"), 50_000)}
	frame := m.Frame(0)
	var want []byte
	for _, piece := range AppendChunks(nil, frame) {
		want = append(want, piece...)
	}
	slow := &slowWriter{step: 1000}
	c := NewConn(nil, slow)
	renewed := 0
	c.BeforeWrite = func() { renewed++ }
	if err := c.WriteChunks(AppendChunks(nil, frame)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(slow.got.Bytes(), want) || renewed < len(want)/2000 || c.Sent() != uint64(len(want)) {
		t.Errorf("%d bytes arrived of %d, the deadline was renewed %d times", slow.got.Len(), len(want), renewed)
	}
	stuck := NewConn(nil, &slowWriter{})
	if err := stuck.WriteChunks(AppendChunks(nil, frame)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a receiver that takes nothing: %v", err)
	}
}

// gatherer is a BuffersWriter.
type gatherer struct {
	calls int
	got   bytes.Buffer
	err   error
}

func (g *gatherer) Write([]byte) (int, error) { panic("a piece by itself") }

func (g *gatherer) WriteBuffers(pieces *net.Buffers) (int64, error) {
	g.calls++
	for _, p := range *pieces {
		g.got.Write(p)
	}
	*pieces = nil
	return int64(g.got.Len()), g.err
}

// A BuffersWriter gets all pieces at once, and once: it has tried what can be tried.
func TestWriteChunksToBuffersWriter(t *testing.T) {
	m := Message{Type: TypeVideo, Body: bytes.Repeat([]byte("video"), 50_000)}
	frame := m.Frame(0)
	want := bytes.Join(AppendChunks(nil, frame), nil)
	for _, fails := range []error{nil, os.ErrDeadlineExceeded} {
		g := &gatherer{err: fails}
		c := NewConn(nil, g)
		if err := c.WriteChunks(AppendChunks(nil, frame)); err != fails || g.calls != 1 || !bytes.Equal(g.got.Bytes(), want) || c.Sent() != uint64(len(want)) {
			t.Errorf("%v after %d calls with %d bytes of %d, %d sent", err, g.calls, g.got.Len(), len(want), c.Sent())
		}
	}
}

// hasty takes as many bytes as it has room for when it is not to wait.
type hasty struct {
	room int
	got  bytes.Buffer
	err  error
}

func (h *hasty) Write(b []byte) (int, error) { return h.got.Write(b) }

func (h *hasty) TryWriteBuffers(pieces *net.Buffers) (n int64, err error) {
	for len(*pieces) > 0 && h.room > 0 {
		p := &(*pieces)[0]
		took := min(len(*p), h.room)
		h.got.Write((*p)[:took])
		h.room -= took
		n += int64(took)
		if *p = (*p)[took:]; len(*p) == 0 {
			*pieces = (*pieces)[1:]
		}
	}
	return n, h.err
}

// However much a writer takes without waiting, everything arrives once and in order, and
// no message gets in between.
func TestTryWriteChunks(t *testing.T) {
	m := Message{Type: TypeVideo, Body: bytes.Repeat([]byte("video"), 30_000)}
	frame := m.Frame(0)
	want := bytes.Join(AppendChunks(nil, frame), nil)
	ping := UserControl(EventPingRequest, 1)
	for room := range len(want) + 2 {
		if room > 20 && room < len(want)-20 && room%9973 != 0 && (room+12)%ChunkSize > 20 {
			continue
		}
		for _, fails := range []error{nil, os.ErrDeadlineExceeded} {
			h := &hasty{room: room, err: fails}
			c := NewConn(nil, h)
			pieces := net.Buffers(AppendChunks(nil, frame))
			if whole := c.TryWriteChunks(&pieces); whole != (room >= len(want) && fails == nil) {
				t.Fatalf("room for %d: wrote all: %v", room, whole)
			}
			if left := len(bytes.Join(pieces, nil)); room > 0 && left > 0 {
				t.Fatalf("room for %d: gives %d bytes back that are begun", room, left)
			}
			if 0 < room && room < len(want) && c.TryWriteChunks(&net.Buffers{[]byte("next")}) {
				t.Fatalf("room for %d: a frame gets before the rest of another", room)
			}
			var err error
			if room%2 == 0 && room > 0 {
				err = c.WriteMessages(ping) // finishes what was begun, too
			}
			if err = errors.Join(err, c.WriteChunks(pieces)); err != nil {
				t.Fatal(err)
			}
			if room%2 != 0 || room == 0 {
				if err := c.WriteMessages(ping); err != nil {
					t.Fatal(err)
				}
			}
			if got := h.got.Bytes(); !bytes.HasPrefix(got, want) || len(got) != len(want)+len(AppendMessage(nil, ping, defaultChunkSize)) || c.Sent() != uint64(len(got)) {
				t.Fatalf("room for %d: %d bytes arrived, %d counted", room, len(got), c.Sent())
			}
		}
	}
}

// What is being written by another goroutine is not waited for, and a writer that cannot do
// without waiting is not asked to.
func TestTryWriteChunksWaitsForNobody(t *testing.T) {
	c := NewConn(nil, &hasty{room: 100})
	pieces := net.Buffers{[]byte("frame")}
	c.wmu.Lock()
	if c.TryWriteChunks(&pieces) || len(pieces) != 1 {
		t.Error("wrote while another goroutine does")
	}
	c.wmu.Unlock()
	if !c.TryWriteChunks(&pieces) {
		t.Error("did not write")
	}
	pieces = net.Buffers{[]byte("frame")}
	plain := NewConn(nil, &slowWriter{})
	if plain.CanTry() || plain.TryWriteChunks(&pieces) || len(pieces) != 1 {
		t.Error("wrote to a writer that may wait")
	}
}
