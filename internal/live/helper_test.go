package live

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// TestMain fails if a goroutine of this package outlives the tests. Those in
// synctest bubbles cannot; this is for the others.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

// feed makes the packets of a publisher, each with a number of its own.
type feed struct {
	*Publication
	at   time.Duration // DTS
	size int           // of bodies
	n    uint64
}

func (f *feed) send(kind media.Kind, role media.Role, key bool, track uint8) *media.Packet {
	body := make([]byte, max(8, f.size))
	binary.BigEndian.PutUint64(body, f.n)
	f.n++
	codec := media.Codec(0)
	switch kind {
	case media.Audio:
		codec = media.AAC
	case media.Video:
		codec = media.H264
	}
	p := &media.Packet{Kind: kind, Codec: codec, Track: track, Role: role, Key: key, DTS: f.at, Body: body}
	f.Publish(p, time.Now())
	return p
}

func (f *feed) metadata() *media.Packet { return f.send(media.Data, media.Metadata, false, 0) }
func (f *feed) videoConfig() *media.Packet {
	return f.send(media.Video, media.Decoder, false, 0)
}
func (f *feed) audioConfig() *media.Packet {
	return f.send(media.Audio, media.Decoder, false, 0)
}
func (f *feed) key() *media.Packet   { return f.send(media.Video, media.Frame, true, 0) }
func (f *feed) inter() *media.Packet { return f.send(media.Video, media.Frame, false, 0) }
func (f *feed) audio() *media.Packet { return f.send(media.Audio, media.Frame, false, 0) }

// gop sends a keyframe and others 33 ms apart, in the time of the test too. Each
// but the first has audio before it.
func (f *feed) gop(frames int) (sent []*media.Packet) {
	sent = append(sent, f.key())
	for range frames - 1 {
		time.Sleep(33 * ms)
		f.at += 33 * ms
		sent = append(sent, f.audio(), f.inter())
	}
	time.Sleep(33 * ms)
	f.at += 33 * ms
	return sent
}

func publish(t testing.TB, r *Registry, name string) *feed {
	t.Helper()
	p, err := r.Publish(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &feed{Publication: p, at: p.Epoch()}
}

// take returns what a cursor gets without waiting.
func take(c *Cursor) (Batch, bool) {
	batch, wake := c.take()
	batch.Packets = slices.Clone(batch.Packets)
	return batch, wake == nil
}

// all returns what a cursor gets until it would wait, as one batch.
func all(c *Cursor) Batch {
	var sum Batch
	for !sum.End {
		b, ok := take(c)
		if !ok {
			break
		}
		sum.Packets = append(sum.Packets, b.Packets...)
		sum.Skipped += b.Skipped
		if b.Skipped > 0 {
			sum.Dropped = Dropped{sum.Dropped.Video + b.Dropped.Video, sum.Dropped.Audio + b.Dropped.Audio, b.Dropped.Until}
		}
		sum.Start = sum.Start || b.Start
		sum.End = b.End
	}
	return sum
}

// next waits for a batch.
func next(t testing.TB, c *Cursor) Batch {
	t.Helper()
	b, err := c.Next(context.Background(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	b.Packets = slices.Clone(b.Packets)
	return b
}

func name(p *media.Packet) string {
	s := fmt.Sprintf("%s%d", p.Kind, binary.BigEndian.Uint64(p.Body))
	if p.Config() {
		s += "config"
	}
	if p.Key {
		s += "key"
	}
	return s
}

func names(packets []*media.Packet) string {
	var all []string
	for _, p := range packets {
		all = append(all, name(p))
	}
	return strings.Join(all, " ")
}

// wantPackets compares by identity: what is relayed is what was published.
func wantPackets(t testing.TB, what string, got []*media.Packet, want ...*media.Packet) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\n got %s\nwant %s", what, names(got), names(want))
	}
}

// wantEmpty checks that a registry in which everything is closed holds nothing.
func wantEmpty(t testing.TB, r *Registry, streams ...*Stream) {
	t.Helper()
	if n := len(r.Streams()); n != 0 {
		t.Errorf("%d streams left", n)
	}
	if r.total.Load() != 0 || r.rings.Load() != 0 || r.live.Load() != 0 {
		t.Errorf("left: %d bytes in %d rings, %d publications", r.total.Load(), r.rings.Load(), r.live.Load())
	}
	for _, s := range streams {
		if s.flush.timer != nil && s.flush.timer.Stop() {
			t.Errorf("the timer of %s is running", s.name)
		}
		if s.readers != 0 || len(s.viewers) != 0 || len(s.recorders) != 0 {
			t.Errorf("%s: %d readers, %d viewers, %d recorders", s.name, s.readers, len(s.viewers), len(s.recorders))
		}
	}
}
