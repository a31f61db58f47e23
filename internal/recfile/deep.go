package recfile

import (
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
)

// rot are the findings about media alone: no repair changes it.
var rot = map[string]bool{"F26": true, "M33": true, "M49": true}

// IsRot reports whether a finding is about media that is not what was written.
func IsRot(f container.Finding) bool { return rot[f.Code] && f.Severity > container.Note }

// deepFLV reads the media of an FLV.
func (r *Recording) deepFLV(f bare, x *flv.Index) error {
	return r.deep(f, func() ([]container.Finding, error) { return flv.Verify(f, x) })
}

// deepMP4 reads the media of an MP4.
func (r *Recording) deepMP4(f bare, x *bmff.Index) error {
	return r.deep(f, func() ([]container.Finding, error) { return bmff.Verify(f, r.Size, x) })
}

// deep reads a file a second time, if the job is to.
func (r *Recording) deep(f bare, verify func() ([]container.Finding, error)) error {
	if !f.job.Deep {
		return nil
	}
	f.job.step(f.File, r.Size)
	findings, err := verify()
	r.Findings = append(r.Findings, findings...)
	return err
}
