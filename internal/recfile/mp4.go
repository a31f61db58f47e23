package recfile

import (
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
)

func (r *Recording) scanMP4(f file) error {
	x, findings, err := bmff.Scan(f, r.Size)
	if err != nil {
		return err
	}
	checked, err := bmff.Check(x, f)
	if err != nil {
		return err
	}
	r.Index, r.Ours, r.Fragments = x.Index, x.Ours, x.Fragments
	r.Findings = append(findings, checked...)
	samples := 0
	for _, t := range x.Tracks {
		samples += t.Samples
	}
	switch {
	case x.Ours && x.State != bmff.Closed:
		r.plan = bmff.Finalize(x, r.Size)
	case !x.Ours && x.State == bmff.Open:
		r.copy = func(dst container.File) error { return bmff.Copy(dst, f, x) }
	}
	r.judge(samples, unfinished(r.Findings, "M04", "M05", "M20"))
	return nil
}

// unfinished: everything that is wrong is what an interrupted recorder leaves.
func unfinished(findings []container.Finding, codes ...string) bool {
	for _, f := range findings {
		known := f.Severity == container.Note
		for _, c := range codes {
			known = known || f.Code == c
		}
		if !known {
			return false
		}
	}
	return true
}
