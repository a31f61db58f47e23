package cmd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

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

// flagError says what is wrong with a flag in words of our own, and what was meant.
func flagError(c *cobra.Command, err error) error {
	hint := fmt.Sprintf("see: %s --help", c.CommandPath())
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		f := value.GetFlag()
		err = fmt.Errorf("--%s %q: %w", f.Name, value.GetValue(), wanted(f, value))
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		typed := unknown.GetSpecifiedName()
		err = fmt.Errorf("unknown flag --%s", typed)
		if meant := meantFlag(c, typed); meant != "" {
			hint = "did you mean " + meant + "?"
		}
	}
	return usageError{hintError{err, hint}}
}

// meantFlag is what a flag is called that somebody has mistyped, or given to another
// command; empty if there is none like it.
func meantFlag(c *cobra.Command, typed string) string {
	if near := nearest(typed, flagNames(c)); near != "" {
		return "--" + near
	}
	for _, other := range append(c.Root().Commands(), c.Root()) {
		if other.Flags().Lookup(typed) != nil {
			return other.CommandPath() + " --" + typed
		}
	}
	return ""
}

func flagNames(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// wantError says what a flag takes.
type wantError string

func (e wantError) Error() string { return "want " + string(e) }

// wanted says what a flag takes, where its parser speaks of Go.
func wanted(f *pflag.Flag, err error) error {
	var want wantError
	switch {
	case errors.As(err, &want):
		return want
	case errors.Is(err, strconv.ErrRange):
		return wantError("a smaller number")
	}
	switch f.Value.Type() {
	case "bool":
		return wantError("true or false")
	case "int":
		return wantError("a whole number")
	case "duration":
		return wantError("a duration with its unit, for example 500ms, 10s or 5m")
	}
	return err
}

// nearest is the name that somebody has most likely meant: the first that begins like
// that, or one that a change of a byte or two make of it, of a short name fewer; empty if
// there is none.
func nearest(typed string, names []string) string {
	best, found := min(2, len(typed)/4)+1, ""
	for _, name := range names {
		if typed != "" && strings.HasPrefix(name, typed) {
			return name
		}
		if d := distance(typed, name); d < best {
			best, found = d, name
		}
	}
	return found
}

// distance is how many bytes must be added, removed or replaced to make b of a
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // for what was read of a and each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
