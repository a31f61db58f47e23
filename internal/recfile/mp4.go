package recfile

import (
	"bytes"

	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
)

func (r *Recording) scanMP4(f bare) error {
	a := readAhead(f, r.Size)
	x, findings, err := bmff.Scan(a, r.Size)
	a.stop()
	if err != nil {
		return err
	}
	checked, err := bmff.Check(x, f)
	if err != nil {
		return err
	}
	r.Index, r.Ours, r.Fragments = x.Index, x.Ours, x.Fragments
	r.Findings = append(findings, checked...)
	switch {
	case x.Ours && x.State != bmff.Closed:
		r.plan = bmff.Finalize(x, r.Size)
	case !x.Ours && x.State == bmff.Open:
		r.copy = func(dst container.File) error { return bmff.Copy(dst, f, x) }
	}
	if err := r.deepMP4(f, x); err != nil {
		return err
	}
	if r.plan != nil || r.copy != nil {
		r.repairs(map[string]string{
			"M20": "leave it out", "M22": "leave it out", "M46": "leave it out",
			"M07": "end with what is there",
			"M02": "write the head of a closed file",
		})
	}
	if r.spent, err = r.spentMP4(f); err != nil {
		return err
	}
	r.judge(unfinished(r.Findings, "M04", "M05", "M20", "M33", "M49"))
	return nil
}

// spentMP4: so little is there that it is at most the head and a first fragment that
// was not written to its end. More fragments than one are a recording, be it one that
// cannot be read.
func (r *Recording) spentMP4(f bare) (bool, error) {
	if r.Size > maxRemnant {
		return false, nil
	}
	all := make([]byte, r.Size)
	if n, err := f.ReadAt(all, 0); n < len(all) {
		return false, err
	}
	return bytes.Count(all, []byte("moof")) <= 1, nil
}

// repairs says of the findings with a code what fix does about them.
func (r *Recording) repairs(of map[string]string) {
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Repair == "" {
			f.Repair = of[f.Code]
		}
	}
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
