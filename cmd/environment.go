package cmd

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const envPrefix = "RTMPTOOL_"

// envName is the environment variable of a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// applyEnv sets the flags that were not given from the environment, and warns of
// variables that no command knows. An empty variable counts as none.
func applyEnv(c *cobra.Command, warn func(text string)) error {
	for _, text := range strayVariables(c.Root()) {
		warn(text)
	}
	var err error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		value := os.Getenv(envName(f.Name))
		if value == "" || f.Changed || err != nil {
			return
		}
		if setErr := c.Flags().Set(f.Name, value); setErr != nil {
			err = usageError{hintError{fmt.Errorf("%s=%q: %w", envName(f.Name), value, wanted(f, setErr)), fmt.Sprintf("see: %s --help", c.CommandPath())}}
		}
	})
	return err
}

// onStderr is how a command that keeps no log warns.
func onStderr(c *cobra.Command) func(text string) {
	return func(text string) { fmt.Fprintln(c.ErrOrStderr(), "rtmptool: "+text) }
}

// strayVariables has a line for each variable that is named like a flag's but is none's.
// It does not tell the value, which may be a secret.
func strayVariables(root *cobra.Command) (lines []string) {
	var flags []string
	for _, c := range append(root.Commands(), root) {
		flags = append(flags, flagNames(c)...)
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		key, ours := strings.CutPrefix(name, envPrefix)
		flag := strings.ToLower(strings.ReplaceAll(key, "_", "-"))
		if !ours || value == "" || envName(flag) == name && slices.Contains(flags, flag) {
			continue
		}
		hint := "see: rtmptool serve --help"
		if meant := nearest(flag, flags); meant != "" {
			hint = "did you mean " + envName(meant) + "?"
		}
		lines = append(lines, fmt.Sprintf("unknown variable %s is ignored; %s", name, hint))
	}
	slices.Sort(lines)
	return lines
}
