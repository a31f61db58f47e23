package cmd

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// logFlags are the flags of every command that logs.
type logFlags struct {
	level, format string
	quiet         bool
}

func (l *logFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&l.level, "log-level", "info", "what to log: debug, info, warn, error")
	f.StringVar(&l.format, "log-format", "auto", "how to log: auto, console, json (auto: console on a terminal)")
	f.BoolVarP(&l.quiet, "quiet", "q", false, "log warnings and errors only, no greeting, no status")
}

// logger makes the logger. terminal tells whether the output is one.
func (l *logFlags) logger(out io.Writer, terminal bool) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(l.level)
	if err != nil || l.level == "" {
		return zerolog.Logger{}, usageError{fmt.Errorf("--log-level %q: want debug, info, warn or error", l.level)}
	}
	if l.quiet {
		level = max(level, zerolog.WarnLevel)
	}
	switch {
	case l.format == "console", l.format == "auto" && terminal:
		out = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, FieldsOrder: []string{"stream"}, NoColor: !terminal || os.Getenv("NO_COLOR") != ""}
	case l.format == "json", l.format == "auto":
	default:
		return zerolog.Logger{}, usageError{fmt.Errorf("--log-format %q: want auto, console or json", l.format)}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger(), nil
}

// isTerminal tells whether a person looks at the output.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" && escapes(f)
}
