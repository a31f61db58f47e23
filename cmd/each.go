package cmd

import (
	"context"
	"fmt"
	"io"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/report"
	"github.com/rtmptool/rtmptool/internal/status"
)

// Exit codes of inspect and fix beyond those of every command.
const (
	exitDamaged  = 3 // inspect: fix can mend it; fix: repaired with a stated loss
	exitHopeless = 4
	exitInUse    = 6
)

// exitCode is an outcome that is no error: what there is to say has been said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// worst is the more important of two exit codes: 1, 4, 6, 3, 0 in that order.
func worst(a, b int) int {
	for _, code := range []int{exitRun, exitHopeless, exitInUse, exitDamaged} {
		if a == code || b == code {
			return code
		}
	}
	return exitOK
}

// eachRecording does something with every recording that the arguments name, prints
// what comes of it, and ends with the worst exit code. On a terminal it shows how far
// it is. An interrupt ends it.
func eachRecording(ctx context.Context, args []string, quiet bool, stderr io.Writer,
	do func(job *recfile.Job, path string) (code int, print func() error)) error {
	paths := recfile.Find(args)
	if len(paths) == 0 && !quiet {
		fmt.Fprintln(stderr, "no recordings found")
	}
	var screen report.Screen
	if !quiet && isTerminal(stderr) {
		screen = status.NewScreen(stderr, true)
	}
	job := recfile.NewJob(ctx, paths)
	progress := report.StartProgress(screen, job, len(paths))
	defer progress.Stop()
	code := exitOK
	for _, path := range paths {
		if ctx.Err() != nil {
			return hintError{fmt.Errorf("interrupted before %s", path), "run it again for the rest"}
		}
		progress.Next(path)
		outcome, print := do(job, path)
		progress.Clear()
		if err := print(); err != nil {
			return err
		}
		code = worst(code, outcome)
	}
	if code == exitOK {
		return nil
	}
	return exitCode(code)
}
