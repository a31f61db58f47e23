// Package cmd is the command line: flags become options, an option struct goes
// into one call, and what comes back becomes text and an exit code.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes. Those of inspect and fix say more; see their help.
const (
	exitOK    = 0
	exitRun   = 1 // could not run
	exitUsage = 2
)

// usageError is a mistake in the arguments.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// hintError is an error whose next step is known.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

// Main runs the command line and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := interruptible(context.Background())
	defer stop()
	root := NewRoot()
	root.SetArgs(normalize(root, args))
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var outcome exitCode
	if errors.As(err, &outcome) {
		return int(outcome)
	}
	line := "rtmptool: " + err.Error()
	var hint hintError
	if errors.As(err, &hint) {
		line += "; " + hint.hint
	}
	fmt.Fprintln(stderr, strings.Join(strings.Fields(line), " "))
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitRun
}

// NewRoot returns the command line, unparsed. Man pages and completions are made
// of it.
func NewRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "rtmptool",
		Short: "Record live RTMP streams so that nothing is lost",
		Long: `rtmptool takes live RTMP streams (OBS, FFmpeg, hardware encoders), relays them
to viewers and records every one to disk; it shows whether recordings are whole,
and finishes those that a crash left behind.`,
		Example: `  rtmptool serve --record-all
  rtmptool inspect recordings
  rtmptool fix recordings`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	root.Version = version()
	root.SetVersionTemplate("rtmptool {{.Version}}\n")
	root.Flags().BoolP("version", "v", false, "print the version")
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(newServe(), newInspect(), newFix(), newBench(), newVersion())
	root.SetHelpCommand(newHelp())
	root.CompletionOptions.HiddenDefaultCmd = true
	complete(root)
	return root
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(c *cobra.Command, args []string) error {
			found, rest, err := c.Root().Find(args)
			if err == nil {
				err = unknownCommand(c.Root(), rest)
			}
			if err != nil {
				return err
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see: rtmptool --help"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean: rtmptool " + near[0]
	}
	return usageError{hintError{fmt.Errorf("unknown command %q", args[0]), hint}}
}

// noArgs rejects arguments that are no flags.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{hintError{fmt.Errorf("unexpected argument %q", args[0]), fmt.Sprintf("see: %s --help", c.CommandPath())}}
}
