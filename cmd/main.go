// Package cmd is the command line: flags become options, an option struct goes
// into one call, and what comes back becomes text and an exit code.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError{hintError{err, fmt.Sprintf("see: %s --help", c.CommandPath())}}
	})
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

// normalize lets people write flags as many other tools take them: "-record-all"
// for "--record-all", and "true" or "false" as an argument of its own.
func normalize(root *cobra.Command, args []string) []string {
	flags, shorthands := map[string]*pflag.Flag{}, map[byte]bool{}
	for _, c := range append(root.Commands(), root) {
		c.InitDefaultHelpFlag()
		c.Flags().VisitAll(func(f *pflag.Flag) {
			flags[f.Name] = f
			if f.Shorthand != "" {
				shorthands[f.Shorthand[0]] = true
			}
		})
	}
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...)
		}
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if len(name) < 2 || !strings.HasPrefix(arg, "-") || shorthands[name[0]] && flags[name] == nil {
			out = append(out, arg)
			continue
		}
		arg = "--" + strings.TrimLeft(arg, "-")
		f := flags[name]
		if f == nil { // which is said of the long form
			out = append(out, arg)
			continue
		}
		if !hasValue && f.Value.Type() == "bool" && i+1 < len(args) && (args[i+1] == "true" || args[i+1] == "false") {
			i++
			arg += "=" + args[i]
		}
		out = append(out, arg)
		if !hasValue && f.Value.Type() != "bool" && i+1 < len(args) { // its value may look like a flag
			i++
			out = append(out, args[i])
		}
	}
	return out
}

// envName is the environment variable of a flag.
func envName(flag string) string {
	return "RTMPTOOL_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// applyEnv sets the flags that were not given from the environment. An empty
// variable counts as none.
func applyEnv(c *cobra.Command) error {
	var err error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(envName(f.Name))
		if value == "" || f.Changed || err != nil {
			return
		}
		if setErr := c.Flags().Set(f.Name, value); setErr != nil {
			err = usageError{hintError{fmt.Errorf("%s=%q: %w", envName(f.Name), value, setErr), fmt.Sprintf("see: %s --help", c.CommandPath())}}
		}
	})
	return err
}
