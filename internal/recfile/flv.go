package recfile

import (
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
)

func (r *Recording) scanFLV(f bare) error {
	x, findings, err := flv.Scan(f, r.Size)
	if err != nil {
		return err
	}
	r.Index, r.Ours = x.Index, x.Ours
	r.Findings = append(findings, flv.Check(x)...)
	_, _, r.missing = x.Missing()
	if err := r.deepFLV(f, x); err != nil {
		return err
	}
	if r.Ours {
		r.plan = flv.Finalize(x, r.Size)
	}
	if r.plan == nil {
		r.copy = func(dst container.File) error { return flv.Copy(dst, f, r.Size, x) }
	}
	r.spent = r.Size <= maxRemnant
	r.judge(unfinished(r.Findings, "F04", "F12", "F14", "F16", "F26"))
	return nil
}
