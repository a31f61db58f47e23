// Package retention removes recordings when they are old, while serve runs.
package retention

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/recfile"
)

// A directory is looked through ten times within the age of its recordings, but
// not more often than once a second and not more seldom than once in ten minutes.
const (
	sweepsAnAge = 10
	sweepFast   = time.Second
	sweepSlow   = 10 * time.Minute
)

// Retention removes recordings until it is stopped.
type Retention struct {
	keeper  *recfile.Keeper
	log     zerolog.Logger
	cancel  context.CancelFunc
	stopped sync.WaitGroup
	failed  string // what is wrong with the directory: told once
}

// Start removes the whole recordings of a directory that are older than an age, at
// once and then again and again.
func Start(dir string, age time.Duration, log zerolog.Logger) *Retention {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Retention{keeper: recfile.NewKeeper(dir, age), log: log, cancel: cancel}
	r.stopped.Go(func() { r.run(ctx, min(max(age/sweepsAnAge, sweepFast), sweepSlow)) })
	return r
}

// Stop ends the removal and waits until a file that is being read is done with.
func (r *Retention) Stop() {
	r.cancel()
	r.stopped.Wait()
}

func (r *Retention) run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		r.sweep(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Retention) sweep(ctx context.Context) {
	failed := ""
	if err := r.keeper.Sweep(ctx, time.Now(), r.report); err != nil {
		failed = err.Error()
	}
	if failed != "" && failed != r.failed && ctx.Err() == nil {
		r.log.Error().Str("error", failed).Msg("cannot look for old recordings")
	}
	r.failed = failed
}

func (r *Retention) report(x recfile.Expired) {
	if x.Err != nil {
		r.log.Error().Str("path", x.Path).Err(x.Err).Msg("could not remove an old recording")
		return
	}
	r.log.Info().Str("path", x.Path).Int64("bytes", x.Size).Stringer("age", x.Age.Round(time.Second)).Msg("removed an old recording")
}
