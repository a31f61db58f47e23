package live

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// model remembers what was published, to judge what cursors get. Its places are
// those of the ring.
type model struct {
	log    []*media.Packet
	place  map[*media.Packet]uint64
	starts map[uint64][]*media.Packet // the configurations of each place to begin at
	spans  []*span                    // of publications
	totals Totals                     // gaps are counted once a cursor is closed
}

type span struct{ first, end uint64 }

// packet takes note of one that was published, with what the publication kept
// for joiners when it came.
func (m *model) packet(p *media.Packet, configs []*media.Packet) {
	at := uint64(len(m.log))
	m.log = append(m.log, p)
	m.place[p] = at
	if p.Kind != media.Data {
		m.totals.Bytes += uint64(len(p.Body))
	}
	if p.Kind == media.Video && p.Key && p.Track == 0 {
		m.starts[at] = configs
	}
}

// judge follows one cursor.
type judge struct {
	*testing.T
	m       *model
	who     string
	cursor  *Cursor
	patient bool
	in      *span // publication that it is in
	next    uint64
	lost    Gaps
	ends    int
}

// batch checks a batch against the laws: a cursor gets an unbroken run from a
// start to the end of the publication, except for gaps, which are counted exactly
// and end at a keyframe newer than the cursor.
func (j *judge) batch(b Batch) {
	packets := b.Packets
	if want := j.dropped(b.Skipped); b.Dropped != want {
		j.Fatalf("%s: dropped %+v of %d packets, want %+v", j.who, b.Dropped, b.Skipped, want)
	}
	if b.Skipped > 0 {
		j.lost.Count++
		j.lost.Packets += b.Skipped
		j.next += b.Skipped
	}
	switch {
	case b.Start:
		packets = j.start(b)
	case b.Skipped > 0:
		if !b.End || len(packets) > 0 || j.next != j.in.end {
			j.Fatalf("%s: a gap of %d to %d that does not end at a start", j.who, b.Skipped, j.next)
		}
	case j.in == nil && len(packets) > 0:
		j.Fatalf("%s: begins without a start", j.who)
	}
	for _, p := range packets {
		if at := j.m.place[p]; at != j.next {
			j.Fatalf("%s: got packet %d, want %d", j.who, at, j.next)
		}
		j.next++
	}
	if b.End {
		if j.in == nil || j.next != j.in.end {
			j.Fatalf("%s: end at %d, want that of %+v", j.who, j.next, j.in)
		}
		j.in = nil
		j.ends++
	}
}

// dropped is what a recorder is told of a gap that it has reached.
func (j *judge) dropped(packets uint64) (d Dropped) {
	if !j.patient || packets == 0 {
		return d
	}
	to := j.next + packets
	for _, p := range j.m.log[j.next:to] {
		switch {
		case p.Role != media.Frame:
		case p.Kind == media.Video:
			d.Video++
		case p.Kind == media.Audio:
			d.Audio++
		}
	}
	if to < j.in.end {
		d.Until = j.m.log[to].DTS
		return d
	}
	for _, p := range j.m.log[j.in.first:to] {
		if p.Role == media.Frame {
			d.Until = max(d.Until, p.DTS)
		}
	}
	return d
}

// start returns what follows the configurations. A batch may be read as two starts: as one behind a
// configuration, and as one that begins with it.
func (j *judge) start(b Batch) []*media.Packet {
	for at, configs := range j.m.starts {
		if j.in != nil && at != j.next {
			continue
		}
		n := len(configs)
		run := len(b.Packets) - n
		if run <= 0 || !slices.Equal(b.Packets[:n], configs) ||
			!slices.Equal(b.Packets[n:], j.m.log[at:min(int(at)+run, len(j.m.log))]) {
			continue
		}
		if j.in == nil { // a viewer that joins
			j.in, j.next = j.m.spans[len(j.m.spans)-1], at
			if at < j.in.first {
				j.Fatalf("%s: joined an old publication", j.who)
			}
		}
		if at >= j.in.end {
			j.Fatalf("%s: starts at %d, behind %+v", j.who, at, j.in)
		}
		return b.Packets[n:]
	}
	j.Fatalf("%s: begins with %s, which is no start at %d", j.who, names(b.Packets), j.next)
	return nil
}

func (j *judge) take() bool {
	if j.patient && j.ends > 0 {
		return false
	}
	b, ok := take(j.cursor)
	if ok {
		j.batch(b)
	}
	return ok
}

// finish reads the rest.
func (j *judge) finish() {
	for j.take() {
	}
	want := j.lost
	if j.cursor.lost { // of which no batch has told yet
		want.Count++
		want.Packets += j.cursor.skipped
	}
	if g := j.cursor.Gaps(); g != want {
		j.Errorf("%s: gaps %+v, want %+v", j.who, g, want)
	}
	if j.patient {
		j.m.totals.RecorderSkipped += want.Packets
	} else {
		j.m.totals.ViewerSkipped += want.Packets
	}
	j.cursor.Close()
}

// schedule is a random history of one stream.
type schedule struct {
	*testing.T
	rand    *rand.Rand
	m       *model
	r       *Registry
	feed    *feed
	viewers []*judge
	records []*judge
	prompt  *judge // the first viewer, which reads whatever it can
	follow  []*disciple
}

func (s *schedule) begin() {
	s.feed = publish(s.T, s.r, "live/a")
	at := uint64(len(s.m.log))
	now := &span{at, forever}
	s.m.spans = append(s.m.spans, now)
	if s.rand.IntN(3) > 0 {
		s.records = append(s.records, &judge{
			T: s.T, m: s.m, who: "recorder", patient: true, cursor: s.feed.Cursor(), in: now, next: at})
	}
}

func (s *schedule) end() {
	s.feed.Close()
	s.m.spans[len(s.m.spans)-1].end = uint64(len(s.m.log))
	s.feed = nil
}

// If the first video of a publication is a keyframe, viewers may begin with all that
// came before it as well.
func (s *schedule) publish() {
	f := s.feed
	kind := s.rand.IntN(20)
	configs := f.configs
	switch {
	case kind < 9:
		s.m.packet(f.audio(), configs)
	case kind < 15:
		s.m.packet(f.inter(), configs)
	case kind < 17:
		first := !f.sawVideo
		s.m.packet(f.key(), configs)
		if first {
			s.m.starts[f.first] = nil
		}
	case kind == 17:
		s.m.packet(f.videoConfig(), configs)
	case kind == 18:
		s.m.packet(f.send(media.Audio, media.Decoder, false, uint8(s.rand.IntN(2))), configs)
	default:
		s.m.packet(f.metadata(), configs)
	}
}

func (s *schedule) step() {
	switch n := s.rand.IntN(100); {
	case n < 2 && s.feed != nil:
		s.end()
	case s.feed == nil && n < 20:
		s.begin()
	case n < 5 && len(s.viewers) < 8:
		s.viewers = append(s.viewers, &judge{T: s.T, m: s.m, who: fmt.Sprint("viewer ", s.rand.IntN(1000)), cursor: s.r.Subscribe("live/a")})
	case n < 7 && len(s.viewers) > 1:
		i := 1 + s.rand.IntN(len(s.viewers)-1)
		s.viewers[i].finish()
		s.viewers = slices.Delete(s.viewers, i, i+1)
	case n < 9:
		time.Sleep(time.Duration(s.rand.IntN(4000)) * ms)
	case n < 25:
		time.Sleep(time.Duration(s.rand.IntN(50)) * ms)
	case n < 40 && len(s.viewers) > 0:
		s.viewers[s.rand.IntN(len(s.viewers))].take()
	case n < 45 && len(s.records) > 0:
		s.records[s.rand.IntN(len(s.records))].take()
	case s.feed != nil:
		s.feed.size = s.rand.IntN(400)
		s.publish()
	}
	for s.prompt.take() {
	}
	synctest.Wait()
	for _, d := range s.follow {
		d.judgeAll()
	}
	s.checkRing()
	if got := s.r.Totals(); got.Bytes != s.m.totals.Bytes {
		s.Fatalf("%d bytes received, want %d", got.Bytes, s.m.totals.Bytes)
	}
}

// checkRing: the account is right, and within the limits after each packet.
func (s *schedule) checkRing() {
	stream := s.prompt.cursor.stream
	stream.mu.Lock()
	defer stream.mu.Unlock()
	r := &stream.ring
	if visible := stream.flush.visible; visible < r.first || visible > r.next {
		s.Fatalf("visible up to %d of %d to %d", visible, r.first, r.next)
	}
	bytes := 0
	for seq := r.first; seq < r.next; seq++ {
		if r.at(seq).packet != s.m.log[seq] {
			s.Fatalf("the ring holds another packet at %d", seq)
		}
		bytes += r.at(seq).packet.Size()
	}
	if bytes != r.bytes || int64(bytes) != s.r.total.Load() {
		s.Fatalf("the ring holds %d bytes, counts %d, in all %d", bytes, r.bytes, s.r.total.Load())
	}
	if limit := max(s.r.config.StreamBytes, s.r.config.RecordBytes); bytes > limit {
		s.Fatalf("the ring holds %d bytes, want at most %d", bytes, limit)
	}
	if len(s.m.log) != int(r.next) {
		s.Fatalf("the ring has had %d packets, want %d", r.next, len(s.m.log))
	}
}

func (s *schedule) run(steps int) {
	s.prompt = &judge{T: s.T, m: s.m, who: "prompt viewer", cursor: s.r.Subscribe("live/a")}
	s.viewers = append(s.viewers, s.prompt)
	for range s.rand.IntN(2 * fewFollowers) {
		j := &judge{T: s.T, m: s.m, who: "follower", cursor: s.r.Subscribe("live/a")}
		random := rand.New(rand.NewPCG(s.rand.Uint64(), 0))
		s.follow = append(s.follow, (&disciple{judge: j, refuses: func() bool { return random.IntN(20) == 0 }}).begin())
	}
	s.begin()
	for range steps {
		s.step()
	}
	if s.feed != nil {
		s.end()
	}
	stream := s.prompt.cursor.stream
	for _, j := range s.viewers {
		j.finish()
		if j.in != nil {
			s.Errorf("%s: saw no end of %+v", j.who, *j.in)
		}
	}
	for _, d := range s.follow {
		d.end()
		if d.served == 0 {
			s.Error("a follower was served nothing")
		}
	}
	for _, j := range s.records {
		j.finish()
		if j.ends != 1 {
			s.Errorf("recorder: %d ends", j.ends)
		}
	}
	wantEmpty(s.T, s.r, stream)
	if got := s.r.Totals(); got != s.m.totals {
		s.Errorf("totals %+v, want %+v", got, s.m.totals)
	}
}

// The laws hold in any history, with room for all and with hardly any.
func TestLaws(t *testing.T) {
	const schedules, steps = 80, 600
	for _, tt := range []struct {
		name   string
		config Config
	}{
		{"roomy", Config{StreamSpan: 24 * time.Hour, MaxLag: 24 * time.Hour}},
		{"usual", Config{}},
		{"tight", Config{StreamBytes: 5000, RecordBytes: 8000, StreamSpan: time.Second, MaxLag: 300 * ms}},
		{"full", Config{StreamBytes: 5000, RecordBytes: 8000, TotalBytes: 3000, RecordTotal: 4000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(schedules) {
				synctest.Test(t, func(t *testing.T) {
					defer func() {
						if t.Failed() {
							t.Logf("seed %d", seed)
						}
					}()
					s := &schedule{T: t, rand: rand.New(rand.NewPCG(seed, 0)), r: NewRegistry(tt.config)}
					s.m = &model{place: make(map[*media.Packet]uint64), starts: make(map[uint64][]*media.Packet)}
					s.run(steps)
					for _, j := range s.records {
						if roomy := tt.name == "roomy" || tt.name == "usual"; roomy && j.lost != (Gaps{}) {
							t.Errorf("the recorder lost %+v", j.lost)
						}
					}
					for _, j := range s.viewers {
						if tt.name == "roomy" && j.lost != (Gaps{}) {
							t.Errorf("%s lost %+v", j.who, j.lost)
						}
					}
				})
				if t.Failed() {
					return
				}
			}
		})
	}
}

// Many goroutines at once, for the race detector: the recorder gets everything,
// viewers get unbroken runs but for counted gaps.
func TestManyReaders(t *testing.T) {
	t.Parallel()
	const viewers = 50
	duration := 2 * time.Second
	if testing.Short() {
		duration /= 10
	}
	r := NewRegistry(Config{StreamBytes: 100 << 10, MaxLag: ms})
	var all sync.WaitGroup
	f := publish(t, r, "live/a")
	recorder := f.Cursor()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range viewers {
		all.Go(func() {
			for ctx.Err() == nil { // some come and go
				watch(ctx, t, r.Subscribe("live/a"), i)
			}
		})
	}
	var read sync.WaitGroup
	credit := make(chan struct{}, 16) // the recorder must not fall behind its buffer
	read.Go(func() {
		defer recorder.Close()
		var want time.Duration
		for {
			b := next(t, recorder)
			for _, p := range b.Packets {
				if p.DTS != want {
					t.Errorf("the recorder got packet %d, want %d", p.DTS, want)
					cancel()
				}
				if want++; want%100 == 0 {
					<-credit
				}
			}
			if b.End {
				return
			}
		}
	})
	for begin := time.Now(); time.Since(begin) < duration && ctx.Err() == nil; {
		for i := range 100 {
			p := &media.Packet{Kind: media.Video, Key: i == 0, DTS: f.at, Body: make([]byte, 50)}
			if i%2 > 0 {
				p.Kind = media.Audio
			}
			f.Publish(p, time.Now())
			f.at++
		}
		credit <- struct{}{}
	}
	f.Close()
	read.Wait()
	cancel()
	all.Wait()
	wantEmpty(t, r, f.stream)
}

// watch reads like a viewer, some slower than others, and counts its packets.
func watch(ctx context.Context, t *testing.T, c *Cursor, slowness int) {
	defer c.Close()
	var want time.Duration
	var skipped uint64
	began := false
	for range 500 {
		b, err := c.Next(ctx, time.Time{})
		if err != nil {
			break
		}
		skipped += b.Skipped
		want += time.Duration(b.Skipped)
		for _, p := range b.Packets {
			if !began {
				began, want = true, p.DTS
			}
			if b.Start && !p.Key && p == b.Packets[0] || p.DTS != want {
				t.Errorf("a viewer got packet %d, want %d", p.DTS, want)
				return
			}
			want++
		}
		for range slowness * 10 {
			runtime.Gosched()
		}
	}
	if g := c.Gaps(); g.Packets < skipped {
		t.Errorf("gaps %+v, want %d packets", g, skipped)
	}
}
