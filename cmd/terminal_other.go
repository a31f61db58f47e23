//go:build !windows

package cmd

import "os"

// escapes: terminals understand escape sequences.
func escapes(*os.File) bool { return true }
