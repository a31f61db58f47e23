package flv

import (
	"encoding/binary"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Finalize plans what finishes a file of ours that has a size: cut what follows
// the last whole tag, mend what is damaged before it, then give header and
// onMetaData their final values, all in one write. No tag moves. The plan is nil
// for the rare damage that leaves no room for that: then Copy.
func Finalize(x *Index, size int64) container.Plan {
	if x.immovable {
		return nil
	}
	var plan container.Plan
	end := max(x.End, headSize)
	if size > end {
		plan = append(plan, container.Edit{Op: container.Truncate, Offset: end})
	}
	for _, r := range x.repairs {
		plan = append(plan, r.edits()...)
	}
	final := *x
	final.End, final.finished = end, true
	if final.frameRate() == 0 {
		final.FrameRate = final.measuredRate()
	}
	return append(plan,
		container.Edit{Op: container.Write, Offset: 0, Data: final.appendHead(nil)},
		container.Edit{Op: container.Sync})
}

// edits writes the back pointer last: until it is there nobody takes for whole what
// is not.
func (r repair) edits() (edits []container.Edit) {
	if len(r.begin) > 0 {
		edits = append(edits, container.Edit{Op: container.Write, Offset: r.offset, Data: r.begin})
	}
	size := tagHeaderSize + r.size
	back := binary.BigEndian.AppendUint32(nil, uint32(size))
	return append(edits, container.Edit{Op: container.Write, Offset: r.offset + size, Data: back})
}
