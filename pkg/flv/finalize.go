package flv

import "github.com/rtmptool/rtmptool/pkg/container"

// Finalize plans what finishes a file of ours that has a size: cut what follows
// the last whole tag, mend what is damaged before it, wait until all that is on the
// disk, then give header and onMetaData, which speak of it, their final values in one
// write. No tag moves. The plan is nil for the rare damage that leaves no room for
// that: then Copy.
func Finalize(x *Index, size int64) container.Plan {
	if x.immovable {
		return nil
	}
	var plan container.Plan
	end := max(x.End, headSize)
	if size > end {
		plan = append(plan, container.Edit{Op: container.Truncate, Offset: end})
	}
	plan = append(plan, x.repairs...)
	final := *x
	final.End, final.finished = end, true
	if final.frameRate() == 0 {
		final.FrameRate = final.measuredRate()
	}
	return append(plan,
		container.Edit{Op: container.Sync},
		container.Edit{Op: container.Write, Offset: 0, Data: final.appendHead(nil)},
		container.Edit{Op: container.Sync})
}
