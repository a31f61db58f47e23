package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that the first interrupt or termination signal
// ends, or the end of the terminal. From then on signals have their default
// effect: a second one ends the process at once.
func interruptible(parent context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, cancel := context.WithCancel(parent)
	c := make(chan os.Signal, 1)
	signal.Notify(c, signals...)
	go func() {
		select {
		case <-c:
		case <-ctx.Done():
		}
		signal.Stop(c) // first: whoever sees the end of the context may rely on it
		cancel()
	}()
	return ctx, cancel
}
