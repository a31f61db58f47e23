package cmd

import (
	"github.com/spf13/cobra"
)

// complete tells shells what commands and flags take, so that Tab offers it.
func complete(root *cobra.Command) {
	words := map[string][]string{
		"record-format": {"auto", "flv", "mp4"},
		"log-level":     {"debug", "info", "warn", "error"},
		"log-format":    {"auto", "console", "json"},
		"format":        {"text", "json"},
	}
	for _, c := range root.Commands() {
		c.ValidArgsFunction = cobra.NoFileCompletions
		for flag, values := range words {
			if c.Flags().Lookup(flag) == nil {
				continue
			}
			if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
				panic("internal error: " + err.Error()) // registered twice
			}
		}
		switch c.Name() {
		case "inspect", "fix":
			c.ValidArgsFunction = cobra.FixedCompletions([]string{"flv", "mp4"}, cobra.ShellCompDirectiveFilterFileExt)
		}
	}
}
