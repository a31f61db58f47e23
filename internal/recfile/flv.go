package recfile

import (
	"errors"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
)

func (r *Recording) scanFLV(f file) error {
	x, findings := flv.Scan(f, r.Size)
	for _, found := range findings {
		if found.Code == flv.Unreadable {
			return errors.New(found.Text)
		}
	}
	r.Ours = flv.Ours(f, r.Size)
	r.Index = container.Index{Created: x.Created, Tracks: flv.Table(f, r.Size), End: x.End}
	r.Findings = append(findings, flv.Check(&x, f, r.Size)...)
	if r.Ours {
		r.plan = flv.Finalize(&x, r.Size)
	} else {
		r.copy = func(dst container.File) error { return flv.Copy(dst, f, r.Size) }
	}
	r.judge(x.Tags, unfinished(r.Findings, "F04", "F12", "F14", "F16"))
	return nil
}
