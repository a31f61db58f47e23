package flv

import (
	"bufio"
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
func record(t *testing.T, r run, check func(recording)) recording {
	t.Helper()
	rec := recording{file: &memFile{}}
	w := NewWriter(rec.file, r.hints)
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
		if err := w.Write(p.Packet, p.at); err != nil {
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
			x, findings := Scan(rec.file, rec.file.size())
			sameIndex(t, r.name, x, rec.inFile(rec.writer.Index()))
			sameFindings(t, r.name, findings, nil)
		})
	}
}

// inFile is what an open file tells of a writer's index.
func (rec recording) inFile(x *Index) Index {
	y := *x
	y.FrameRate = rec.rate
	return y
}

func sameIndex(t testing.TB, name string, got, want Index) {
	t.Helper()
	shared := len(got.points) > 0 && len(got.points) == len(want.points) && &got.points[0] == &want.points[0]
	if shared || slices.Equal(got.points, want.points) {
		a, b := got, want
		if a.points, b.points = nil, nil; reflect.DeepEqual(a, b) {
			return
		}
	}
	t.Fatalf("%s: -want +got\n%s", name, cmp.Diff(want, got, allIndex))
}

// Cut at any byte, a file says what the writer knew at the last whole tag.
func TestScanCut(t *testing.T) {
	t.Parallel()
	for _, r := range runs {
		rec := record(t, r, nil)
		w := NewWriter(discard{}, r.hints)
		tags, err := NewReader(bytes.NewReader(rec.open), int64(len(rec.open)))
		if err != nil {
			t.Fatal(err)
		}
		var x Index
		next := func() {
			tag, err := tags.Next()
			if err != nil {
				t.Fatal(err)
			}
			x.addTag(tag, tags.offset)
			sameIndex(t, r.name, x, rec.inFile(w.Index()))
		}
		next()
		for _, p := range r.packets(t) {
			begin := x.End
			state := *tags
			if err := w.Write(p.Packet, p.at); err != nil {
				t.Fatal(err)
			}
			if int64(len(rec.open))-begin < 64<<10 {
				checkTorn(t, r.name, rec.open, x, state, w.Index().End)
			}
			next()
		}
	}
}

// checkTorn cuts the next tag of a walk at each of its bytes.
func checkTorn(t *testing.T, name string, data []byte, x Index, at Reader, end int64) {
	t.Helper()
	buffer := bufio.NewReaderSize(nil, 16)
	for cut := at.offset; cut < end; cut++ {
		y, tags := x, at
		tags.size, tags.r = cut, buffer
		buffer.Reset(bytes.NewReader(data[at.offset:cut]))
		findings := y.walk(&tags)
		sameIndex(t, name, y, x)
		sameFindings(t, name, findings, tornAt(x.End, cut, end))
	}
}

// tornAt is the finding about a tag that the end of the file cuts.
func tornAt(begin, cut, end int64) []container.Finding {
	if cut == begin {
		return nil
	}
	want := end - begin
	if cut-begin < tagHeaderSize+backPointer { // not enough to know its size
		want = tagHeaderSize + backPointer
	}
	return []container.Finding{{Code: "F04", Severity: container.Error, Offset: begin, End: cut,
		Text: fmt.Sprintf("flv: tag at %d: have %d bytes, want %d: cut by the end of the file", begin, cut-begin, want)}}
}

func sameFindings(t testing.TB, name string, got, want []container.Finding) {
	t.Helper()
	if !slices.Equal(got, want) {
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
			for cut := range int64(len(rec.open)) + 1 {
				cuts = append(cuts, cut)
			}
		}
		for range 30 {
			cuts = append(cuts, random.Int64N(int64(len(rec.open))+1), headSize+random.Int64N(int64(len(rec.open))-headSize+1))
		}
		slices.Sort(cuts)
		w := NewWriter(discard{}, r.hints)
		packets := r.packets(t)
		for _, cut := range cuts {
			for len(packets) > 0 && w.Index().End+15+int64(len(packets[0].Body)) <= cut {
				if err := w.Write(packets[0].Packet, packets[0].at); err != nil {
					t.Fatal(err)
				}
				packets = packets[1:]
			}
			end := w.Index().End
			if len(packets) > 0 {
				end += 15 + int64(len(packets[0].Body))
			}
			got, findings := Scan(bytes.NewReader(rec.open[:cut]), cut)
			want, wantFindings := rec.wantCut(w.Index(), cut, end)
			sameIndex(t, r.name, got, want)
			sameFindings(t, r.name, findings, wantFindings)
		}
	}
}

// wantCut is what a scan of a cut file says, end being where the cut tag ended.
func (rec recording) wantCut(x *Index, cut, end int64) (Index, []container.Finding) {
	switch {
	case cut < headerSize:
		return Index{}, []container.Finding{{Code: "F02", Severity: container.Error, End: cut,
			Text: fmt.Sprintf("flv: header at 0: file of %d bytes, want at least 13", cut)}}
	case cut < headSize:
		return Index{End: headerSize}, tornAt(headerSize, cut, headSize)
	}
	return rec.inFile(x), tornAt(x.End, cut, end)
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

		x, findings := Scan(rec.file, rec.file.size())
		sameFindings(t, r.name, findings, nil)
		if plan := Finalize(&x, rec.file.size()); !reflect.DeepEqual(plan, Finalize(rec.writer.Index(), rec.file.size())) {
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
	want := slices.Clone(f.data)
	checkFinished(t, name, want)
	if before.End > headSize && !bytes.Equal(want[headSize:], data[headSize:before.End]) {
		t.Errorf("%s: whole tags are lost", name)
	}
	finish(t, f)
	sameBytes(t, name+", again", f.data, want)

	x, _ := Scan(bytes.NewReader(data), int64(len(data)))
	plan := Finalize(&x, int64(len(data)))
	for i := range plan {
		crashed := bytesFile(data)
		apply(t, plan[:i], crashed)
		if e := plan[i]; e.Op == container.Write { // disks write sectors
			const sector = 512
			for n := sector; n < len(e.Data); n += 32 * sector {
				torn := bytesFile(crashed.data)
				apply(t, container.Plan{{Op: container.Write, Offset: e.Offset, Data: e.Data[:n]}}, torn)
				finish(t, torn)
				sameBytes(t, fmt.Sprintf("%s, crash in edit %d at %d", name, i, n), torn.data, want)
			}
		}
		finish(t, crashed)
		sameBytes(t, fmt.Sprintf("%s, crash before edit %d", name, i), crashed.data, want)
	}
}

// checkFinished reads a finished file as a player does.
func checkFinished(t *testing.T, name string, data []byte) {
	t.Helper()
	if x, findings := Scan(bytes.NewReader(data), int64(len(data))); findings != nil || x.End != int64(len(data)) {
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
