package live

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// reading is what a reader in a goroutine of its own got, batch by batch.
type reading struct {
	packets []*media.Packet
	batches []string        // their packets
	at      []time.Duration // when each was returned, since the begin
}

// read reads until the end of a publication.
func read(t *testing.T, c *Cursor) <-chan *reading {
	done := make(chan *reading, 1)
	begin := time.Now()
	go func() {
		defer c.Close()
		var r reading
		for {
			b := next(t, c)
			r.packets = append(r.packets, b.Packets...)
			r.batches = append(r.batches, names(b.Packets))
			r.at = append(r.at, time.Since(begin))
			if b.End {
				done <- &r
				return
			}
		}
	}()
	return done
}

// A waiting cursor wakes up once a video frame, with the audio before it.
func TestWakeups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		viewer := read(t, r.Subscribe("live/a"))
		f := publish(t, r, "live/a")
		recorder := read(t, f.Cursor())
		synctest.Wait()
		f.metadata()
		f.videoConfig()
		f.audioConfig()
		const frames = 50
		f.key()
		synctest.Wait()
		for i := range frames - 1 {
			time.Sleep(11 * ms)
			f.audio()
			synctest.Wait()
			time.Sleep(11 * ms)
			if i%10 == 0 {
				f.videoConfig()
			} else {
				f.audio()
			}
			synctest.Wait()
			time.Sleep(11 * ms)
			f.inter()
			synctest.Wait()
		}
		f.Close()
		for what, done := range map[string]<-chan *reading{"viewer": viewer, "recorder": recorder} {
			got := <-done
			if len(got.batches) != frames+1 { // and the end
				t.Errorf("%s: %d wake-ups, want %d", what, len(got.batches), frames+1)
			}
			for i, at := range got.at[:frames] {
				if want := time.Duration(i) * 33 * ms; at != want {
					t.Errorf("%s: wake-up %d after %s, want %s", what, i, at, want)
				}
			}
			if len(got.packets) != 3+1+3*(frames-1) {
				t.Errorf("%s: %d packets", what, len(got.packets))
			}
		}
		synctest.Wait()
		wantEmpty(t, r, f.stream)
	})
}

// Audio that no video follows is visible after 40 ms, all that came until then at once.
func TestAudioAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		f.key()
		next(t, c)
		for range 5 {
			begin := time.Now()
			a := f.audio()
			time.Sleep(23 * ms)
			b := f.audio()
			got := next(t, c)
			wantPackets(t, "audio", got.Packets, a, b)
			if held := time.Since(begin); held != audioHold {
				t.Errorf("held for %s, want %s", held, audioHold)
			}
			if got.Oldest != begin {
				t.Errorf("oldest arrived at %s", got.Oldest.Sub(begin))
			}
			time.Sleep(time.Second)
		}

		// A timer that was set for audio which video took along does not show the
		// next audio early.
		f.audio()
		time.Sleep(30 * ms)
		f.inter()
		next(t, c)
		begin := time.Now()
		f.audio()
		next(t, c)
		if held := time.Since(begin); held != audioHold {
			t.Errorf("held for %s, want %s", held, audioHold)
		}
	})
}

// Audio is shown in time even if the packet for which the timer was set is evicted.
func TestAudioAloneAfterEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{StreamBytes: 1000})
		f := publish(t, r, "live/a")
		f.size = 300
		f.audio()
		time.Sleep(30 * ms)
		for range 3 {
			f.audio()
		}
		time.Sleep(2 * audioHold)
		synctest.Wait()
		if s := f.stream; s.flush.visible != s.ring.next {
			t.Errorf("%d packets are held", s.ring.next-s.flush.visible)
		}
	})
}

// Next ends at its deadline and with its context.
func TestNextErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		begin := time.Now()
		if _, err := c.Next(context.Background(), begin.Add(time.Second)); err != ErrTimeout || time.Since(begin) != time.Second {
			t.Errorf("%v after %s, want ErrTimeout after 1 s", err, time.Since(begin))
		}
		if _, err := c.Next(context.Background(), begin); err != ErrTimeout {
			t.Errorf("%v, want ErrTimeout for a deadline in the past", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := c.Next(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want that of the context", err)
		}
		// A reader that always has something to read can be stopped too.
		f := publish(t, r, "live/a")
		f.key()
		if b, err := c.Next(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, %v, want the error of the context", names(b.Packets), err)
		}
		if b := next(t, c); len(b.Packets) != 1 {
			t.Errorf("got %s, want the keyframe after all", names(b.Packets))
		}
		c.Close()
		f.Close()
		wantEmpty(t, r, f.stream)
	})
}

// A recorder takes along at its deadline what nobody was woken for.
func TestRecorderSeesHeldAudio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		c := f.Cursor()
		viewer := r.Subscribe("live/a")
		key := f.key()
		wantPackets(t, "recorder", next(t, c).Packets, key)
		wantPackets(t, "viewer", next(t, viewer).Packets, key)
		begin := time.Now()
		sent := make(chan *media.Packet, 1)
		go func() {
			time.Sleep(10 * ms)
			sent <- f.audio()
		}()
		b, err := c.Next(context.Background(), begin.Add(20*ms))
		if err != nil || time.Since(begin) != 20*ms {
			t.Fatalf("%v after %s", err, time.Since(begin))
		}
		wantPackets(t, "recorder", b.Packets, <-sent)
		if b, ok := take(viewer); ok {
			t.Errorf("the viewer got %s early", names(b.Packets))
		}
	})
}

// A cursor that waits does not keep packets alive.
func TestWaitingCursorHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		c := f.Cursor()
		f.gop(10)
		all(c)
		for _, p := range c.scratch[:cap(c.scratch)] {
			if p != nil {
				t.Fatalf("the cursor holds %s", name(p))
			}
		}
	})
}

// A batch is bounded, so that catching up holds the mutex briefly.
func TestBatchBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		c := f.Cursor()
		for range 3000 {
			f.inter()
		}
		for n := 0; n < 3000; n += batchPackets {
			if b, _ := take(c); len(b.Packets) != min(batchPackets, 3000-n) {
				t.Errorf("batch of %d packets", len(b.Packets))
			}
		}
		f.size = 100 << 10
		for range 30 {
			f.inter()
		}
		for range 10 {
			if b, _ := take(c); len(b.Packets) != 3 {
				t.Errorf("batch of %d packets, want 3", len(b.Packets))
			}
		}
		f.Close()
		for range 2 {
			if b, ok := take(c); !ok || !b.End || len(b.Packets) > 0 {
				t.Errorf("batch %+v, want the end", b)
			}
		}
	})
}

// A viewer that stayed sees the end once, then the next publication from its
// configurations on, in a time that goes on.
func TestPublicationReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		if f.Epoch() != 0 {
			t.Errorf("epoch %s, want 0", f.Epoch())
		}
		sent := join([]*media.Packet{f.videoConfig()}, f.gop(3))
		got := all(c).Packets
		sent = append(sent, f.gop(3)...)
		newest := f.at
		first := f.audio()
		f.at -= 10 * ms
		last := f.audio() // neither is visible yet
		f.Close()
		if !f.Ended() {
			t.Error("the publication has not ended")
		}
		b := all(c)
		wantPackets(t, "first publication", append(got, b.Packets...), append(sent, first, last)...)
		if !b.End {
			t.Error("no end")
		}
		time.Sleep(time.Hour)
		if b, ok := take(c); ok {
			t.Fatalf("got %+v between publications", b)
		}
		late := r.Subscribe("live/a")
		if b, ok := take(late); ok {
			t.Fatalf("a joiner got %+v between publications", b)
		}

		g := publish(t, r, "live/a")
		if g.Epoch() != newest+epochGap {
			t.Errorf("epoch %s, want %s", g.Epoch(), newest+epochGap)
		}
		f.Publish(last, time.Now()) // too late: ignored
		f.Close()
		config := g.videoConfig()
		audio := g.audio()
		time.Sleep(time.Second)
		if b, ok := take(c); ok {
			t.Fatalf("got %s before the keyframe", names(b.Packets))
		}
		gop := g.gop(3)
		for _, c := range []*Cursor{c, late} {
			b := all(c)
			wantPackets(t, "second publication", b.Packets, join([]*media.Packet{config, audio}, gop)...)
			if !b.Start || b.End || b.Skipped != 0 || c.Gaps() != (Gaps{}) {
				t.Errorf("batch %+v, gaps %+v", b, c.Gaps())
			}
		}
		if duration, bytes := g.Totals(); duration != time.Second+2*33*ms || bytes != 8*uint64(2+len(gop)) {
			t.Errorf("totals %s, %d bytes", duration, bytes)
		}
		g.Close()
		g.Close()
		for _, c := range []*Cursor{c, late} {
			if b := all(c); !b.End || len(b.Packets) > 0 {
				t.Errorf("batch %+v, want the end", b)
			}
			c.Close()
			c.Close()
		}
		wantEmpty(t, r, f.stream)
	})
}

// A recorder's cursor stays within its publication, whenever it was made and
// however late it reads.
func TestRecorderStaysInPublication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		anchor := r.Subscribe("live/a") // keeps the stream
		f := publish(t, r, "live/a")
		a := f.Cursor()
		sent := f.gop(3)
		f.Close()
		g := publish(t, r, "live/a")
		b := g.Cursor()
		sent2 := g.gop(3)
		g.Close()
		late := f.Cursor()
		for _, x := range []struct {
			c    *Cursor
			want []*media.Packet
		}{{a, sent}, {b, sent2}, {late, sent}} {
			got := all(x.c)
			wantPackets(t, "recorder", got.Packets, x.want...)
			if !got.End || got.Skipped != 0 {
				t.Errorf("batch %+v", got)
			}
		}
		if n := f.stream.ring.bytes; n != 0 {
			t.Errorf("the ring holds %d bytes that nobody reads", n)
		}
		// Now the packets are gone: what a cursor misses is counted.
		later := f.Cursor()
		if got := all(later); !got.End || got.Skipped != uint64(len(sent)) || later.Gaps() != (Gaps{1, uint64(len(sent))}) {
			t.Errorf("batch %+v, gaps %+v", got, later.Gaps())
		}
		for _, c := range []*Cursor{anchor, a, b, late, later} {
			c.Close()
		}
		wantEmpty(t, r, f.stream)
	})
}

// A publisher that is silent loses its name; one that sends does not.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{MaxPublishers: 1})
		var evicted []string
		evict := func(who string) func() {
			return func() {
				r.Streams() // it may use the registry
				evicted = append(evicted, who)
			}
		}
		viewer := r.Subscribe("live/a")
		p, err := r.Publish("live/a", evict("first"))
		if err != nil {
			t.Fatal(err)
		}
		f := &feed{Publication: p}
		for range 5 {
			f.key()
			all(viewer)
			time.Sleep(3*time.Second - 1)
			if _, err := r.Publish("live/a", nil); err != ErrBusy {
				t.Fatalf("%v, want ErrBusy", err)
			}
		}
		time.Sleep(time.Nanosecond)
		q, err := r.Publish("live/a", evict("second"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(evicted, []string{"first"}) || !p.Ended() || q.Ended() {
			t.Errorf("evicted %q, ended %v %v", evicted, p.Ended(), q.Ended())
		}
		if b := all(viewer); !b.End {
			t.Error("the viewer did not see the end of the first one")
		}
		f.key() // late
		p.Close()
		g := &feed{Publication: q, at: q.Epoch()}
		key := g.key()
		wantPackets(t, "viewer", all(viewer).Packets, key)

		// One that never sent anything is silent since its begin.
		time.Sleep(3 * time.Second)
		if _, err := r.Publish("live/a", nil); err != nil {
			t.Error(err)
		}
		if !slices.Equal(evicted, []string{"first", "second"}) {
			t.Errorf("evicted %q", evicted)
		}
	})
}

func TestMaxPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{MaxPublishers: 3})
		a := publish(t, r, "a")
		publish(t, r, "b")
		publish(t, r, "c")
		if _, err := r.Publish("d", nil); err != ErrFull {
			t.Errorf("%v, want ErrFull", err)
		}
		if _, err := r.Publish("a", nil); err != ErrBusy {
			t.Errorf("%v, want ErrBusy", err)
		}
		if n := len(r.Streams()); n != 3 {
			t.Errorf("%d streams, want 3", n)
		}
		time.Sleep(3 * time.Second)
		publish(t, r, "a") // in place of the first
		a.Close()          // which changes nothing any more
		if _, err := r.Publish("d", nil); err != ErrFull {
			t.Errorf("%v, want ErrFull", err)
		}
		if got := r.Streams()[0].Name(); got != "a" {
			t.Errorf("first stream %q", got)
		}
	})
}

// Who closes late does not take away a stream of the same name.
func TestLateClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		old := publish(t, r, "live/a")
		c := r.Subscribe("live/a")
		old.Close()
		c.Close() // the stream is gone
		f := publish(t, r, "live/a")
		if f.stream == old.stream || f.Epoch() != 0 {
			t.Error("the stream did not go")
		}
		old.Close()
		c.Close()
		viewer := r.Subscribe("live/a")
		key := f.key()
		wantPackets(t, "viewer", all(viewer).Packets, key)
	})
}
