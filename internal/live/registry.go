package live

import (
	"errors"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// Config sets limits; zero fields mean the default.
type Config struct {
	StreamBytes   int           // kept for viewers of a stream, default 32 MiB
	StreamSpan    time.Duration // kept for viewers of a stream, default 10 s
	TotalBytes    int           // kept for viewers of all streams, default 512 MiB
	RecordBytes   int           // kept for the recorder of a stream, default 64 MiB
	RecordTotal   int           // kept for all recorders, default 1 GiB
	MaxPublishers int           // default 1000
	TakeOver      time.Duration // a publisher silent for so long loses its name, default 3 s
	MaxLag        time.Duration // a viewer further behind skips to a keyframe, default 3 s

	// Viewers get what has come together at least MinLatency apart; 0: each frame by
	// itself. Under load that grows up to MaxLatency, default 100 ms; negative is 0.
	MinLatency, MaxLatency time.Duration
}

func (c Config) withDefaults() Config {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	span := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.StreamBytes, 32<<20)
	def(&c.TotalBytes, 512<<20)
	def(&c.RecordBytes, 64<<20)
	def(&c.RecordTotal, 1<<30)
	def(&c.MaxPublishers, 1000)
	span(&c.StreamSpan, 10*time.Second)
	span(&c.TakeOver, 3*time.Second)
	span(&c.MaxLag, 3*time.Second)
	span(&c.MaxLatency, 100*time.Millisecond)
	return c
}

// Why a publisher is refused.
var (
	ErrBusy = errors.New("the name is being published already")
	ErrFull = errors.New("the server has as many publishers as it may have")
)

// Registry finds streams by name. A stream exists while somebody publishes it or
// watches it.
type Registry struct {
	config Config
	total  atomic.Int64 // bytes in all rings
	live   atomic.Int64 // publications
	rings  atomic.Int64 // that hold something

	viewerSkipped   atomic.Uint64 // entries that cursors of viewers have lost
	recorderSkipped atomic.Uint64

	mu      sync.Mutex // guards what follows; taken before a stream's own
	streams map[string]*Stream
	past    uint64 // bytes of publications that are over
}

// NewRegistry returns an empty registry.
func NewRegistry(c Config) *Registry {
	return &Registry{config: c.withDefaults(), streams: make(map[string]*Stream)}
}

// Publish begins a publication of a name. A publication that has been silent for
// TakeOver ends at once in favour of the new one; its evict function is called.
// The errors are ErrBusy and ErrFull.
func (r *Registry) Publish(name string, evict func()) (*Publication, error) {
	p, old, err := r.replace(name, evict)
	if old != nil && old.evict != nil {
		old.evict() // outside the mutex: it closes a connection
	}
	return p, err
}

func (r *Registry) replace(name string, evict func()) (p, old *Publication, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stream(name)
	old, busy := s.idlePublication(r.config.TakeOver)
	if busy {
		return nil, nil, ErrBusy
	}
	if old != nil {
		s.end(old)
		r.over(old)
	}
	if int(r.live.Load()) >= r.config.MaxPublishers {
		r.release(s)
		return nil, nil, ErrFull
	}
	r.live.Add(1)
	return s.begin(evict), old, nil
}

// Subscribe returns a cursor of a viewer: it begins at a keyframe, as soon as
// there is one, and outlives publications.
func (r *Registry) Subscribe(name string) *Cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stream(name).subscribe()
}

// Streams returns the streams that exist, by name.
func (r *Registry) Streams() []*Stream {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Stream, 0, len(r.streams))
	for _, s := range r.streams {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all
}

// Totals counts what has happened since the registry was made.
type Totals struct {
	Bytes           uint64 // of audio and video received
	ViewerSkipped   uint64 // packets that viewers did not get because they were too slow
	RecorderSkipped uint64 // packets that recorders did not get
}

// Totals returns a snapshot. No count is ever lower than before.
func (r *Registry) Totals() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := Totals{Bytes: r.past, ViewerSkipped: r.viewerSkipped.Load(), RecorderSkipped: r.recorderSkipped.Load()}
	for _, s := range r.streams {
		t.Bytes += s.Info().Bytes
	}
	return t
}

func (r *Registry) stream(name string) *Stream {
	s, ok := r.streams[name]
	if !ok {
		s = newStream(name, r)
		r.streams[name] = s
	}
	return s
}

// release forgets a stream that nobody uses. Whoever closes late may have a stream
// whose name belongs to another one by now.
func (r *Registry) release(s *Stream) {
	if r.streams[s.name] == s && s.unused() {
		delete(r.streams, s.name)
	}
}

func (r *Registry) unpublish(p *Publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.stream.end(p) {
		r.over(p)
	}
	r.release(p.stream)
}

// over keeps the account of a publication that has ended.
func (r *Registry) over(p *Publication) {
	r.live.Add(-1)
	_, bytes := p.Totals()
	r.past += bytes
}

func (r *Registry) unsubscribe(c *Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.stream.remove(c)
	r.release(c.stream)
}
