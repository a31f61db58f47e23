package live

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// disciple is a viewer that follows, and reads by itself when it cannot. What it gets is
// judged later, when the model knows it too.
type disciple struct {
	*judge
	refuses func() bool // now and then it takes no more

	stop    context.CancelFunc
	stopped chan struct{}
	mu      sync.Mutex
	inbox   []Batch
	served  int // batches that it did not read itself
}

func (d *disciple) begin() *disciple {
	ctx, stop := context.WithCancel(context.Background())
	d.stop, d.stopped = stop, make(chan struct{})
	go func() {
		defer close(d.stopped)
		for {
			b, err := d.cursor.Next(ctx, time.Time{})
			if err != nil {
				return
			}
			if d.got(b); b.End {
				continue
			}
			d.cursor.Follow(ctx, func(packets []*media.Packet) bool {
				d.got(Batch{Packets: packets})
				d.served++
				return !d.refuses()
			})
		}
	}()
	return d
}

func (d *disciple) got(b Batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b.Packets = slices.Clone(b.Packets)
	d.inbox = append(d.inbox, b)
}

func (d *disciple) judgeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.inbox {
		d.batch(b)
	}
	d.inbox = nil
}

func (d *disciple) end() {
	d.stop()
	<-d.stopped
	d.judgeAll()
	d.finish()
}

// A follower is called in the goroutine of the publisher where there are few, and gets
// each frame with the audio before it, at once.
func TestFollow(t *testing.T) {
	for _, viewers := range []int{1, fewFollowers, fewFollowers + 1, 50} {
		synctest.Test(t, func(t *testing.T) {
			r := NewRegistry(Config{})
			f := publish(t, r, "live/a")
			f.key()
			ctx, stop := context.WithCancel(t.Context())
			var following sync.WaitGroup
			got := make([][]*media.Packet, viewers)
			var cursors []*Cursor
			for i := range viewers {
				c := r.Subscribe("live/a")
				cursors = append(cursors, c)
				next(t, c)
				following.Go(func() {
					c.Follow(ctx, func(packets []*media.Packet) bool {
						got[i] = append(got[i], packets...)
						return true
					})
				})
			}
			synctest.Wait()
			var sent []*media.Packet
			for range 20 {
				sent = append(sent, f.audio(), f.inter())
				if viewers > fewFollowers {
					synctest.Wait()
				}
				for i := range got {
					wantPackets(t, "a frame", got[i], sent...)
				}
				time.Sleep(33 * ms)
			}
			sent = append(sent, f.audio()) // no video follows it
			time.Sleep(audioHold)
			synctest.Wait()
			for i := range got {
				wantPackets(t, "audio alone", got[i], sent...)
			}
			stop()
			following.Wait()
			f.inter()
			synctest.Wait()
			for i, c := range cursors {
				wantPackets(t, "after it has left", got[i], sent...)
				if b := next(t, c); len(b.Packets) != 1 {
					t.Errorf("the cursor goes on with %s", names(b.Packets))
				}
				c.Close()
			}
			f.Close()
			wantEmpty(t, r, f.stream)
		})
	}
}

// Follow ends by itself when only Next can tell what happens.
func TestFollowEnds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		happens func(r *Registry, f *feed)
		deliver bool
	}{
		{"it takes no more", func(_ *Registry, f *feed) { f.inter() }, false},
		{"the publication ends", func(_ *Registry, f *feed) { f.Close() }, true},
		{"another publisher takes over", func(r *Registry, _ *feed) {
			time.Sleep(time.Hour)
			_, _ = r.Publish("live/a", nil)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := NewRegistry(Config{})
				f := publish(t, r, "live/a")
				f.key()
				c := r.Subscribe("live/a")
				next(t, c)
				left := make(chan struct{})
				go func() {
					c.Follow(t.Context(), func([]*media.Packet) bool { return tt.deliver })
					close(left)
				}()
				synctest.Wait()
				tt.happens(r, f)
				synctest.Wait()
				select {
				case <-left:
				default:
					t.Error("it follows still")
				}
				if n := c.stream.fan.smallest().size.Load(); n != 0 {
					t.Errorf("%d followers left", n)
				}
			})
		})
	}
}

// Followers of a part get what lies beyond their own place, in any order of places and in
// any number of batches, and the part holds nothing afterwards.
func TestFollowersApart(t *testing.T) {
	for _, size := range []int{8, batchBytes / 3} {
		synctest.Test(t, func(t *testing.T) {
			r := NewRegistry(Config{})
			f := publish(t, r, "live/a")
			f.size = size
			sent := []*media.Packet{f.key()}
			var p part
			var places []int
			var got [][]*media.Packet
			for range 4 {
				for range 2 { // at each place
					c := r.Subscribe("live/a")
					defer c.Close()
					for place := 0; place < len(sent); {
						place += len(next(t, c).Packets)
					}
					i := len(places)
					places, got = append(places, len(sent)), append(got, nil)
					at := (i * 5) % (i + 1) // the order of places is mixed
					p.followers = slices.Insert(p.followers, at, &follower{cursor: c, left: make(chan struct{}), deliver: func(packets []*media.Packet) bool {
						got[i] = append(got[i], packets...)
						return true
					}})
				}
				for range 5 {
					sent = append(sent, f.inter())
				}
			}
			p.serve()
			for i, place := range places {
				wantPackets(t, "a follower", got[i], sent[place:]...)
			}
			if len(p.followers) != len(places) {
				t.Errorf("%d of %d followers are left", len(p.followers), len(places))
			}
			for _, held := range p.news.packets[:cap(p.news.packets)] {
				if held != nil {
					t.Fatalf("the part holds %s", name(held))
				}
			}
		})
	}
}
