package rtmp

import (
	"bytes"
	"errors"
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
