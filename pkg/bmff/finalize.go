package bmff

import (
	"encoding/binary"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Finalize plans what closes an open file of ours that has a size: write the moov
// behind the last whole fragment, wait until it is on the disk, then turn the head
// into that of a plain file with one write, the commit. What follows the fragments is
// never cut shorter than the moov: on a full disk its room would be gone. A file that
// is closed, not ours, or without one sample needs nothing.
func Finalize(x *Index, size int64) container.Plan {
	if !x.Ours || x.State == Closed || x.samples() == 0 {
		return nil
	}
	commit := container.Plan{{Op: container.Write, Offset: 0, Data: closedHead(x.End)}, {Op: container.Sync}}
	if x.sealed {
		return commit
	}
	w := closing(x)
	var plan container.Plan
	end := x.End + w.size()
	if size > end {
		// Durable first: where the head is that of a closed file, the moov alone makes it one.
		plan = append(plan, container.Edit{Op: container.Truncate, Offset: end}, container.Edit{Op: container.Sync})
	}
	plan = append(plan,
		container.Edit{Op: container.Write, Offset: x.End, Size: w.size(), Stream: w.writeSealed},
		container.Edit{Op: container.Truncate, Offset: end}, // gives back what was reserved
		container.Edit{Op: container.Sync})
	return append(plan, commit...)
}

// closing is the closing moov, but for its sample tables and its CRC.
func closing(x *Index) *boxWriter {
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
	if x.Ours { // a copy of somebody else's file has nothing to undo
		w.appendMark(x.Created, x.FileID)
		if len(x.Drops) > 0 {
			w.raw("uuid", appendDrops(nil, x.Drops))
		}
		w.raw("uuid", commitRecord(x.End))
	}
	end()
	return w
}

// commitRecord is the payload of the closing moov's uuid box: what undoes the
// commit, the old head and the old size, and room for the CRC.
func commitRecord(size int64) []byte {
	payload := append(append([]byte(nil), uuidCommit[:]...), openHead()...)
	payload = binary.BigEndian.AppendUint64(payload, uint64(size))
	return append(payload, 0, 0, 0, 0)
}
