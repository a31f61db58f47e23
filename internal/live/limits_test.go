package live

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// big makes a packet count for exactly 1 MiB.
const big = 1<<20 - 160

// Without anybody who needs more, the ring keeps the newest GOP.
func TestKeepsNewestGOP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		viewer, recorder := r.Subscribe("live/a"), f.Cursor()
		for range 20 {
			gop := f.gop(10)
			if n := f.stream.ring.next - f.stream.ring.first; n > uint64(2*len(gop)) {
				t.Fatalf("%d packets are kept, want at most two GOPs of %d", n, len(gop))
			}
			all(viewer)
			all(recorder)
		}
		if n := len(f.stream.ring.entries); n > 64 {
			t.Errorf("the ring grew to %d", n)
		}
		if n := f.stream.Info().RingBytes; n == 0 || int64(n) != r.total.Load() {
			t.Errorf("%d bytes in the ring, %d in all", n, r.total.Load())
		}
	})
}

// The caps of a stream win over a whole GOP: then joiners wait for a keyframe.
func TestStreamLimits(t *testing.T) {
	for _, tt := range []struct {
		name  string
		size  int
		every time.Duration
		keep  int // packets
	}{
		{"32 MiB", big, 10 * ms, 32},
		{"10 s", 8, time.Second, 11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := NewRegistry(Config{})
				f := publish(t, r, "live/a")
				f.size = tt.size
				stuck := r.Subscribe("live/a")
				f.key()
				next(t, stuck)
				for i := range 100 {
					time.Sleep(tt.every)
					f.inter()
					if n := int(f.stream.ring.next - f.stream.ring.first); n != min(i+2, tt.keep) {
						t.Fatalf("%d packets kept after %d, want %d", n, i+2, tt.keep)
					}
				}
				joiner := r.Subscribe("live/a")
				for _, c := range []*Cursor{stuck, joiner} {
					if b, ok := take(c); ok {
						t.Fatalf("got %s without a keyframe", names(b.Packets))
					}
				}
				if g := stuck.Gaps(); g.Count != 1 {
					t.Errorf("gaps %+v", g)
				}
				key := f.key()
				for _, c := range []*Cursor{stuck, joiner} {
					wantPackets(t, "at the keyframe", all(c).Packets, key)
				}
				if g := stuck.Gaps(); g != (Gaps{1, 100}) {
					t.Errorf("gaps %+v, want one of 100 packets", g)
				}
				stuck.Close()
				joiner.Close()
				f.Close()
				wantEmpty(t, r, f.stream)
			})
		})
	}
}

// In a stream of nothing but keyframes, which a stuck viewer holds, the starts do
// not pile up.
func TestStartsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		f.key()
		next(t, r.Subscribe("live/a"))
		for range 2000 {
			f.key()
			time.Sleep(20 * ms)
		}
		s := f.stream
		if n, kept := len(s.ring.starts), s.ring.next-s.ring.first; kept > 502 || n > 2*int(kept) {
			t.Errorf("%d starts for %d packets", n, kept)
		}
		if st, _ := s.ring.oldestStart(0, forever); st.seq != s.ring.first {
			t.Errorf("oldest start %d, want %d", st.seq, s.ring.first)
		}
		if st, _ := s.ring.newestStart(0, forever); st.seq != s.ring.next-1 {
			t.Errorf("newest start %d, want %d", st.seq, s.ring.next-1)
		}
	})
}

// A packet larger than all that may be kept does not stop anything.
func TestPacketBeyondLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{StreamBytes: 1000})
		f := publish(t, r, "live/a")
		c := r.Subscribe("live/a")
		f.key()
		all(c)
		f.size = 2000
		f.key()
		if r.total.Load() != 0 {
			t.Errorf("%d bytes are kept", r.total.Load())
		}
		f.size = 8
		key := f.key()
		b := all(c)
		wantPackets(t, "viewer", b.Packets, key)
		if b.Skipped != 1 {
			t.Errorf("skipped %d, want 1", b.Skipped)
		}
	})
}

// The ring keeps more for a recorder: all it has not read, up to its own limit.
// Beyond that it goes on at the oldest keyframe there is.
func TestRecordBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		f.size = big
		c := f.Cursor()
		var sent []*media.Packet
		send := func(n int) {
			for i := range n {
				if i%10 == 0 {
					sent = append(sent, f.key())
				} else {
					sent = append(sent, f.inter())
				}
				time.Sleep(2 * time.Second)
			}
		}
		send(64)
		b := all(c)
		wantPackets(t, "64 MiB", b.Packets, sent...)
		if n := r.total.Load(); n != 64<<20 {
			t.Errorf("the ring holds %d", n)
		}
		sent = nil
		send(65)
		if n := r.total.Load(); n != 64<<20 {
			t.Errorf("the ring holds %d", n)
		}
		b = all(c)
		wantPackets(t, "64 MiB of 65", b.Packets, sent[10:]...)
		if b.Skipped != 10 || c.Gaps() != (Gaps{1, 10}) || !b.Start {
			t.Errorf("skipped %d, gaps %+v, want the first GOP of 10", b.Skipped, c.Gaps())
		}

		// What is left when the publication ends is the recorder's until it has read it.
		sent = nil
		send(30)
		f.Close()
		b = all(c)
		wantPackets(t, "the rest", b.Packets, sent...)
		if !b.End || b.Skipped != 0 {
			t.Errorf("batch %+v", b)
		}
		c.Close()
		wantEmpty(t, r, f.stream)
	})
}

// A recorder whose place is gone and that finds no keyframe: it is told at the
// next one, or at the end, how much it missed.
func TestRecordGapWithoutKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{StreamBytes: 1 << 20, RecordBytes: 4 << 20})
		f := publish(t, r, "live/a")
		f.size = big
		c := f.Cursor()
		f.key()
		all(c)
		inters := func() {
			for range 10 {
				f.inter()
			}
		}
		inters()
		if b, ok := take(c); ok {
			t.Fatalf("got %s", names(b.Packets))
		}
		f.inter()
		if b, ok := take(c); ok {
			t.Fatalf("got %s", names(b.Packets))
		}
		f.size = 8
		config := f.videoConfig()
		f.size = big
		key := f.key()
		b := all(c)
		wantPackets(t, "after the gap", b.Packets, config, key)
		if want := (Dropped{Video: 11, Until: key.DTS}); b.Dropped != want {
			t.Errorf("dropped %+v, want %+v", b.Dropped, want)
		}
		if b.Skipped != 12 || c.Gaps() != (Gaps{1, 12}) {
			t.Errorf("skipped %d, gaps %+v, want 12: 11 and the configuration, which comes with the start", b.Skipped, c.Gaps())
		}
		f.at += 33 * ms
		f.audio()
		inters()
		f.Close()
		b = all(c)
		if want := (Dropped{Video: 10, Audio: 1, Until: f.at}); b.Dropped != want {
			t.Errorf("dropped %+v, want %+v", b.Dropped, want)
		}
		if b.Skipped != 11 || len(b.Packets) != 0 || !b.End || c.Gaps() != (Gaps{2, 23}) {
			t.Errorf("batch %+v, gaps %+v", b, c.Gaps())
		}
		c.Close()
		wantEmpty(t, r, f.stream)
	})
}

// Once all streams together exceed the total, each may keep an equal part.
func TestTotals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		record bool
	}{
		{"viewers", Config{StreamBytes: 16 << 10, TotalBytes: 64 << 10}, false},
		{"recorders", Config{StreamBytes: 1 << 10, RecordBytes: 16 << 10, RecordTotal: 64 << 10}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := NewRegistry(tt.config)
				var feeds []*feed
				var stuck []*Cursor
				for i := range 16 {
					f := publish(t, r, fmt.Sprint(i))
					f.size = 1<<10 - 160
					if tt.record {
						stuck = append(stuck, f.Cursor())
					}
					f.key()
					if !tt.record {
						c := r.Subscribe(fmt.Sprint(i))
						take(c)
						stuck = append(stuck, c)
					}
					feeds = append(feeds, f)
				}
				for range 100 {
					for _, f := range feeds {
						f.inter()
					}
				}
				if n := r.total.Load(); n > 65<<10 {
					t.Errorf("%d bytes are kept, want at most 64 KiB", n)
				}
				for _, f := range feeds {
					if n := f.stream.ring.bytes; n < 4<<10 || n > 5<<10 {
						t.Errorf("a stream keeps %d bytes, want its part of 4 KiB", n)
					}
				}
				// Streams whose publishers left count while somebody reads the rest.
				for _, f := range feeds[1:] {
					f.Close()
				}
				for range 100 {
					feeds[0].inter()
				}
				if n := r.total.Load(); n > 65<<10 {
					t.Errorf("%d bytes are kept, want at most 64 KiB", n)
				}
				for _, c := range stuck {
					c.Close()
				}
				for range 10 {
					feeds[0].inter()
				}
				if n := r.total.Load(); n > 16<<10 {
					t.Errorf("%d bytes are kept by one stream", n)
				}
				feeds[0].Close()
				wantEmpty(t, r)
			})
		})
	}
}

// Who waits for a publisher to return keeps nothing of the last publication,
// unless somebody still reads it.
func TestNothingKeptBetweenPublications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		waiting := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		f.gop(5)
		reading, stuck := r.Subscribe("live/a"), r.Subscribe("live/a")
		all(reading)
		take(stuck)
		f.gop(5)
		f.Close()
		if b := all(reading); !b.End {
			t.Error("no end")
		}
		if r.total.Load() == 0 {
			t.Error("nothing is left for the viewer that has not read it")
		}
		stuck.Close()
		if n := r.total.Load(); n != 0 {
			t.Errorf("%d bytes are kept for nobody", n)
		}
		if n := len(f.stream.ring.entries); n != 0 {
			t.Errorf("%d places are kept for nobody", n)
		}
		waiting.Close()
		reading.Close()
		wantEmpty(t, r, f.stream)
	})
}

// A viewer that lags more than 3 s skips to the newest keyframe after its place.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		f.videoConfig()
		f.key()
		f.inter()
		all(c)
		first := f.inter()
		time.Sleep(3*time.Second + 1) // lags, but there is no keyframe
		wantPackets(t, "no keyframe", all(c).Packets, first)

		late := []*media.Packet{f.inter(), f.key(), f.inter(), f.audio()}
		time.Sleep(3 * time.Second) // not yet too far behind
		b := all(c)
		wantPackets(t, "3 s", b.Packets, late...)
		if b.Skipped != 0 || c.Gaps() != (Gaps{}) {
			t.Fatalf("skipped %d, gaps %+v", b.Skipped, c.Gaps())
		}

		f.inter()
		f.key()
		config := f.videoConfig()
		newest := []*media.Packet{f.key(), f.inter()}
		time.Sleep(3*time.Second + 1)
		b, _ = take(c)
		wantPackets(t, "more than 3 s", b.Packets, append([]*media.Packet{config}, newest...)...)
		if b.Skipped != 3 || !b.Start || c.Gaps() != (Gaps{1, 3}) {
			t.Errorf("skipped %d, gaps %+v, want 3", b.Skipped, c.Gaps())
		}

		// A viewer that stands at the newest keyframe has nothing to skip to.
		key := f.key()
		time.Sleep(5 * time.Second)
		wantPackets(t, "newest keyframe", all(c).Packets, key)
		if c.Gaps() != (Gaps{1, 3}) {
			t.Errorf("gaps %+v", c.Gaps())
		}
	})
}

// A viewer that lags in an audio-only stream skips as well, only to what is visible.
func TestLagAudioOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		step := func(n int) {
			for range n {
				f.audio()
				time.Sleep(20 * ms)
				f.at += 20 * ms
			}
		}
		step(60)
		all(c)
		step(239)
		first, newest := c.next, f.stream.ring.starts[len(f.stream.ring.starts)-1].seq
		f.at += time.Second
		f.audio() // a start that is not yet visible
		b, _ := take(c)
		if b.Skipped != newest-first || !b.Start || len(b.Packets) == 0 {
			t.Errorf("skipped %d to %s, want %d", b.Skipped, names(b.Packets), newest-first)
		}
	})
}

// The burst with which a viewer joins may take long to write: it does not count
// as lag, what comes after it does.
func TestLagAfterJoinBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		f := publish(t, r, "live/a")
		f.size = 100 << 10
		for range 2 {
			f.key()
			for range 59 {
				time.Sleep(33 * ms)
				f.inter()
			}
		}
		c := r.Subscribe("live/a")
		take(c) // the burst has 60 packets in batches of 3
		f.size = 8
		f.inter()
		f.key()
		for range 18 {
			time.Sleep(time.Second / 3) // 6 s in all
			if b, ok := take(c); !ok || b.Skipped > 0 {
				t.Fatalf("skipped %d in the burst", b.Skipped)
			}
		}
		f.inter()
		if b := all(c); b.Skipped > 0 || len(b.Packets) != 3+3 {
			t.Fatalf("skipped %d, got %s", b.Skipped, names(b.Packets))
		}
		f.inter()
		f.key()
		time.Sleep(3*time.Second + 1)
		if b, _ := take(c); b.Skipped != 1 {
			t.Errorf("skipped %d after the burst, want 1", b.Skipped)
		}
	})
}

// A lagging viewer stays in its publication until it has seen the end.
func TestLagAcrossPublications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		f.key()
		all(c)
		f.inter()
		key, last := f.key(), f.inter()
		f.Close()
		g := publish(t, r, "live/a")
		g.key()
		time.Sleep(5 * time.Second)
		g.inter()
		newest := g.key()
		b, _ := take(c)
		wantPackets(t, "rest", b.Packets, key, last)
		if !b.End || b.Skipped != 1 || !b.Start {
			t.Errorf("batch %+v", b)
		}
		b, _ = take(c)
		wantPackets(t, "next publication", b.Packets, newest)
		if b.Skipped != 0 || !b.Start {
			t.Errorf("batch %+v: joining is no gap", b)
		}
	})
}

// A viewer whose place is gone when the publication ends is told of the end all
// the same.
func TestEvictedViewerSeesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRegistry(Config{StreamBytes: 2 << 20})
		c := r.Subscribe("live/a")
		f := publish(t, r, "live/a")
		f.size = big
		f.key()
		all(c)
		for range 10 {
			f.inter()
		}
		f.Close()
		if b := all(c); !b.End || b.Skipped != 10 || c.Gaps() != (Gaps{1, 10}) {
			t.Errorf("batch %+v, gaps %+v", b, c.Gaps())
		}
		g := publish(t, r, "live/a")
		key := g.key()
		wantPackets(t, "next publication", all(c).Packets, key)
	})
}

// Viewers and a recorder that do not read change nothing for those who do.
func TestStuckReadersChangeNothing(t *testing.T) {
	run := func(stuck bool) (got *reading, recorded *reading) {
		synctest.Test(t, func(t *testing.T) {
			r := NewRegistry(Config{StreamBytes: 1 << 20, RecordBytes: 2 << 20})
			viewer := read(t, r.Subscribe("live/a"))
			f := publish(t, r, "live/a")
			f.size = 2000
			recorder := read(t, f.Cursor())
			synctest.Wait()
			var idle []*Cursor
			if stuck {
				idle = append(idle, f.Cursor())
			}
			f.videoConfig()
			for i := range 20 {
				if stuck {
					c := r.Subscribe("live/a")
					if i%2 == 0 {
						take(c)
					}
					idle = append(idle, c)
				}
				f.gop(60)
			}
			f.Close()
			for _, c := range idle {
				c.Close()
			}
			got, recorded = <-viewer, <-recorder
			synctest.Wait()
			wantEmpty(t, r, f.stream)
		})
		return got, recorded
	}
	viewer, recorder := run(false)
	viewer2, recorder2 := run(true)
	for _, x := range []struct {
		name        string
		alone, with *reading
	}{{"viewer", viewer, viewer2}, {"recorder", recorder, recorder2}} {
		if !slices.Equal(x.alone.batches, x.with.batches) || !slices.Equal(x.alone.at, x.with.at) {
			t.Errorf("%s: %d batches without stuck readers, %d with; or other times", x.name, len(x.alone.batches), len(x.with.batches))
		}
		if len(x.alone.packets) != 1+20*119 {
			t.Errorf("%s: %d packets", x.name, len(x.alone.packets))
		}
	}
}

// Nothing is allocated for a packet that is published and read in a steady state.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	r := NewRegistry(Config{})
	f := publish(t, r, "live/a")
	packet := func(kind media.Kind, key bool) *media.Packet {
		return &media.Packet{Kind: kind, Codec: media.H264, Key: key, Body: make([]byte, 100)}
	}
	gop := []*media.Packet{packet(media.Video, true)}
	for range 59 {
		gop = append(gop, packet(media.Audio, false), packet(media.Video, false))
	}
	viewer, recorder, follower := r.Subscribe("live/a"), f.Cursor(), r.Subscribe("live/a")
	f.Publish(gop[0], time.Now())
	next(t, follower)
	served, stop := 0, make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		follower.Follow(ctx, func(packets []*media.Packet) bool { served += len(packets); return true })
		close(stop)
	}()
	for f.stream.fan[0].size.Load() == 0 { // the smallest, at first
		runtime.Gosched()
	}
	round := func() {
		f.stream.trimmed = time.Time{} // as if the time of a GOP had passed
		for _, p := range gop {
			f.Publish(p, time.Now())
			if p.Kind != media.Video {
				continue
			}
			for _, c := range []*Cursor{viewer, recorder} {
				if b, err := c.Next(t.Context(), time.Time{}); err != nil || len(b.Packets) == 0 {
					t.Fatal(err)
				}
			}
		}
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations a GOP", n)
	}
	cancel()
	<-stop
	if served == 0 {
		t.Error("the follower was served nothing")
	}
	viewer.Close()
	recorder.Close()
	follower.Close()
	f.Close()
	wantEmpty(t, r, f.stream)
}

// Publish costs the same however much the ring keeps, even if every frame is a
// keyframe that somebody holds on to.
func BenchmarkPublish(b *testing.B) {
	for _, viewers := range []int{0, 10, 1000, 10000} {
		for _, keys := range []bool{false, true} {
			b.Run(fmt.Sprintf("viewers=%d/keys=%v", viewers, keys), func(b *testing.B) {
				r := NewRegistry(Config{})
				f := publish(b, r, "live/a")
				f.key()
				for range viewers {
					take(r.Subscribe("live/a"))
				}
				p := &media.Packet{Kind: media.Video, Key: keys, Body: make([]byte, 8)}
				b.ReportAllocs()
				for b.Loop() {
					f.Publish(p, time.Now())
				}
			})
		}
	}
}
