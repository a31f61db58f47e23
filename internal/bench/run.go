package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// Options is what a run does.
type Options struct {
	URL        string // rtmp[s]://host/app/key; with several publishers the keys are key_1, key_2, …
	Publishers int    // 0: players of a stream that somebody else publishes
	Players    int    // of each stream
	Slow       int    // players beside them that stop reading, of each stream
	Bitrate    int64  // bit/s of a stream, sound included
	FPS        int
	GOP        time.Duration // from one keyframe to the next
	Codec      string        // h264 or hevc
	Duration   time.Duration // measured, once everybody is there
	Ramp       time.Duration // over which players join; 0: all at once
	PID        int           // of the server; 0: its processor time and memory are unknown
	AnyCert    bool          // over TLS: whatever certificate the server shows will do
}

// Check tells what is wrong with options.
func (o Options) Check() error {
	_, err := o.source()
	if _, wrong := rtmp.ParseAddress(o.URL); err == nil && wrong != nil { // it quotes secrets
		err = fmt.Errorf("address %s: want rtmp://host/app/key", redact(o.URL))
	}
	switch {
	case err != nil:
		return err
	case o.Publishers < 0 || o.Players < 0 || o.Slow < 0:
		return errors.New("a number of publishers or players is negative")
	case o.Publishers == 0 && o.Players == 0:
		return errors.New("nobody would publish or play: give publishers or players")
	case o.Duration < time.Second:
		return fmt.Errorf("a duration of %v is too short: use 1s or more", o.Duration)
	case o.Duration%time.Second != 0:
		return fmt.Errorf("a duration of %v is not of whole seconds: use %v", o.Duration, o.Duration.Truncate(time.Second)+time.Second)
	case o.Ramp < 0:
		return fmt.Errorf("a ramp of %v is negative", o.Ramp)
	}
	return nil
}

func (o Options) source() (*source, error) {
	if o.FPS < 1 || o.FPS > 240 {
		return nil, fmt.Errorf("%d frames a second: use 1 to 240", o.FPS)
	}
	frames := int(o.GOP.Seconds()*float64(o.FPS) + 0.5)
	if frames < 1 || frames > 10000 {
		return nil, fmt.Errorf("a keyframe every %v: use a frame to 10000 frames", o.GOP)
	}
	if o.Bitrate < 1 || o.Bitrate > 1e9 {
		return nil, fmt.Errorf("a bitrate of %d bit/s: use 1 to 1000000000", o.Bitrate)
	}
	return newSource(o.Codec, o.Bitrate, o.FPS, frames)
}

const (
	sampling   = 10 // one player in so many reads stamps, but one of each stream at least
	connecting = 50 // publishers at once
	dialLimit  = 10 * time.Second
	joinLimit  = 15 * time.Second
	settling   = 5 * time.Second        // after its publisher was accepted, players of a stream may be refused
	askAgain   = 200 * time.Millisecond // about so much later they do
)

// run is a run at work. Everything that publishers and players count is atomic.
type run struct {
	options  Options
	id       uint32        // in its stamps
	patience time.Duration // with first keyframes, once the last player has been started
	settling time.Duration // of a stream, once it is published
	source   *source
	began    time.Time
	streams  []*stream
	players  []*player
	counting atomic.Bool

	latency, first histogram
	second         atomic.Pointer[histogram] // latency of the second at work
	late           histogram                 // of the generator: from due to its write
	gaps, missing  atomic.Int64
	frames         atomic.Int64 // read by those that read stamps

	secrets  *strings.Replacer
	problems problems
}

type stream struct {
	url      string
	bytes    atomic.Int64 // put on the wire
	messages atomic.Int64
	settled  time.Duration // when a player that is refused is lost, if none watches; set before ready
	ready    chan struct{} // closed once it is published
	lost     atomic.Bool   // afterwards
	watched  atomic.Bool   // a player got a keyframe
	bytesAt  int64         // when counting began
}

// problems keeps the first few of them, and how often each came.
type problems struct {
	mu   sync.Mutex
	all  []string
	more int
}

func (p *problems) add(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const kept = 5
	switch {
	case slices.Contains(p.all, text), len(p.all) == kept:
		p.more++
	default:
		p.all = append(p.all, text)
	}
}

// problem notes one. Servers may quote the key with its query.
func (r *run) problem(format string, args ...any) {
	r.problems.add(r.secrets.Replace(fmt.Sprintf(format, args...)))
}

func (r *run) now() time.Duration { return time.Since(r.began) }

// Run does what options say. It calls watch, if there is one, each second from one
// goroutine. The error is that nothing could be measured; a context that ends early ends
// the measurement.
func Run(ctx context.Context, o Options, watch func(Second)) (*Result, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	server, err := openProcess(o.PID)
	if err != nil {
		return nil, err
	}
	r := newRun(o)
	all, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()

	if err := r.startPublishers(ctx, all, &working); err != nil {
		return nil, redacted{err, r.secrets}
	}
	if err := r.startPlayers(ctx, all, &working); err != nil {
		return nil, redacted{err, r.secrets}
	}
	return r.measure(ctx, server, watch), nil
}

// newRun takes options that have been checked.
func newRun(o Options) *run {
	r := &run{options: o, id: rand.Uint32N(maxRun), patience: joinLimit, settling: settling, began: time.Now(), secrets: secrets(o.URL)}
	r.source, _ = o.source()
	r.second.Store(new(histogram))
	for i := range max(o.Publishers, 1) {
		r.streams = append(r.streams, &stream{url: streamURL(o.URL, i, o.Publishers), ready: make(chan struct{})})
	}
	return r
}

// streamURL gives each of several publishers a key of its own.
func streamURL(url string, i, publishers int) string {
	if publishers < 2 {
		return url
	}
	path, query, asked := strings.Cut(url, "?")
	path += "_" + strconv.Itoa(i+1)
	if asked {
		path += "?" + query
	}
	return path
}

func (r *run) startPublishers(ctx, all context.Context, working *sync.WaitGroup) error {
	if r.options.Publishers == 0 {
		close(r.streams[0].ready)
		return nil
	}
	failed := make(chan error, len(r.streams))
	await := func(s *stream) error {
		select {
		case <-s.ready:
			return nil
		case err := <-failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i, s := range r.streams {
		if i >= connecting {
			if err := await(r.streams[i-connecting]); err != nil {
				return err
			}
		}
		working.Go(func() {
			phase := r.source.dueAt(1) * time.Duration(i) / time.Duration(len(r.streams))
			if err := r.publish(all, s, phase, r.source.gop*i/len(r.streams)); err != nil && all.Err() == nil {
				select {
				case <-s.ready:
					s.lost.Store(true)
					r.problem("publisher: %v", err)
				default:
					failed <- fmt.Errorf("publish %s: %w", s.url, err)
				}
			}
		})
	}
	for _, s := range r.streams {
		if err := await(s); err != nil {
			return err
		}
	}
	return nil
}

// startPlayers returns when everybody has seen a keyframe, or has been given up.
func (r *run) startPlayers(ctx, all context.Context, working *sync.WaitGroup) error {
	for n := range r.options.Players {
		for i, s := range r.streams {
			r.players = append(r.players, newPlayer(s, reads(i, len(r.streams), n, r.options.Players)))
		}
	}
	for range r.options.Slow {
		for _, s := range r.streams {
			p := newPlayer(s, false)
			p.slow = true
			r.players = append(r.players, p)
		}
	}
	joining, giveUp := context.WithCancel(all)
	defer giveUp()
	begin := time.Now()
	for i, p := range r.players {
		joins := begin.Add(r.options.Ramp * time.Duration(i) / time.Duration(len(r.players)))
		select {
		case <-time.After(time.Until(joins)):
		case <-ctx.Done():
			return ctx.Err()
		}
		working.Go(func() {
			if err := r.join(all, joining, p); err != nil && all.Err() == nil {
				p.lost.Store(true)
				r.problem("player: %v", err)
			}
			p.joined()
		})
	}
	defer time.AfterFunc(r.patience, giveUp).Stop()
	for _, p := range r.players {
		select {
		case <-p.here:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.none()
}

// reads tells whether player n of stream i reads stamps. Those that do are spread evenly
// over the order in which players join, which a server may serve them in too.
func reads(i, streams, n, players int) bool {
	all := max(streams, (streams*players+sampling-1)/sampling)
	ofStream := (i+1)*all/streams - i*all/streams
	return (n+i)*ofStream%players < ofStream
}

// none is an error if not one player saw a keyframe, where there should be some.
func (r *run) none() error {
	watched := func(p *player) bool { return p.watched }
	if len(r.players) == 0 || slices.ContainsFunc(r.players, watched) {
		return nil
	}
	r.problems.mu.Lock()
	defer r.problems.mu.Unlock()
	return fmt.Errorf("nothing was played: %s", r.problems.all[0])
}

// dial includes the TLS handshake, where there is one.
func (r *run) dial(ctx context.Context, a rtmp.Address) (net.Conn, error) {
	d := net.Dialer{Timeout: dialLimit}
	if !a.Secure {
		return d.DialContext(ctx, "tcp", a.Host)
	}
	config := &tls.Config{InsecureSkipVerify: r.options.AnyCert, DynamicRecordSizingDisabled: true}
	return (&tls.Dialer{NetDialer: &d, Config: config}).DialContext(ctx, "tcp", a.Host)
}
