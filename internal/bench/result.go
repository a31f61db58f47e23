package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Result is what was measured. Durations of latency are in ms, times in s.
type Result struct {
	Schema     int       `json:"schema"` // 1
	URL        string    `json:"url"`
	Began      time.Time `json:"began"` // when counting began
	Seconds    float64   `json:"seconds"`
	Publishers int       `json:"publishers"`
	Players    int       `json:"players"` // of all streams, slow ones not counted
	Slow       int       `json:"slow"`
	Bitrate    int64     `json:"bitrate"` // bit/s of a stream, as asked for
	FPS        int       `json:"fps"`
	Codec      string    `json:"codec"`
	GOP        float64   `json:"gop_s"`
	Ramp       float64   `json:"ramp_s"`
	Duration   float64   `json:"duration_s"` // as asked for

	Published Traffic `json:"published"`
	Delivered Traffic `json:"delivered"` // to players, slow ones not counted
	// Of what was published, to all players and to the one that got least; 0 without publishers.
	Share      float64 `json:"share"`
	LeastShare float64 `json:"least_share"`

	Lost            int `json:"lost"`             // players whose connection ended, or that saw no keyframe
	WithoutKeyframe int `json:"without_keyframe"` // of these, the latter

	LostPublishers int `json:"lost_publishers"`

	Sampled int   `json:"sampled"` // players that read stamps
	Frames  int64 `json:"frames"`  // video, read by these
	Gaps    int64 `json:"gaps"`    // in their numbers
	Missing int64 `json:"missing"` // frames, in these gaps

	Latency       Latency `json:"latency_ms,omitzero"` // of video frames of this run, from when they were due
	FirstKeyframe Latency `json:"first_keyframe_ms"`   // from dialling

	Server    *Usage   `json:"server,omitempty"` // with a process id
	Generator *Usage   `json:"generator,omitempty"`
	Late      Latency  `json:"late_ms"` // of the generator itself: a frame's write after it was due
	PerSecond []Second `json:"per_second"`

	Processors int      `json:"processors"`         // that bench may use
	Warnings   []string `json:"warnings,omitempty"` // of a machine that is too small
	Problems   []string `json:"problems,omitempty"`
	More       int      `json:"more_problems,omitempty"`
}

// Traffic counts what went over connections.
type Traffic struct {
	Bytes  int64   `json:"bytes"`
	PerSec float64 `json:"bytes_per_s"`
}

// Latency is a distribution in ms; the zero value if nothing was measured.
type Latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

// Usage is what a process and its children used.
type Usage struct {
	CPU         float64 `json:"cpu_s"`
	PerGB       float64 `json:"cpu_s_per_gb"`    // delivered; published, if nobody plays
	PerDelivery float64 `json:"us_per_delivery"` // a message to a player
	Peak        int64   `json:"peak_bytes"`      // resident, since the process began
}

// Second is one second of a run.
type Second struct {
	At      int     `json:"at"` // s, from 1
	Out     int64   `json:"out_bytes"`
	In      int64   `json:"in_bytes"`
	Latency Latency `json:"latency_ms,omitzero"`
	Missing int64   `json:"missing"`
	Server  float64 `json:"server_cpu"` // share of one processor
	Players int     `json:"players"`
}

func (h *histogram) latency() Latency {
	q, _ := h.quantiles(0.5, 0.99, 0.999)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Latency{ms(q[0]), ms(q[1]), ms(q[2]), float64(h.max.Load()) / 1000}
}

// totals is what has been counted so far.
type totals struct {
	in, messages, out int64
	missing           int64
	cpu               time.Duration
}

func (r *run) totals(server *meter) (t totals) {
	for _, s := range r.streams {
		t.in += s.bytes.Load()
		t.messages += s.messages.Load()
	}
	for _, p := range r.players {
		if !p.slow {
			t.out += p.bytes.Load()
		}
	}
	t.missing = r.missing.Load()
	t.cpu = server.read()
	return t
}

// measure counts for the duration, or until the context ends.
func (r *run) measure(ctx context.Context, process process, watch func(Second)) *Result {
	o := r.options
	result := &Result{
		Schema: 1, URL: redact(o.URL), Publishers: o.Publishers, Players: o.Players * len(r.streams), Slow: o.Slow * len(r.streams),
		Bitrate: o.Bitrate, FPS: o.FPS, Codec: o.Codec, Began: time.Now(),
		GOP: o.GOP.Seconds(), Ramp: o.Ramp.Seconds(), Duration: o.Duration.Seconds(), Processors: runtime.GOMAXPROCS(0),
	}
	for _, s := range r.streams {
		s.bytesAt = s.bytes.Load()
	}
	for _, p := range r.players {
		p.bytesAt = p.bytes.Load()
	}
	server, generator := &meter{process: process}, &meter{process: self()}
	first, own := r.totals(server), generator.read()
	r.counting.Store(true)
	begin, last := time.Now(), first
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for at := 1; at <= int(o.Duration/time.Second) && ctx.Err() == nil; at++ {
		select {
		case <-ctx.Done():
			continue
		case <-every.C:
		}
		now := r.totals(server)
		second := Second{
			At: at, Out: now.out - last.out, In: now.in - last.in, Missing: now.missing - last.missing, Players: r.left(),
			Latency: r.second.Swap(new(histogram)).latency(), Server: (now.cpu - last.cpu).Seconds(),
		}
		result.PerSecond = append(result.PerSecond, second)
		if watch != nil {
			watch(second)
		}
		last = now
	}
	r.counting.Store(false)
	end := r.totals(server)
	if o.PID != 0 && server.ended {
		r.problem("process %d of the server ended: its figures are those from before", o.PID)
	}
	r.sum(result, time.Since(begin), first, end)
	result.Server, result.Generator = server.since(first.cpu), generator.since(own)
	for _, u := range []*Usage{result.Server, result.Generator} {
		if u != nil {
			u.share(result, end.messages-first.messages)
		}
	}
	result.warn()
	return result
}

// left counts the players that are still there.
func (r *run) left() (n int) {
	for _, p := range r.players {
		if !p.slow && !p.lost.Load() {
			n++
		}
	}
	return n
}

func (r *run) sum(result *Result, took time.Duration, first, last totals) {
	result.Seconds = took.Seconds()
	result.Published = Traffic{last.in - first.in, float64(last.in-first.in) / took.Seconds()}
	result.Delivered = Traffic{last.out - first.out, float64(last.out-first.out) / took.Seconds()}
	result.Frames, result.Gaps, result.Missing = r.frames.Load(), r.gaps.Load(), r.missing.Load()
	result.Latency, result.FirstKeyframe, result.Late = r.latency.latency(), r.first.latency(), r.late.latency()
	for _, p := range r.players {
		if p.lost.Load() {
			result.Lost++
		}
		if !p.watched {
			result.WithoutKeyframe++
		}
		if p.reads {
			result.Sampled++
		}
	}
	for _, s := range r.streams {
		if s.lost.Load() {
			result.LostPublishers++
		}
	}
	wanted, got, least := int64(0), int64(0), 1.0
	for _, p := range r.players {
		published := p.stream.bytes.Load() - p.stream.bytesAt
		if p.slow || published == 0 {
			continue
		}
		// Servers with smaller chunks send a little more; more than all is not delivered.
		bytes := min(p.bytes.Load()-p.bytesAt, published)
		wanted, got = wanted+published, got+bytes
		least = min(least, float64(bytes)/float64(published))
	}
	if wanted > 0 {
		result.Share, result.LeastShare = float64(got)/float64(wanted), least
	}
	r.problems.mu.Lock()
	defer r.problems.mu.Unlock()
	result.Problems, result.More = r.problems.all, r.problems.more
}

// UsageOf is the processor time of a process and its children, and the most memory that
// was resident, in bytes; false where that is not known: on anything but Linux.
func UsageOf(pid int) (cpu time.Duration, peak int64, ok bool) {
	p, err := openProcess(pid)
	if err != nil {
		return 0, 0, false
	}
	return p.usage()
}

const (
	tooLate = 10.0 // ms; timers and an idle scheduler stay far below
	tooBusy = 0.8  // of the processors: what comes at once has to wait
)

// warn tells where the figures may be those of a machine that is too small, not of the
// server.
func (r *Result) warn() {
	if r.Late.P99 > tooLate {
		r.Warnings = append(r.Warnings, fmt.Sprintf("1 frame in 100 was written %.0f ms late or more, which is in the latency: use less load or another machine, unless the server reads too slowly", r.Late.P99))
	}
	cpu, who := 0.0, "bench"
	if r.Generator != nil {
		cpu = r.Generator.CPU
	}
	if r.Server != nil {
		cpu, who = cpu+r.Server.CPU, "bench and the server"
	}
	if all := float64(r.Processors) * r.Seconds; all > 0 && cpu >= tooBusy*all {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s used %.0f %% of %s: use less load or another machine", who, cpu/all*100, count(r.Processors, "processor")))
	}
}

// share divides the processor time among what was done with it.
func (u *Usage) share(r *Result, messages int64) {
	bytes, deliveries := r.Delivered.Bytes, float64(messages)
	if r.Players > 0 {
		deliveries *= float64(r.Players) / float64(max(r.Publishers, 1)) * r.Share
	} else {
		bytes = r.Published.Bytes
	}
	if bytes > 0 {
		u.PerGB = u.CPU / (float64(bytes) / 1e9)
	}
	if deliveries > 0 {
		u.PerDelivery = u.CPU * 1e6 / deliveries
	}
}
