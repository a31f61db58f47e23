package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/internal/retention"
)

// recordOptions are the flags of serve that are about recording.
type recordOptions struct {
	all      bool
	dir      string
	format   string
	sync     time.Duration
	segment  ageValue
	keep     ageValue
	minFree  sizeValue
	recovers bool
	buffer   sizeValue
}

func (o *recordOptions) add(f *pflag.FlagSet) {
	o.minFree, o.buffer = -1, 64<<20
	f.BoolVar(&o.all, "record-all", false, "record every stream")
	f.StringVar(&o.dir, "record-dir", "recordings", "where recordings go; created if missing")
	f.StringVar(&o.format, "record-format", "auto", "file format: auto (MP4 for H.265, FLV for all else), flv, mp4")
	f.DurationVar(&o.sync, "record-sync", time.Second, "how often recordings are made safe from a power cut; 0: only when they end")
	f.Var(&o.segment, "record-segment", "begin another file at the first keyframe after so long, for example 1h; 0: one file a stream")
	f.Var(&o.keep, "record-keep", "remove recordings that are older, for example 7d, if they are whole; 0: never")
	f.Var(&o.minFree, "record-min-free", "do not record while less is free on the disk; auto: 256 MiB, or 5 % of a small one")
	f.BoolVar(&o.recovers, "record-recover", true, "at the start, finish recordings that a crash left behind")
	f.Var(&o.buffer, "record-buffer", "how much of a stream may wait for a slow disk")
}

func (o *recordOptions) validate() error {
	switch record.Format(o.format) {
	case record.Auto, record.FLV, record.MP4:
	default:
		return usageError{hintError{fmt.Errorf("--record-format %q is unknown", o.format), "use auto, flv or mp4"}}
	}
	if o.buffer <= 0 {
		return usageError{fmt.Errorf("--record-buffer %s: want more than 0", &o.buffer)}
	}
	return nil
}

// prepare makes the directory ready and finishes what a crash left in it. It
// returns nil if nothing is to be recorded.
func (o *recordOptions) prepare(ctx context.Context, log zerolog.Logger) (*record.Config, error) {
	if !o.all {
		return nil, nil
	}
	if err := record.Prepare(o.dir); err != nil {
		return nil, hintError{err, "choose another directory with --record-dir, or make this one writable"}
	}
	if o.recovers {
		if err := recoverRecordings(ctx, o.dir, log); err != nil {
			return nil, err
		}
	}
	space, err := record.NewSpace(o.dir, int64(o.minFree))
	if err != nil {
		return nil, err
	}
	return &record.Config{Dir: o.dir, Format: record.Format(o.format), Segment: time.Duration(o.segment), SyncEvery: o.sync,
		Low: space.Low, Spare: space.Spare, Logger: log}, nil
}

// target is where recordings go, empty if nothing is recorded.
func (o *recordOptions) target() string {
	if !o.all {
		return ""
	}
	return o.dir
}

// retain removes old recordings until the function it returns is called, which leaves a
// sweep behind that a disk holds up.
func (o *recordOptions) retain(log zerolog.Logger) (stop func()) {
	if !o.all || o.keep == 0 {
		return func() {}
	}
	r := retention.Start(o.dir, time.Duration(o.keep), log)
	return func() { within(stopPatience, r.Stop) }
}

// recoverRecordings finishes what a crash left behind, before new recordings begin.
func recoverRecordings(ctx context.Context, dir string, log zerolog.Logger) error {
	begin := func(files int) {
		log.Info().Str("dir", dir).Int("files", files).Msg("looking at recordings that were not finished")
	}
	err := recfile.Recover(ctx, dir, begin, func(r recfile.Recovered) {
		switch {
		case r.Err != nil:
			log.Error().Str("path", r.Path).Err(r.Err).Msg("could not recover a recording: see rtmptool inspect")
		case r.Removed:
			log.Info().Str("path", r.Path).Msg("removed a recording that held nothing")
		default:
			recovered(r.Path, r.Fixed, log)
		}
	})
	if err != nil {
		return fmt.Errorf("look for unfinished recordings: %w", err)
	}
	return nil
}

// recovered tells of a recording that was mended, what that has cost, and what nothing
// proves in it: the file that is whole now does not show that any more.
func recovered(path string, f recfile.Fixed, log zerolog.Logger) {
	event, lossy := log.Info(), f.Outcome == recfile.Lossy
	if lossy {
		event = log.Warn()
	}
	event = event.Str("path", path).Stringer("duration", f.After.Duration().Round(time.Millisecond)).
		Int64("bytes", f.After.Size).Bool("lossy", lossy)
	if lossy {
		loss := f.Before.Loss()
		time := loss.Duration
		for _, t := range loss.Tracks {
			time = max(time, t.Duration)
		}
		event = event.Int64("lost_bytes", loss.Bytes).Str("findings", costly(f.Before))
		if time > 0 {
			event = event.Stringer("lost", time)
		}
	}
	if text := f.Before.Unproven(); text != "" {
		event = event.Str("unproven", text)
	}
	event.Msg("recovered a recording")
}

// costly lists the codes of the findings that cost something, each once.
func costly(r *recfile.Recording) string {
	var codes []string
	for i, l := range r.Losses() {
		if code := r.Findings[i].Code; l.Bytes > 0 && !l.Incomplete && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return strings.Join(codes, " ")
}
