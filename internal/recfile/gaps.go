package recfile

import (
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// minGap is the shortest time without a frame that is worth a line.
const minGap = 500 * time.Millisecond

// Gap is a place where a track has no frame for long.
type Gap struct {
	Kind   media.Kind
	At     time.Duration // from the start of the file
	Length time.Duration
}

// Gaps lists the gaps of all tracks.
func (r *Recording) Gaps() []Gap {
	var all []Gap
	for _, t := range r.Index.Tracks {
		for g := range t.Gaps(minGap) {
			all = append(all, Gap{t.Kind, t.Time(g.Before.DTS), t.Time(g.After.DTS - g.Before.DTS)})
		}
	}
	return all
}
