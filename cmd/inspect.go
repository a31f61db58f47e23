package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/report"
)

func newInspect() *cobra.Command {
	var format string
	var deep, quiet bool
	c := &cobra.Command{
		Use:   "inspect FILE|DIR...",
		Short: "Tell whether recordings are whole, and what would mend them",
		Long: `inspect reads FLV and MP4 recordings, those of rtmptool and anybody's, and says of
each whether it is whole; if not, what is wrong, where, and what fix would do. It
never writes. Of a directory it takes every .flv and .mp4 below it.

With --deep it reads all of the media too. An MP4 of rtmptool has a CRC of every few
milliseconds, open or closed: whatever a disk or a copy has changed since is found, with
its bytes and its time. FLV, and MP4 of other programs, have no checksums. Of these --deep
finds frames of H.264, H.265 and VVC whose NAL units do not add up; other damage to their
media it cannot see.

Exit status: 0 every file is whole, or is being recorded and consistent; 1 a file
could not be read; 2 wrong arguments; 3 unfinished or damaged, fix can mend it;
4 beyond repair, or rotten. Of several files the worst counts: 1, 4, 3, 0.`,
		Example: `  rtmptool inspect recordings
  rtmptool inspect live_main_20260115_143022.mp4
  rtmptool inspect --deep /archive
  rtmptool inspect --format json recordings | jq -r 'select(.verdict != "whole") | .path'`,
		Args: someArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := applyEnv(c, onStderr(c)); err != nil {
				return err
			}
			if err := checkFormat(format); err != nil {
				return err
			}
			return inspect(c.Context(), args, format, deep, quiet, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	addReportFlags(c, &format, &quiet)
	c.Flags().BoolVar(&deep, "deep", false, "read the media too, and find what has changed since it was written (MP4 of rtmptool; of others and FLV what NAL units tell)")
	return c
}

// addReportFlags adds what inspect and fix have in common.
func addReportFlags(c *cobra.Command, format *string, quiet *bool) {
	c.Flags().StringVar(format, "format", "text", "output: text, json (one line a file)")
	c.Flags().BoolVarP(quiet, "quiet", "q", false, "results and errors only, no progress on a terminal")
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

func inspect(ctx context.Context, args []string, format string, deep, quiet bool, stdout, stderr io.Writer) error {
	return eachRecording(ctx, args, quiet, stderr, func(job *recfile.Job, path string) (code int, print func() error) {
		job.Deep = deep
		r, err := job.Open(path)
		switch {
		case err != nil && format == "json":
			return exitRun, func() error { return report.JSON(stdout, report.Failed(path, err)) }
		case err != nil:
			return exitRun, func() error { return report.ErrorText(stderr, err) }
		case format == "json":
			return verdictCode(r.Verdict), func() error { return report.JSON(stdout, report.NewFile(r)) }
		}
		return verdictCode(r.Verdict), func() error { return report.Text(stdout, r) }
	})
}

func verdictCode(v recfile.Verdict) int {
	switch v {
	case recfile.Whole, recfile.Live:
		return exitOK
	case recfile.Hopeless, recfile.Rotten:
		return exitHopeless
	}
	return exitDamaged
}
