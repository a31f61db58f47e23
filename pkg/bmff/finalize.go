package bmff

import (
	"encoding/binary"
	"io"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Finalize plans what closes an open file of ours that has a size: cut what
// follows the last whole fragment, append the moov, wait until it is on the disk,
// then turn the head into that of a plain file with one write, the commit.
func Finalize(x *Index, size int64) container.Plan {
	tracks, counts := x.describe()
	w := &boxWriter{}
	end := w.open("moov")
	duration := int64(0)
	for _, t := range tracks {
		duration = max(duration, t.movieDuration())
	}
	w.mvhd(x.Created, duration, len(tracks))
	for i, t := range tracks {
		w.trak(t, x.Created, func() { w.splice(counts[i], x.Tracks[i]) })
	}
	w.appendMark(x.Created, x.FileID)
	w.raw("uuid", commitRecord(x.End))
	end()
	length := int64(len(w.buf)) + w.spliced

	var plan container.Plan
	if size > x.End {
		plan = append(plan, container.Edit{Op: container.Truncate, Offset: x.End})
	}
	return append(plan,
		container.Edit{Op: container.Write, Offset: x.End, Size: length, Stream: func(out io.Writer) error { return w.writeTo(out) }},
		container.Edit{Op: container.Truncate, Offset: x.End + length}, // gives back what was reserved
		container.Edit{Op: container.Sync},
		container.Edit{Op: container.Write, Offset: 0, Data: closedHead(x.End)},
		container.Edit{Op: container.Sync})
}

// commitRecord is the payload of the closing moov's uuid box: what undoes the
// commit, the old head and the old size.
func commitRecord(size int64) []byte {
	payload := append(append([]byte(nil), uuidCommit[:]...), openHead()...)
	return binary.BigEndian.AppendUint64(payload, uint64(size))
}
