package recfile

import (
	"cmp"
	"slices"
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

// Times tells of each finding at what time of the recording it is: that of the
// first sample behind its offset; -1 if it precedes all media.
func (r *Recording) Times() []time.Duration {
	times := make([]time.Duration, len(r.Findings))
	order := make([]int, 0, len(r.Findings)) // by offset: one pass of a table finds them all
	begin := r.mediaBegin()
	for i, f := range r.Findings {
		if times[i] = -1; f.Offset > begin || IsRot(f) { // which is media from its begin
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.Findings[a].Offset, r.Findings[b].Offset) })
	for _, t := range r.Index.Tracks {
		if t.Samples == 0 {
			continue
		}
		left := order
		note := func(at time.Duration) {
			if i := left[0]; times[i] < 0 || at < times[i] {
				times[i] = at
			}
			left = left[1:]
		}
		for row := range t.Rows() {
			for len(left) > 0 && r.Findings[left[0]].Offset <= row.Offset {
				note(t.Time(row.DTS))
			}
			if len(left) == 0 {
				break
			}
		}
		for len(left) > 0 {
			note(t.Time(t.First.DTS) + t.Duration())
		}
	}
	return times
}

// mediaBegin is the offset of the first sample.
func (r *Recording) mediaBegin() int64 {
	begin := r.Size
	for _, t := range r.Index.Tracks {
		if t.Samples > 0 {
			begin = min(begin, t.First.Offset)
		}
	}
	return begin
}
