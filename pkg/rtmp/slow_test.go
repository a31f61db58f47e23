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
