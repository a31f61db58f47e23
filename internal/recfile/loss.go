package recfile

import (
	"cmp"
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Loss is what fix leaves out.
type Loss struct {
	Bytes      int64
	Incomplete bool          // it never was whole: nothing is lost by that
	Tracks     []TrackLoss   // those that have less of it, as far as the tables tell
	Duration   time.Duration // of all tracks, from the end, as far as the file tells how long it was
	Estimated  bool          // Duration is what the bytes last at the rate of the others
}

// Nothing reports whether nothing is lost.
func (l Loss) Nothing() bool { return l.Bytes == 0 && l.Duration == 0 }

// TrackLoss is how much of a track is lost.
type TrackLoss struct {
	Track    int // in Index.Tracks
	Kind     media.Kind
	Duration time.Duration
}

// leavesOut tells whether the mended recording lacks what a finding is about, and
// whether that never was whole.
func (r *Recording) leavesOut(f container.Finding) (out, incomplete bool) {
	if f.Severity == container.Note || f.Repair == "" {
		return false, false
	}
	switch f.Code {
	case "F04", "M20": // the end: what was not written to its end, or is behind all that is whole
		return f.Offset >= r.Index.End, true
	case "F05", "M22", "M46", "F41", "M07": // damage: it was whole once
		return true, false
	}
	return false, false
}

// Losses tells of each finding what fix leaves out because of it.
func (r *Recording) Losses() []Loss {
	losses := make([]Loss, len(r.Findings))
	var holes []int // the findings that cost something, by offset
	for i, f := range r.Findings {
		out, incomplete := r.leavesOut(f)
		if !out {
			continue
		}
		losses[i] = Loss{Bytes: f.End - f.Offset, Incomplete: incomplete}
		switch {
		case f.Code == "F41":
			losses[i].Duration = r.missing
		case f.Code == "M07": // the table that told the time is among what is missing
			losses[i].Duration, losses[i].Estimated = r.lasts(losses[i].Bytes), true
		case !incomplete:
			holes = append(holes, i)
		}
	}
	if len(holes) == 0 {
		return losses
	}
	slices.SortStableFunc(holes, func(a, b int) int { return cmp.Compare(r.Findings[a].Offset, r.Findings[b].Offset) })
	for n, t := range r.Index.Tracks {
		r.lack(t, holes, func(finding int, d time.Duration) {
			losses[finding].Tracks = append(losses[finding].Tracks, TrackLoss{n, t.Kind, d})
		})
	}
	return losses
}

// lack finds how much of a track lies in holes of the file: as long as its samples
// around a hole are further apart than those before it. Of several holes between two
// samples the first one counts.
func (r *Recording) lack(t *container.Track, holes []int, found func(finding int, d time.Duration)) {
	step := t.UsualStep() // of the newest samples
	var before container.Row
	begun := false
	for row := range t.Rows() {
		first := -1
		for len(holes) > 0 && r.Findings[holes[0]].End <= row.Offset {
			if first < 0 {
				first = holes[0]
			}
			holes = holes[1:]
		}
		apart := row.DTS - before.DTS
		switch {
		case !begun: // nothing tells when the track began
		case first < 0:
			step = apart
		case apart-step > step/2: // times are rounded: half a sample is none
			found(first, t.Time(apart-step))
		}
		if len(holes) == 0 {
			return
		}
		before, begun = row, true
	}
}

// lasts is how long so many bytes last, at the rate of those that are there.
func (r *Recording) lasts(bytes int64) time.Duration {
	there := float64(r.Index.End - r.mediaBegin())
	if there <= 0 {
		return 0
	}
	return time.Duration(float64(bytes) / there * float64(r.Duration())).Round(time.Millisecond)
}

// Loss is what is lost in all.
func (r *Recording) Loss() Loss {
	var sum Loss
	for _, l := range r.Losses() {
		if l.Incomplete {
			continue
		}
		sum.Bytes += l.Bytes
		sum.Duration += l.Duration
		sum.Estimated = sum.Estimated || l.Estimated
		for _, t := range l.Tracks {
			i, found := slices.BinarySearchFunc(sum.Tracks, t.Track, func(x TrackLoss, n int) int { return cmp.Compare(x.Track, n) })
			if !found {
				sum.Tracks = slices.Insert(sum.Tracks, i, TrackLoss{Track: t.Track, Kind: t.Kind})
			}
			sum.Tracks[i].Duration += t.Duration
		}
	}
	return sum
}

// lossy: something is lost that was whole once.
func (r *Recording) lossy() bool { return !r.Loss().Nothing() }

// Unproven tells of frames that fix keeps though nothing proves them; empty if there are none.
func (r *Recording) Unproven() string {
	for _, f := range r.Findings {
		if f.Code == "F51" {
			return f.Text
		}
	}
	return ""
}
