package live

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// fewFollowers are served by whoever publishes: that costs less than to wake somebody.
const fewFollowers = 4

// fan serves the cursors that follow a stream, in as many parts as there are
// processors: a frame costs one wake-up a part, not one a viewer.
type fan []part

// took is how long it lasted lately until all had been served.
func (f fan) took() (longest time.Duration) {
	for i := range f {
		if p := &f[i]; p.size.Load() > 0 {
			longest = max(longest, time.Duration(p.took.Load()))
		}
	}
	return longest
}

// part serves some of them, one after the other.
type part struct {
	size atomic.Int32 // of followers
	work atomic.Int32 // idle, working or again
	took atomic.Int64 // ns from the newest wake until all were served
	run  func()       // p.serveAll, made once

	woken time.Time // written by who finds it idle

	mu        sync.Mutex // held while it serves
	followers []*follower
	news      news
	turn      int // who is served first; it moves, so that nobody always waits longest
}

const (
	idle    = iota
	working // a goroutine serves
	again   // it will begin once more
)

// news is what most followers of a part get, as they are at the same place: it is put
// together once.
type news struct {
	from, to uint64 // places in the ring
	packets  []*media.Packet
}

// forget lets go of the packets.
func (n *news) forget() {
	clear(n.packets)
	n.from, n.to, n.packets = 0, 0, n.packets[:0]
}

// follower is a cursor that is served.
type follower struct {
	cursor  *Cursor
	deliver func([]*media.Packet) bool
	left    chan struct{} // closed when it is served no more
}

func newFan() fan {
	f := make(fan, runtime.GOMAXPROCS(0))
	for i := range f {
		f[i].run = f[i].serveAll
	}
	return f
}

// Follow hands the cursor over to those who publish: whenever more becomes visible, they
// call deliver with it. That must wait for nothing, and returns false to be called no
// more. Follow returns then, with the context, and when only Next can say what has
// happened: the publication has ended, or the cursor is behind.
func (c *Cursor) Follow(ctx context.Context, deliver func([]*media.Packet) bool) {
	f := &follower{cursor: c, deliver: deliver, left: make(chan struct{})}
	clear(c.scratch) // Next may not be called for long
	p := c.stream.fan.smallest()
	p.add(f)
	select {
	case <-f.left:
	case <-ctx.Done():
		p.remove(f)
	}
}

// serve lets all followers have what has become visible. The caller holds no mutex.
func (f fan) serve() {
	n := int32(0)
	for i := range f {
		n += f[i].size.Load()
	}
	for i := range f {
		switch p := &f[i]; {
		case p.size.Load() == 0:
		case n <= fewFollowers:
			p.took.Store(0) // what a crowd took that has left is past
			p.serve()
		default:
			p.wake()
		}
	}
}

// wake is serve for callers that hold a mutex.
func (f fan) wake() {
	for i := range f {
		if f[i].size.Load() > 0 {
			f[i].wake()
		}
	}
}

func (f fan) smallest() *part {
	p := &f[0]
	for i := range f {
		if f[i].size.Load() < p.size.Load() {
			p = &f[i]
		}
	}
	return p
}

// add serves a follower what is visible, and from now on. Its size counts before it
// looks: whoever makes more visible after that look serves it.
func (p *part) add(f *follower) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size.Add(1)
	p.followers = append(p.followers, f)
	if !f.serve(time.Now(), &p.news) {
		p.drop(f)
	}
	p.news.forget()
}

func (p *part) remove(f *follower) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(f)
}

func (p *part) drop(f *follower) {
	p.followers = slices.DeleteFunc(p.followers, func(other *follower) bool { return other == f })
	p.size.Store(int32(len(p.followers)))
}

// wake lets a goroutine serve, that ends by itself.
func (p *part) wake() {
	if p.work.Swap(again) == idle {
		p.woken = time.Now()
		go p.run()
	}
}

func (p *part) serveAll() {
	begin := p.woken
	for p.work.Store(working); ; p.work.Store(working) {
		p.serve()
		now := time.Now()
		p.took.Store(int64(now.Sub(begin)))
		if begin = now; p.work.CompareAndSwap(working, idle) {
			return
		}
	}
}

func (p *part) serve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, now := p.followers, time.Now()
	left := 0
	for i := range all {
		if f := all[(p.turn+i)%len(all)]; !f.serve(now, &p.news) {
			left++
		}
	}
	p.news.forget()
	p.turn++
	if left > 0 {
		p.followers = slices.DeleteFunc(p.followers, (*follower).gone)
		p.size.Store(int32(len(p.followers)))
	}
}

// serve returns false, and closes left, if the follower is served no more.
func (f *follower) serve(now time.Time, n *news) bool {
	for {
		packets, ok := f.cursor.more(now, n)
		switch {
		case ok && len(packets) == 0:
			return true
		case !ok, !f.deliver(packets):
			close(f.left)
			return false
		}
	}
}

func (f *follower) gone() bool {
	select {
	case <-f.left:
		return true
	default:
		return false
	}
}

// more returns what is visible beyond the cursor, which is in the news then; false if Next
// has to say more than that.
func (c *Cursor) more(now time.Time, n *news) ([]*media.Packet, bool) {
	s := c.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.publication == nil || c.publication.end != forever || c.lost || c.burst > 0 || c.next < s.ring.first || c.lagging(now):
		return nil, false
	case c.next >= s.flush.visible:
		return nil, true
	case c.next == n.from && n.from < n.to:
		c.next = n.to
	default:
		n.forget()
		batch := Batch{Packets: n.packets}
		n.from = c.next
		c.collect(&batch, s.flush.visible)
		n.to, n.packets = c.next, batch.Packets
	}
	return n.packets, true
}
