package cmd

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/report"
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

// exitWith ends a command with a code.
func exitWith(code int) error {
	if code == exitOK {
		return nil
	}
	return exitCode(code)
}

func newInspect() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "inspect FILE|DIR...",
		Short: "Tell whether recordings are whole, and what would mend them",
		Long: `inspect reads FLV and MP4 recordings, those of rtmptool and anybody's, and says of
each whether it is whole; if not, what is wrong, where, and what fix would do. It
never writes. Of a directory it takes every .flv and .mp4 below it.

Exit status: 0 every file is whole, or is being recorded and consistent; 1 a file
could not be read; 2 wrong arguments; 3 unfinished or damaged, fix can mend it;
4 beyond repair. Of several files the worst counts: 1, 4, 3, 0.`,
		Example: `  rtmptool inspect recordings
  rtmptool inspect live_main_20260115_143022.mp4
  rtmptool inspect --format json recordings | jq -r 'select(.verdict != "whole") | .path'`,
		Args: someArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := applyEnv(c); err != nil {
				return err
			}
			if err := checkFormat(format); err != nil {
				return err
			}
			return inspect(args, format, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&format, "format", "text", "output: text, json (one line a file)")
	return c
}

func checkFormat(format string) error {
	if format != "text" && format != "json" {
		return usageError{hintError{fmt.Errorf("--format %q is unknown", format), "use text or json"}}
	}
	return nil
}

func someArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return nil
	}
	return usageError{hintError{errors.New("no file or directory given"), "for example: rtmptool " + c.Name() + " recordings"}}
}

func inspect(args []string, format string, stdout, stderr io.Writer) error {
	paths := recfile.Find(args)
	if len(paths) == 0 {
		fmt.Fprintln(stderr, "no recordings found")
	}
	code := exitOK
	for _, path := range paths {
		r, err := recfile.Open(path)
		switch {
		case err != nil && format == "json":
			code = worst(code, exitRun)
			err = report.JSON(stdout, report.Failed(path, err))
		case err != nil:
			code = worst(code, exitRun)
			err = report.ErrorText(stderr, err)
		case format == "json":
			code = worst(code, verdictCode(r.Verdict))
			err = report.JSON(stdout, report.NewFile(r))
		default:
			code = worst(code, verdictCode(r.Verdict))
			err = report.Text(stdout, r)
		}
		if err != nil {
			return err
		}
	}
	return exitWith(code)
}

func verdictCode(v recfile.Verdict) int {
	switch v {
	case recfile.Whole, recfile.Live:
		return exitOK
	case recfile.Hopeless:
		return exitHopeless
	}
	return exitDamaged
}
