package bmff

import (
	"cmp"
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// differ reports whether two durations are further apart than rounding and the
// last sample explain.
func differ(a, b time.Duration) bool {
	const slack = 500 * time.Millisecond
	d := max(a-b, b-a)
	return d > slack && d > max(a, b)/100
}

// mediaDuration compares mdhd, the edit list and tkhd with the samples (M14).
func (c *checker) mediaDuration(name string, i int, t *container.Track) {
	x, d := c.index, &c.index.details[i]
	if x.State != Closed || x.said.timescale == 0 {
		return
	}
	decoded, step := time.Duration(0), x.lastStep(i)
	if t.Samples > 0 {
		decoded = t.Time(t.Last.DTS - t.First.DTS + step)
	}
	if said := t.Time(clamp(d.said.mediaDuration)); differ(said, decoded) {
		c.find("M14", container.Warning, x.End, x.End, "%s: mdhd tells %s, the samples last %s", name, said, decoded)
	}
	movie := container.Track{Timescale: x.said.timescale}
	said, edited := movie.Time(clamp(d.said.movieDuration)), movie.Time(clamp(d.said.edits.total))
	switch {
	case d.said.edits.count > 0 && differ(said, edited):
		c.find("M14", container.Warning, x.End, x.End, "%s: tkhd tells %s, the edit list %s", name, said, edited)
	case d.said.edits.count == 0 && differ(said, decoded) && differ(said, presentedFor(t, step)):
		c.find("M14", container.Warning, x.End, x.End, "%s: tkhd tells %s, the samples last %s", name, said, decoded)
	}
}

// presentedFor is from the presentation of the first sample to the end of the one that
// is shown last.
func presentedFor(t *container.Track, step int64) time.Duration {
	if t.Samples == 0 {
		return 0
	}
	return t.Time(count(t, step).presented - t.First.DTS - int64(t.First.CTS))
}

// clamp keeps a duration within what can be counted with.
func clamp(ticks uint64) int64 { return int64(min(ticks, maxTicks)) }

// movieDuration compares mvhd with the longest track (M14).
func (c *checker) movieDuration() {
	x := c.index
	if x.State != Closed || x.said.timescale == 0 {
		return
	}
	movie, longest := container.Track{Timescale: x.said.timescale}, uint64(0)
	for i := range x.Tracks {
		longest = max(longest, x.details[i].said.movieDuration)
	}
	if said, want := movie.Time(clamp(x.said.duration)), movie.Time(clamp(longest)); differ(said, want) {
		c.find("M14", container.Warning, x.End, x.End, "mvhd tells %s, the longest track %s", said, want)
	}
}

// maxRanges bounds the memory of overlaps.
const maxRanges = 1 << 24

// overlaps finds bytes that belong to two samples (M43).
func (c *checker) overlaps() {
	var ranges [][2]int64
	for _, t := range c.index.Tracks {
		end := int64(-1)
		for r := range t.Rows() {
			switch {
			case r.Size == 0:
			case r.Offset == end:
				ranges[len(ranges)-1][1] = r.End()
			case len(ranges) == maxRanges:
				return
			default:
				ranges = append(ranges, [2]int64{r.Offset, r.End()})
			}
			if r.Size > 0 {
				end = r.End()
			}
		}
	}
	slices.SortFunc(ranges, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	count, first := 0, [2]int64{}
	for i, end := 0, int64(0); i < len(ranges); i++ {
		r := ranges[i]
		if r[0] < end {
			if count++; count == 1 {
				first = [2]int64{r[0], min(r[1], end)}
			}
		}
		end = max(end, r[1])
	}
	if count > 0 {
		c.find("M43", container.Warning, first[0], first[1], "%d ranges of samples overlap others", count)
	}
}
