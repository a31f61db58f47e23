package cmd

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/report"
)

type fixOptions struct {
	format        string
	dryRun, quiet bool
}

func newFix() *cobra.Command {
	var o fixOptions
	c := &cobra.Command{
		Use:   "fix [FILE|DIR...]",
		Short: "Finish and repair recordings, in place and without rewriting the media",
		Long: `fix finishes what a crash, a kill or a power cut left unfinished. Recordings of
rtmptool are mended in place: the media stays where it is, so that even hours of
video take less than a second. Anybody else's files are left alone; a finished
copy is written beside them (NAME.fixed.mp4), also where they only lack an index. Without arguments fix takes
./recordings. It can be run again at any time, and after a crash of its own.

Exit status: 0 repaired completely, or nothing to do; 1 a file could not be read
or written; 2 wrong arguments; 3 repaired, with a stated loss; 4 beyond repair,
untouched; 6 being recorded, untouched. Of several files the worst counts:
1, 4, 6, 3, 0.`,
		Example: `  rtmptool fix
  rtmptool fix --dry-run recordings
  rtmptool fix live_main_20260115_143022.mp4`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := applyEnv(c, onStderr(c)); err != nil {
				return err
			}
			if err := checkFormat(o.format); err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"recordings"}
			}
			return fix(c.Context(), args, o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be done, write nothing")
	addReportFlags(c, &o.format, &o.quiet)
	return c
}

func fix(ctx context.Context, args []string, o fixOptions, stdout, stderr io.Writer) error {
	return eachRecording(ctx, args, o.quiet, stderr, func(job *recfile.Job, path string) (code int, print func() error) {
		result, err := job.Fix(path, o.dryRun)
		code = outcomeCode(result.Outcome)
		if err != nil {
			code = exitRun
		}
		return code, func() error {
			if o.format == "json" {
				return report.FixJSON(stdout, path, result, o.dryRun, err)
			}
			return report.FixText(stdout, stderr, path, result, o.dryRun, err)
		}
	})
}

func outcomeCode(o recfile.Outcome) int {
	switch o {
	case recfile.Lossy:
		return exitDamaged
	case recfile.Irreparable:
		return exitHopeless
	case recfile.InUse:
		return exitInUse
	}
	return exitOK
}
