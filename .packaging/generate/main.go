// Command generate makes what packages hold beside the program: man pages, completions for shells, and the
// licences of what is linked into it. The same arguments make the same bytes.
//
//	generate DIR VERSION SECONDS
//
// SECONDS is the date of the man pages, since 1970.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/rtmptool/rtmptool/cmd"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("want DIR VERSION SECONDS")
	}
	dir, version := args[0], args[1]
	seconds, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil { // a page of a command that is gone
		return err
	}
	if err := manPages(filepath.Join(dir, "man"), version, time.Unix(seconds, 0).UTC()); err != nil {
		return err
	}
	if err := completions(filepath.Join(dir, "completions")); err != nil {
		return err
	}
	return licences(filepath.Join(dir, "THIRD_PARTY_LICENSES"))
}

// manPages writes a page for each command, compressed as Debian wants it.
func manPages(dir, version string, date time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root := cmd.NewRoot()
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "1", Date: &date, Source: "rtmptool " + version, Manual: "rtmptool manual"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	for _, page := range pages {
		err = errors.Join(err, compress(page))
	}
	return err
}

// compress replaces a file by FILE.gz.
func compress(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression) // without name and time
	if err != nil {
		return err
	}
	if _, err := z.Write(text); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(path+".gz", b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Remove(path)
}

// completions writes what `rtmptool completion SHELL` prints, under the names that
// the shells look for.
func completions(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root := cmd.NewRoot()
	for name, generate := range map[string]func(*cobra.Command, io.Writer) error{
		"rtmptool.bash": func(c *cobra.Command, w io.Writer) error { return c.GenBashCompletionV2(w, true) },
		"_rtmptool":     (*cobra.Command).GenZshCompletion,
		"rtmptool.fish": func(c *cobra.Command, w io.Writer) error { return c.GenFishCompletion(w, true) },
		"rtmptool.ps1":  (*cobra.Command).GenPowerShellCompletionWithDesc,
	} {
		var b bytes.Buffer
		if err := generate(root, &b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
