package status

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

// notifyEvery is how often a service manager is told how serve is doing; more often
// if its watchdog wants it.
const notifyEvery = 5 * time.Second

// notifier tells a service manager, in the words of sd_notify(3), how serve is doing.
type notifier struct {
	sampler  *Sampler
	log      zerolog.Logger
	watchdog time.Duration // a serve that is silent for so long counts as hung; 0: never
	grace    time.Duration
	failed   bool // which was logged
}

// Notify tells the service manager that serve is ready, how it is doing, and, when
// the context ends, that it stops, for which it may take the grace. It does so until
// the function it returns is called. A program that was not started by a service
// manager, which is one without NOTIFY_SOCKET, tells nobody.
func Notify(ctx context.Context, sampler *Sampler, grace time.Duration, log zerolog.Logger) (stop func()) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return func() {}
	}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn().Err(err).Msg("the service manager's watchdog is not fed")
	}
	n := &notifier{sampler: sampler, log: log, watchdog: watchdog, grace: grace}
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { n.run(ctx.Done(), quit) })
	return func() {
		close(quit)
		running.Wait()
	}
}

func (n *notifier) run(stopping, quit <-chan struct{}) {
	every := notifyEvery
	if n.watchdog > 0 {
		every = min(every, n.watchdog/2)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	n.tell(daemon.SdNotifyReady, n.summary())
	for {
		select {
		case <-quit:
			return
		case <-stopping:
			stopping = nil
			n.tell(daemon.SdNotifyStopping, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", n.grace.Microseconds()), "STATUS=finishing recordings")
		case <-ticker.C:
			n.alive(stopping == nil)
		}
	}
}

// alive feeds the watchdog. The streams' state is asked for first: a server that
// hangs does not give it.
func (n *notifier) alive(stopping bool) {
	var about []string
	if summary := n.summary(); !stopping {
		about = append(about, summary)
	}
	if n.watchdog > 0 {
		about = append(about, daemon.SdNotifyWatchdog)
	}
	n.tell(about...)
}

// tell sends variables in one message.
func (n *notifier) tell(variables ...string) {
	if len(variables) == 0 {
		return
	}
	if _, err := daemon.SdNotify(false, strings.Join(variables, "\n")); err != nil && !n.failed {
		n.failed = true
		n.log.Warn().Err(err).Msg("cannot tell the service manager how serve is doing")
	}
}

// summary is the line that systemctl status shows.
func (n *notifier) summary() string { return "STATUS=" + summary(n.sampler.Snapshot().Streams) }

// summary counts streams: "3 publishers, 2 recording, 1 NOT RECORDED".
func summary(streams []Stream) string {
	var publishers, recording, failed int
	for _, s := range streams {
		if s.Live {
			publishers++
		}
		if s.recording() {
			recording++
		}
		if s.failed() {
			failed++
		}
	}
	text := fmt.Sprintf("%d publishers, %d recording", publishers, recording)
	if publishers == 1 {
		text = fmt.Sprintf("1 publisher, %d recording", recording)
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d NOT RECORDED", failed)
	}
	return text
}
