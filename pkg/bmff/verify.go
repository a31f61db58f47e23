package bmff

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Verify reads all of a file that Scan made the index of, size bytes long. In one of ours
// it compares every fragment with its CRC; so it does with those that lie in the mdat of a
// closed file. What has changed since it was written it finds as M49, with its bytes and
// its time. A file of other makers has no checksums: there it finds (M33) frames of video
// whose NAL units have lengths that do not add up. The error is one of reading.
func Verify(r io.ReaderAt, size int64, x *Index) ([]container.Finding, error) {
	switch {
	case x.State == Empty:
		return nil, nil
	case !x.Ours:
		return units(r, x)
	}
	end := min(size, x.End)
	s := &scanner{window: newWindow(r, end), index: &Index{}}
	s.budget = proofFactor*end + proofExtra
	s.anonymous(x.FileID)
	v := &verifier{scanner: s}
	v.walk()
	if s.window.err != nil {
		return nil, s.window.err
	}
	for i, t := range x.Tracks {
		v.holds(i, t)
	}
	return v.found(x), nil
}

// units finds frames whose NAL units do not fit into them.
func units(r io.ReaderAt, x *Index) (all []container.Finding, err error) {
	for _, t := range x.Tracks {
		if t.Kind != media.Video {
			continue
		}
		v, _ := codec.ParseVideo(t.Codec, t.Config) // of what cannot be read lengths have four bytes
		found, err := container.Misfits(r, t, func(sample []byte) bool { return codec.UnitsFit(t.Codec, sample, v.NALULength) },
			"M33", "rot: the lengths of the NAL units of %s do not add up: damaged, or written so")
		if err != nil {
			return nil, fmt.Errorf("mp4: %w", err)
		}
		all = append(all, found...)
	}
	return all, nil
}

// verifier walks the fragments without the tracks: a CRC covers them all.
type verifier struct {
	*scanner
	rot    []rot // by offset
	copied bool  // there is a copy of the init moov
}

// rot is a range of the file that is not what was written.
type rot struct {
	offset, end int64
	init        bool // it is the init moov, with damaged fragments behind it, or its copy
	reason      string
	samples     []rotten // a track that has any in it
}

// rotten are the samples of a track in a range.
type rotten struct {
	track    int
	kind     media.Kind
	count    int
	from, to time.Duration // of the recording
}

func (v *verifier) add(r rot) { v.rot = append(v.rot, r) }

// walk finds what does not match its CRC.
func (v *verifier) walk() {
	first := v.behindInit()
	for at := first; at < v.window.size && v.window.err == nil; {
		f, next, reason := v.fragment(at)
		switch {
		case f != nil && v.intact(f):
			v.free = append(v.free, f)
		case f != nil:
			v.free = append(v.free, f)
			if !v.goesOn(next) { // its size is wrong, too
				next = v.behind(at)
			}
			v.add(rot{offset: at, end: next, reason: "a fragment does not match its CRC"})
		case reason == "":
			v.copied = true
			if _, all, ok := v.window.whole(at+uuidHeader, "moov", maxInit); !ok || !summed(all) {
				v.add(rot{offset: at, end: next, init: true, reason: "the copy of the init moov does not match its CRC"})
			}
		default:
			next = v.behind(at)
			v.add(rot{offset: at, end: next, reason: "a fragment is damaged: " + reason})
		}
		at = next
	}
	if !v.initIntact() {
		v.rot = slices.Insert(v.rot, 0, rot{offset: int64(headSize), end: first, init: true, reason: "the init moov does not match its CRC"})
	}
}

// behindInit is where the fragments begin. The size of an init moov that does not match
// its CRC may be what has changed: then an intact fragment in front of its end counts.
func (v *verifier) behindInit() int64 {
	b, all, ok := v.window.whole(headSize, "moov", maxInit)
	if ok && summed(all) {
		return b.end()
	}
	next := v.behind(headSize)
	if ok && b.end() < next && v.goesOn(b.end()) {
		return b.end()
	}
	return next
}

// goesOn: a fragment begins there, or the copy of the init moov, or it is the end.
func (v *verifier) goesOn(at int64) bool {
	if at == v.window.size {
		return true
	}
	f, _, reason := v.fragment(at)
	if f != nil {
		v.free = append(v.free, f)
	}
	return reason == ""
}

// behind is where an intact fragment follows, with the copy of the init moov in front of
// it, or the end.
func (v *verifier) behind(at int64) int64 {
	if next, ok := v.resync(at + 1); ok {
		return next
	}
	return v.window.size
}

// initIntact: the init moov matches its CRC. Files with a copy of it have one.
func (v *verifier) initIntact() bool {
	b, all, ok := v.window.whole(headSize, "moov", maxInit)
	if !ok || summed(all) {
		return ok
	}
	h, err := parseMoov(all[b.header:])
	return !v.copied && err == nil && h.ours && !h.summed
}

// holds notes which samples of a track lie in what has changed.
func (v *verifier) holds(track int, t *container.Track) {
	last := -1 // the range of the sample before
	for row := range t.Rows() {
		i, _ := slices.BinarySearchFunc(v.rot, row.Offset, func(r rot, offset int64) int {
			if r.end <= offset {
				return -1
			}
			return 1
		})
		if last >= 0 { // it lasts until this one
			s := v.rot[last].samples
			s[len(s)-1].to = t.Time(row.DTS)
		}
		if last = -1; i == len(v.rot) || row.End() <= v.rot[i].offset {
			continue
		}
		r := &v.rot[i]
		if n := len(r.samples); n == 0 || r.samples[n-1].track != track {
			r.samples = append(r.samples, rotten{track: track, kind: t.Kind, from: t.Time(row.DTS)})
		}
		r.samples[len(r.samples)-1].count++
		last = i
	}
	if last >= 0 {
		s := v.rot[last].samples
		s[len(s)-1].to = t.Time(t.First.DTS) + t.Duration()
	}
}

// found are the findings. What holds no sample costs nothing; in a file that is not closed
// Scan has told of it.
func (v *verifier) found(x *Index) []container.Finding {
	var all []container.Finding
	for _, r := range v.rot {
		f := container.Finding{Code: "M49", Severity: container.Note, Offset: r.offset, End: r.end}
		switch {
		case len(r.samples) > 0:
			f.Severity = container.Error
			f.Text = "rot: " + r.reason + ": " + r.describe()
		case x.State != Closed:
			continue
		case r.init:
			f.Text = r.reason + ": it is of use only if the closing moov is lost"
		default:
			f.Text = r.reason + "; no sample is in it: it was left out when the file was finished"
		}
		all = append(all, f)
	}
	return all
}

// describe lists what the range holds: 1 frame of video from 1.200 s to 1.233 s, ...
func (r *rot) describe() string {
	slices.SortStableFunc(r.samples, func(a, b rotten) int { return cmp.Compare(a.track, b.track) })
	var parts []string
	for _, s := range r.samples {
		frames := "frames"
		if s.count == 1 {
			frames = "frame"
		}
		parts = append(parts, fmt.Sprintf("%d %s of %s from %.3f s to %.3f s", s.count, frames, s.kind, s.from.Seconds(), s.to.Seconds()))
	}
	return strings.Join(parts, ", ")
}
