package recfile

import (
	"errors"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
)

func (r *Recording) scanFLV(f bare) error {
	x, findings := flv.Scan(f, r.Size)
	cut := false // there are whole tags behind a damaged one
	for i, found := range findings {
		switch found.Code {
		case flv.Unreadable:
			return errors.New(found.Text)
		case "F05":
			var err error
			if cut, err = flv.HasTag(f, x.End, r.Size); err != nil {
				return err
			}
			if !cut {
				findings[i].Code = "F04" // a torn end, as a power cut leaves it
			}
		}
	}
	r.Ours = flv.Ours(f, r.Size)
	r.Index = container.Index{Created: x.Created, Tracks: flv.Table(f, r.Size), End: x.End}
	r.Findings = append(findings, flv.Check(&x, f, r.Size)...)
	if r.Ours && !cut {
		r.plan = flv.Finalize(&x, r.Size)
		r.repairs(map[string]string{"F04": "cut it off"})
	} else { // to cut in place what is whole could not be undone
		r.copy = func(dst container.File) error { return flv.Copy(dst, f, r.Size) }
		r.repairs(map[string]string{"F04": "leave it out", "F05": "leave out everything from here: it is lost in the copy"})
	}
	r.spent = !cut && x.End < maxRemnant
	r.judge(unfinished(r.Findings, "F04", "F12", "F14", "F16"))
	return nil
}
