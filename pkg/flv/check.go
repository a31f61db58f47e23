package flv

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

const (
	// maxDurationError is how far "duration" may be off: writers disagree about
	// the length of the last frame.
	maxDurationError = 0.5 // s

	// maxLastFrame is as much as they disagree by if they are no worse than that.
	maxLastFrame = 0.1 // s

	// maxRounding is how far that of ours may be off.
	maxRounding = 0.001 // s
)

// Check compares what onMetaData says with what Scan has found. A file of ours is
// unfinished when they differ. What the recorder has noted is a note.
func Check(x *Index) []container.Finding {
	noted := x.Dropped("F50", minTag+int64(dropSize))
	return slices.Concat(noted, x.unprovenNote(), x.check())
}

func (x *Index) check() []container.Finding {
	c := &x.claims
	if from, lost, d := x.Missing(); lost > 0 || d > 0 {
		text := fmt.Sprintf("finished once, and cut since: %d bytes and %.3f s are missing from the end", lost, d.Seconds())
		if lost == 0 {
			text = fmt.Sprintf("onMetaData says %.3f s: %.3f s are missing from the end", c.duration, d.Seconds())
		}
		return []container.Finding{{Code: "F41", Severity: container.Error, Offset: from, End: from + lost, Repair: x.remedy("F41"), Text: text}}
	}
	if x.Tags == 0 {
		return nil
	}
	var found []container.Finding
	add := func(code, text string) {
		found = append(found, container.Finding{Code: code, Severity: container.Warning,
			Offset: headerSize, End: max(headerSize, c.end), Text: text, Repair: x.remedy(code)})
	}
	off := min(math.Abs(c.duration-x.Duration().Seconds()), math.Abs(c.duration-x.length().Seconds()))
	switch {
	case !c.present:
		add("F12", "no onMetaData at the start: players do not know the duration and cannot seek")
	case x.Ours && (c.size != float64(x.End) || !(off <= maxRounding)):
		add("F14", "duration, size and index are not set: the recorder was stopped before it could finish")
	case x.Ours && (c.damaged || c.flags != x.flags() || !c.lists(x.keyframes())):
		add("F15", "header or onMetaData are damaged: they do not match the tags")
	case c.duration == 0 && x.Duration() > 0: // one frame has none
		add("F14", "no duration: players cannot seek")
	case off > maxDurationError:
		add("F14", fmt.Sprintf("duration says %.3f s, the tags last %.3f s", c.duration, x.Duration().Seconds()))
	case !x.Ours && x.keys > 1 && len(c.times) == 0:
		add("F16", "no index of keyframes: players seek slowly")
		found[0].Severity = container.Note // many programs write none
	}
	return found
}

// Missing is what a file that was finished once has lost from its end, from an offset
// on: its head still tells how many bytes there were, and how long it was. Other
// programs may tell the length alone, then lost is 0.
func (x *Index) Missing() (from, lost int64, d time.Duration) {
	const maxSize, maxSeconds = 1 << 53, 1e9 // more, or a fraction of a byte, is damage
	c := &x.claims
	from = max(x.End, headSize)
	if !x.Ours {
		from = x.End
	}
	if c.size > float64(from) && c.size <= maxSize && c.size == math.Trunc(c.size) {
		lost = int64(c.size) - from
	}
	if s := c.duration - x.length().Seconds(); s > 0 && s < maxSeconds {
		d = time.Duration(math.Round(s*1000)) * time.Millisecond
	}
	least := maxDurationError
	if lost > 0 { // two that agree
		least = maxLastFrame
	}
	switch {
	case lost == 0 && (x.Ours || c.size >= 0), // an unfinished file may tell how long it was to be
		d == 0 && len(x.repairs) > 0, // the bytes are missing where the damage is
		!x.Ours && d.Seconds() <= least:
		return from, 0, 0
	}
	return from, lost, d
}

// length is the duration that a head tells of: others count from 0, not from the first
// frame.
func (x *Index) length() time.Duration {
	if x.Ours {
		return x.Duration()
	}
	return max(x.Duration(), x.video.end(), x.audio.end())
}

// remedy says what fix does about findings of a code.
func (x *Index) remedy(code string) string {
	inPlace := x.Ours && !x.immovable
	switch code {
	case "F04":
		if inPlace {
			return "cut it off"
		}
		return "leave it out"
	case "F05":
		if inPlace {
			return "set it aside"
		}
		return "leave it out"
	case "F07", "F08":
		if inPlace {
			return "write it anew"
		}
	}
	if inPlace {
		return "write the head anew"
	}
	return "write a finished copy"
}
