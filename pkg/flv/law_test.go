package flv

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// recording is a run in a file.
type recording struct {
	open   []byte   // before Close
	file   *memFile // after it
	writer *Writer
	rate   float64 // that the head of the open file tells
}

// record writes a run and calls check after every write.
func record(t testing.TB, r run, check func(recording)) recording {
	t.Helper()
	rec := recording{file: &memFile{}}
	w := NewWriter(rec.file, r.options)
	rec.writer = w
	flush := func() {
		if w.Written() == 0 {
			rec.rate = w.Index().frameRate()
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if check != nil {
			check(rec)
		}
	}
	for i, p := range r.packets(t) {
		if err := p.writeTo(w); err != nil {
			t.Fatal(err)
		}
		if r.flushAt(i) {
			flush()
		}
	}
	flush()
	rec.open = slices.Clone(rec.file.data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return rec
}

// After every write the file says what the writer knows.
func TestScanOpenFile(t *testing.T) {
	for _, r := range runs {
		record(t, r, func(rec recording) {
			x, findings := scan(t, rec.file)
			sameIndex(t, r.name, x, rec.inFile(rec.writer.Index()))
			sameFindings(t, r.name, findings, nil)
			if !x.Ours {
				t.Errorf("%s: not ours", r.name)
			}
		})
	}
}

// inFile is what an open file tells of a writer's index.
func (rec recording) inFile(x *Index) *Index {
	y := *x
	y.FrameRate = rec.rate
	return &y
}

// written is the part of an index that a Writer has, too.
func written(x *Index) Index {
	y := *x
	y.Tracks, y.Ours, y.claims, y.repairs, y.torn, y.unproven = nil, false, claims{}, nil, nil, unproven{}
	return y
}

func sameIndex(t testing.TB, name string, got, want *Index) {
	t.Helper()
	a, b := written(got), written(want)
	shared := len(a.points) > 0 && len(a.points) == len(b.points) && &a.points[0] == &b.points[0]
	if shared || slices.Equal(a.points, b.points) {
		points := a.points
		a.points, b.points = nil, nil
		if reflect.DeepEqual(a, b) {
			return
		}
		a.points, b.points = points, points
	}
	t.Fatalf("%s: -want +got\n%s", name, cmp.Diff(b, a, allIndex))
}

// Cut at any byte, a file says what the writer knew at the last whole tag. One that
// lacks no more than its back pointer, for which there is room on a full disk too, is
// whole.
func TestScanCut(t *testing.T) {
	t.Parallel()
	for _, r := range runs {
		rec := record(t, r, nil)
		w := NewWriter(&discard{}, r.options)
		s := newScanner(bytes.NewReader(rec.open), int64(len(rec.open)))
		s.begin()
		sameIndex(t, r.name, s.index, rec.inFile(w.Index()))
		for _, p := range r.packets(t) {
			before, clock := *s.index, s.clock
			before.points = slices.Clone(before.points)
			if err := p.writeTo(w); err != nil {
				t.Fatal(err)
			}
			for tag := range s.walk {
				s.index.addTag(tag, false)
				break
			}
			sameIndex(t, r.name, s.index, rec.inFile(w.Index()))
			if int64(len(rec.open))-before.End < 64<<10 {
				checkTorn(t, r.name, rec.open, before, *s.index, clock)
			}
		}
	}
}

// checkTorn cuts the tag behind an index at each of its bytes.
func checkTorn(t *testing.T, name string, data []byte, before, after Index, at clock) {
	t.Helper()
	for cut := before.End; cut < after.End; cut++ {
		x, want := before, before
		if lacksPointer(cut, after.End) {
			want, x.points = after, slices.Clone(x.points) // which the walk will change
		}
		s := newScanner(bytes.NewReader(data[:cut]), cut)
		s.index, s.offset, s.clock = &x, x.End, at
		s.walk(func(tag Tag) bool { x.addTag(tag, false); return true })
		sameIndex(t, name, &x, &want)
		sameFindings(t, name, s.findings, tornAt(before.End, cut, after.End))
	}
}

// lacksPointer: what is missing of a tag that ends at end is of its back pointer, and
// lies in the sector in which the file ends.
func lacksPointer(cut, end int64) bool { return cut >= end-4 && (cut-1)/512 == (end-1)/512 }

// tornAt is the finding about a tag that the end of the file cuts.
func tornAt(begin, cut, end int64) []container.Finding {
	if cut == begin {
		return nil
	}
	want, repair := end-begin, ""
	if cut-begin < tagHeaderSize { // not enough to know its size
		want = minTag
	}
	if lacksPointer(cut, end) && end > headSize {
		repair = "complete its back pointer"
	}
	return []container.Finding{{Code: "F04", Severity: container.Error, Offset: begin, End: cut, Repair: repair,
		Text: fmt.Sprintf("flv: tag at %d: have %d bytes, want %d: cut by the end of the file", begin, cut-begin, want)}}
}

// sameFindings compares findings, and what mends them where that is said.
func sameFindings(t testing.TB, name string, got, want []container.Finding) {
	t.Helper()
	same := slices.EqualFunc(got, want, func(a, b container.Finding) bool {
		if b.Repair == "" {
			a.Repair = ""
		}
		return a == b
	})
	if !same {
		t.Fatalf("%s: got %+v, want %+v", name, got, want)
	}
}

// The same by whole scans: of a small file at every byte, of others at some.
func TestScanCutFromStart(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for i, r := range runs {
		rec := record(t, r, nil)
		var cuts []int64
		if i == 0 {
			for cut := int64(0); cut <= int64(len(rec.open)); cut++ {
				if cut == 100 {
					cut = headSize - 100 // in between is nothing new
				}
				cuts = append(cuts, cut)
			}
		}
		for range 30 {
			cuts = append(cuts, random.Int64N(int64(len(rec.open))+1), headSize+random.Int64N(int64(len(rec.open))-headSize+1))
		}
		slices.Sort(cuts)
		w := NewWriter(&discard{}, r.options)
		packets := r.packets(t)
		begin := int64(headSize)
		for _, cut := range cuts {
			for len(packets) > 0 && wholeAt(cut, w.Index().End+minTag+int64(len(packets[0].Body))) {
				begin = w.Index().End
				if err := packets[0].writeTo(w); err != nil {
					t.Fatal(err)
				}
				packets = packets[1:]
			}
			end := w.Index().End
			if cut >= end {
				begin = end
				if len(packets) > 0 {
					end += minTag + int64(len(packets[0].Body))
				}
			}
			got, findings := scan(t, bytesFile(rec.open[:cut]))
			want, wantFindings := rec.wantCut(w.Index(), begin, cut, end)
			sameIndex(t, r.name, got, want)
			sameFindings(t, r.name, findings, wantFindings)
		}
	}
}

// wholeAt: a tag that ends at end is whole in a file that is cut, or can be made so.
func wholeAt(cut, end int64) bool { return cut >= end || lacksPointer(cut, end) }

// wantCut is what a scan of a cut file says, begin and end being those of the tag
// that is cut.
func (rec recording) wantCut(x *Index, begin, cut, end int64) (*Index, []container.Finding) {
	switch {
	case cut < headerSize:
		return &Index{Index: container.Index{End: cut}}, []container.Finding{{Code: "F02", Severity: container.Error, End: cut,
			Text: fmt.Sprintf("flv: header at 0: file of %d bytes, want at least 13", cut)}}
	case cut < headSize:
		return &Index{Index: container.Index{End: headerSize}}, tornAt(headerSize, cut, headSize)
	}
	return rec.inFile(x), tornAt(begin, cut, end)
}

// Closing a file, and finishing one that was not closed, come to the same bytes.
func TestFinalizeLikeClose(t *testing.T) {
	t.Parallel()
	for _, r := range runs {
		rec := record(t, r, nil)
		f := bytesFile(rec.open)
		finish(t, f)
		sameBytes(t, r.name+", not closed", f.data, rec.file.data)
		finish(t, f)
		sameBytes(t, r.name+", finished twice", f.data, rec.file.data)

		x, findings := scan(t, rec.file)
		sameFindings(t, r.name, findings, nil)
		if plan := Finalize(x, rec.file.size()); !reflect.DeepEqual(plan, Finalize(rec.writer.Index(), rec.file.size())) {
			t.Errorf("%s: writer and scan make different plans: %v", r.name, plan)
		}
		if got := rec.writer.Index().Duration(); got != r.duration {
			t.Errorf("%s: duration %v, want %v", r.name, got, r.duration)
		}
		checkFinished(t, r.name, rec.file.data)
		if !bytes.Equal(rec.file.data[headSize:], rec.open[headSize:]) {
			t.Errorf("%s: Close changed the media", r.name)
		}
	}
}

func sameBytes(t testing.TB, name string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	t.Fatalf("%s: %d bytes, want %d; they differ from %d on", name, len(got), len(want), i)
}

// A torn file is finished, and one whose finishing was cut short is finished to
// the same bytes.
func TestFinalizeCut(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	for _, r := range runs {
		rec := record(t, r, nil)
		size := len(rec.open)
		cuts := []int{0, 1, headerSize - 1, headerSize, headerSize + 1, headSize - 1, headSize, headSize + 1, size - 1, size}
		if r.long {
			cuts = cuts[len(cuts)-2:]
		}
		for range 5 {
			cuts = append(cuts, headSize+random.IntN(size-headSize+1))
		}
		for _, cut := range cuts {
			testFinalizeCut(t, fmt.Sprintf("%s cut at %d", r.name, cut), rec.open[:cut])
		}
	}
}

func testFinalizeCut(t *testing.T, name string, data []byte) {
	t.Helper()
	f := bytesFile(data)
	before := finish(t, f)
	checkFinished(t, name, f.data)
	if n := min(before.End, int64(len(data))); n > headSize && !bytes.Equal(f.data[headSize:n], data[headSize:n]) {
		t.Errorf("%s: whole tags are lost", name)
	}
	checkCrashes(t, name, data, f.data)
}

// checkCrashes finishes a file again, and after a crash behind any edit of the plan
// or within one: always to the same bytes.
func checkCrashes(t *testing.T, name string, data, want []byte) {
	t.Helper()
	again := bytesFile(want)
	finish(t, again)
	sameBytes(t, name+", again", again.data, want)
	x, _ := scan(t, bytesFile(data))
	crashed := bytesFile(data)
	for i, e := range Finalize(x, int64(len(data))) {
		for _, n := range tears(e) {
			torn := bytesFile(crashed.data)
			apply(t, container.Plan{{Op: container.Write, Offset: e.Offset, Data: e.Data[:n]}}, torn)
			finish(t, torn)
			sameBytes(t, fmt.Sprintf("%s, crash in edit %d at %d", name, i, n), torn.data, want)
		}
		again := bytesFile(crashed.data)
		finish(t, again)
		sameBytes(t, fmt.Sprintf("%s, crash before edit %d", name, i), again.data, want)
		apply(t, container.Plan{e}, crashed)
	}
}

// tears lists how much of an edit a crash may leave: of a small one, which may lie
// across sectors, any part; of the head some sectors.
func tears(e container.Edit) (sizes []int) {
	const sector = 512
	unit := 1
	if len(e.Data) > sector {
		unit = sector
	}
	for a, b := unit, 2*unit; a < len(e.Data); a, b = b, a+b {
		sizes = append(sizes, a)
	}
	return sizes
}

// checkFinished reads a finished file as a player does.
func checkFinished(t *testing.T, name string, data []byte) {
	t.Helper()
	if x, findings := scan(t, bytesFile(data)); worst(findings) > container.Note || x.End != int64(len(data)) {
		t.Fatalf("%s: %d of %d bytes, %+v", name, x.End, len(data), findings)
	}
	tags, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	head, err := tags.Next()
	if err != nil || head.Type != TagScript || head.Time != 0 || head.Offset != headerSize {
		t.Fatalf("%s: first tag %d at %v: %v", name, head.Type, head.Time, err)
	}
	s := readMetadata(t, head.Body)
	points, all := playerIndex(t, tags)
	for _, p := range s.keyframes {
		if !slices.Contains(points, p) {
			t.Fatalf("%s: no keyframe at %+v", name, p)
		}
	}
	switch {
	case len(points) < 2 && s.keyframes != nil:
		t.Errorf("%s: an index of %+v", name, points)
	case len(points) > 1 && len(points) < maxKeyframes && !slices.Equal(s.keyframes, points):
		t.Errorf("%s: index %+v, want %+v", name, s.keyframes, points)
	case len(points) >= maxKeyframes && (len(s.keyframes) < maxKeyframes/2 || s.keyframes[0] != points[0] || s.keyframes[1] != points[1]):
		t.Errorf("%s: an index of %d, first %+v", name, len(s.keyframes), s.keyframes[:2])
	}
	if got := s.values["filesize"]; got != float64(len(data)) {
		t.Errorf("%s: filesize %v, want %d", name, got, len(data))
	}
	if got := s.values["duration"]; got != all.Seconds() {
		t.Errorf("%s: duration %v, want %v", name, got, all)
	}
	if flags := data[flagsOffset]; s.values["hasVideo"] != (flags&flagVideo != 0) || s.values["hasAudio"] != (flags&flagAudio != 0) {
		t.Errorf("%s: flags %d, video %v, audio %v", name, flags, s.values["hasVideo"], s.values["hasAudio"])
	}
}

// playerIndex walks the media tags: the first configuration if it comes before
// the first keyframe, then all keyframes, of track 0; and how long all frames last.
func playerIndex(t *testing.T, tags *Reader) (points []point, duration time.Duration) {
	t.Helper()
	var config []point
	times := map[media.Kind][]time.Duration{}
	for {
		tag, err := tags.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(tag.Type, tag.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case p.Role == media.Decoder && config == nil && points == nil:
			config = []point{{tag.Time, tag.Offset}}
		case p.Role == media.Frame && p.Track == 0:
			times[p.Kind] = append(times[p.Kind], tag.Time)
			if p.Key {
				points = append(points, point{tag.Time, tag.Offset})
			}
		}
	}
	if points != nil {
		points = append(config, points...)
	}
	var first, end []time.Duration
	for _, list := range times {
		newest, step := list[0], time.Duration(0)
		for _, at := range list {
			if at > newest {
				newest, step = at, at-newest
			}
		}
		first, end = append(first, slices.Min(list)), append(end, newest+step)
	}
	if len(first) == 0 {
		return points, 0
	}
	return points, slices.Max(end) - slices.Min(first)
}
