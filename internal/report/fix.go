package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/rtmptool/rtmptool/internal/recfile"
)

// ErrorText writes what went wrong as one line, with a hint if there is one.
func ErrorText(stderr io.Writer, failed error) error {
	line := "rtmptool: " + oneLine(failed)
	switch {
	case errors.Is(failed, fs.ErrNotExist):
		line += "; name the recordings, or the directory they are in"
	case errors.Is(failed, fs.ErrPermission):
		line += "; fix must be allowed to write a file of ours, or the directory of anybody else's; inspect need only read"
	}
	_, err := fmt.Fprintln(stderr, line)
	return err
}

// FixText writes what fix did with a file, or would do: the outcome first. What
// went wrong goes to stderr.
func FixText(stdout, stderr io.Writer, path string, f recfile.Fixed, dryRun bool, failed error) error {
	if failed != nil {
		return ErrorText(stderr, failed)
	}
	if _, err := fmt.Fprintf(stdout, "%s  %s\n", path, fixOutcome(f, dryRun)); err != nil {
		return err
	}
	if f.Outcome == recfile.Nothing || f.Outcome == recfile.InUse {
		return nil
	}
	var b strings.Builder
	findings(&b, f.Before)
	if _, err := io.WriteString(stdout, b.String()); err != nil {
		return err
	}
	if dryRun {
		for _, e := range f.Before.Plan() {
			if _, err := fmt.Fprintf(stdout, "  would %s\n", e); err != nil {
				return err
			}
		}
	}
	return nil
}

func fixOutcome(f recfile.Fixed, dryRun bool) string {
	switch f.Outcome {
	case recfile.Nothing:
		if f.Output != "" {
			return "nothing to do: finished already as " + f.Output
		}
		return "whole: nothing to do"
	case recfile.Irreparable:
		return "BEYOND REPAIR: untouched"
	case recfile.InUse:
		return "is being recorded: untouched"
	}
	verb := "FIXED"
	r := f.After
	if dryRun {
		verb, r = "would be fixed", f.Before
	}
	text := fmt.Sprintf("%s: %s, %s", verb, clock(r.Duration()), size(r.Size))
	switch {
	case f.Output != "":
		text += ", written to " + f.Output
	case dryRun && f.Before.Copies():
		text += ", as a new file"
	}
	return text + "; " + lost(f.Before)
}

// FixJSON writes the same as one line of JSON.
func FixJSON(w io.Writer, path string, f recfile.Fixed, dryRun bool, failed error) error {
	if failed != nil {
		file := Failed(path, failed)
		file.Fix = &Fix{Result: "failed"}
		return JSON(w, file)
	}
	r := f.After
	if r == nil {
		r = f.Before
	}
	file := NewFile(r)
	file.Path = path
	file.Fix = &Fix{Result: result(f.Outcome, dryRun), Output: f.Output}
	if f.After != nil { // what was mended, and what it cost
		before := NewFile(f.Before)
		file.Findings, file.Loss = before.Findings, before.Loss
	}
	for _, e := range f.Before.Plan() {
		file.Fix.Edits = append(file.Fix.Edits, e.String())
	}
	return JSON(w, file)
}

func result(o recfile.Outcome, dryRun bool) string {
	switch o {
	case recfile.Nothing:
		return "nothing to do"
	case recfile.Irreparable:
		return "beyond repair"
	case recfile.InUse:
		return "in use"
	case recfile.Lossy:
		if dryRun {
			return "would repair with loss"
		}
		return "repaired with loss"
	}
	if dryRun {
		return "would repair"
	}
	return "repaired"
}
