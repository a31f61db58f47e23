package recfile

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/recfile/recfiletest"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
)

// Cut at any byte, a recording of ours is finished or holds nothing; finished it
// is whole, and stays as it is.
func TestFixTruncated(t *testing.T) {
	openFLV, closedFLV := flvFile(t, stream(4))
	openMP4, closedMP4, _ := mp4File(t, 4, 0)
	for _, c := range []struct {
		name, ext string
		file      []byte
	}{{"open FLV", ".flv", openFLV}, {"closed FLV", ".flv", closedFLV}, {"open MP4", ".mp4", openMP4}, {"closed MP4", ".mp4", closedMP4}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := path(t, ourFile+c.ext, nil)
			closed := strings.HasPrefix(c.name, "closed")
			step := 1
			fixes := 0
			for n := len(c.file); n >= 0; n -= step {
				if testing.Short() || os.Getenv("RTMPTOOL_RACE") != "" {
					step = 17
				}
				if c.ext == ".flv" && n < 36<<10 { // the head alone: its kind does not change
					step = 997
				}
				put(t, p, c.file[:n])
				before := inspect(t, p)
				f, err := Fix(p, false)
				if err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				switch f.Outcome {
				case Nothing:
					if n != len(c.file) && before.Verdict != Whole {
						t.Fatalf("%d bytes: %s, but nothing to do", n, before.Verdict)
					}
				case Repaired, Lossy: // what was finished has lost something since
					if f.Outcome == Lossy && !closed {
						t.Fatalf("%d bytes: loses %+v", n, before.Loss())
					}
					fixes++
					if f.After.Duration() > 405*time.Millisecond {
						t.Fatalf("%d bytes last %v", n, f.After.Duration())
					}
				case Irreparable:
					if !before.isRemnant() && !closed { // that is no work of a kill
						t.Fatalf("%d bytes: no remnant, %s", n, codes(before))
					}
					if !bytes.Equal(get(t, p), c.file[:n]) {
						t.Fatalf("%d bytes: touched", n)
					}
					continue
				default:
					t.Fatalf("%d bytes: outcome %d, %v", n, f.Outcome, before.Findings)
				}
				fixed := get(t, p)
				if r := inspect(t, p); r.Verdict != Whole {
					t.Fatalf("%d bytes: %s after fix: %v", n, r.Verdict, r.Findings)
				}
				if again := fix(t, p); again.Outcome != Nothing || !bytes.Equal(get(t, p), fixed) {
					t.Fatalf("%d bytes: fixed twice: %d", n, again.Outcome)
				}
			}
			if fixes < 5 {
				t.Errorf("only %d fixes", fixes)
			}
		})
	}
}

// What was closed and what fix finished are the same bytes.
func TestFixEqualsClose(t *testing.T) {
	openFLV, closedFLV := flvFile(t, stream(12))
	openMP4, closedMP4, _ := mp4File(t, 12, 0)
	for ext, b := range map[string][2][]byte{".flv": {openFLV, closedFLV}, ".mp4": {openMP4, closedMP4}} {
		p := path(t, ourFile+ext, b[0])
		if f := fix(t, p); f.Outcome != Repaired || f.Before.Verdict != Unfinished || f.After.Verdict != Whole || f.Output != "" {
			t.Errorf("%s: %+v", ext, f)
		}
		if !bytes.Equal(get(t, p), b[1]) {
			t.Errorf("%s: not the bytes of Close", ext)
		}
	}
}

// fix that dies after any edit, and is run again, ends in the same bytes.
func TestFixAfterCrash(t *testing.T) {
	openFLV, _ := flvFile(t, stream(4))
	openMP4, _, _ := mp4File(t, 4, 0)
	for ext, b := range map[string][]byte{".flv": openFLV[:len(openFLV)-3], ".mp4": openMP4[:len(openMP4)-3]} {
		p := path(t, ourFile+ext, b)
		plan := inspect(t, p).Plan()
		fix(t, p)
		want := get(t, p)
		for n := range plan {
			put(t, p, b)
			f, err := os.OpenFile(p, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := plan[:n].Apply(f); err != nil {
				t.Fatal(err)
			}
			f.Close()
			fix(t, p)
			if !bytes.Equal(get(t, p), want) {
				t.Errorf("%s: other bytes after a crash behind edit %d", ext, n)
			}
		}
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	open, closed := flvFile(t, stream(4))
	openMP4, _, _ := mp4File(t, 4, 0)
	for name, b := range map[string][]byte{
		"a.flv": open, "b.flv": closed, "c.mp4": openMP4, "d.flv": foreignFLV(stream(4)), "e.mp4": foreignMP4(t, "frag.mp4"), "f.flv": nil,
	} {
		p := path(t, name, b)
		before := state(t, filepath.Dir(p))
		f, err := Fix(p, true)
		if err != nil || f.After != nil {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
		real, err := Fix(p, false)
		if err != nil || real.Outcome != f.Outcome {
			t.Errorf("%s: %d, the dry run said %d; %v", name, real.Outcome, f.Outcome, err)
		}
		put(t, p, b)
		_ = os.Remove(real.Output)
		if _, err := Fix(p, true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after := state(t, filepath.Dir(p)); !maps.Equal(before, after) {
			t.Errorf("%s: a dry run writes", name)
		}
	}
}

// A file that is being recorded is not touched, whatever it holds by now.
func TestFixLocked(t *testing.T) {
	open, closed := flvFile(t, stream(4))
	openMP4, _, _ := mp4File(t, 4, 0)
	for name, b := range map[string][]byte{
		"open.flv": open, "torn.flv": open[:len(open)-9], "closed.flv": closed, "open.mp4": openMP4, "torn.mp4": openMP4[:len(openMP4)-9],
		"new.flv": nil, "new.mp4": nil, "head.mp4": openMP4[:40], "head.flv": open[:99],
	} {
		p := path(t, name, b)
		held := hold(t, p)
		for _, dryRun := range []bool{false, true} {
			f, err := Fix(p, dryRun)
			if err != nil || f.Outcome != InUse || f.Before.Verdict != Live {
				t.Errorf("%s: %+v, %v", name, f, err)
			}
		}
		if r := inspect(t, p); r.Verdict != Live || len(r.Findings) > 0 || r.Plan() != nil || r.Copies() {
			t.Errorf("%s: %s, %v", name, r.Verdict, r.Findings)
		}
		if !bytes.Equal(get(t, p), b) {
			t.Errorf("%s: touched", name)
		}
		held.Close()
		if r := inspect(t, p); r.Verdict == Live {
			t.Errorf("%s: still live", name)
		}
	}
}

// Many may look at once, and none of them takes another one for a recorder.
func TestInspectHoldsNoLock(t *testing.T) {
	open, _ := flvFile(t, stream(4))
	p := path(t, ourFile+".flv", open)
	r, err := Open(p)
	if err != nil || r.Verdict != Unfinished {
		t.Fatal(r, err)
	}
	hold(t, p)
}

// Files of others get a finished copy beside them, also those that are whole and only
// lack an index; fix again finds it done.
func TestFixForeign(t *testing.T) {
	for name, b := range map[string][]byte{
		"talk.flv": foreignFLV(stream(12)), "whole.flv": finishedFLV(stream(12), 1.2, true),
		"clip.mp4": foreignMP4(t, "frag.mp4"), "base.MP4": foreignMP4(t, "frag_base.mp4"),
	} {
		p := path(t, name, b)
		output := strings.TrimSuffix(p, filepath.Ext(p)) + ".fixed" + filepath.Ext(p)
		before := inspect(t, p)
		want := Whole
		if name == "talk.flv" {
			want = Unfinished
		}
		if before.Verdict != want || !before.Copies() || before.Ours {
			t.Errorf("%s: %s, %v", name, before.Verdict, before.Findings)
		}
		f := fix(t, p)
		if f.Outcome != Repaired || f.Output != output {
			t.Errorf("%s: outcome %d, output %s", name, f.Outcome, f.Output)
		}
		if !bytes.Equal(get(t, p), b) {
			t.Errorf("%s: the source was touched", name)
		}
		after := inspect(t, output)
		if after.Verdict != Whole || len(after.Index.Tracks) != len(before.Index.Tracks) {
			t.Errorf("%s: the copy is %s, %v", name, after.Verdict, after.Findings)
		}
		for i, track := range after.Index.Tracks {
			if track.Samples != before.Index.Tracks[i].Samples {
				t.Errorf("%s: track %d has %d samples, want %d", name, i, track.Samples, before.Index.Tracks[i].Samples)
			}
		}
		files := state(t, filepath.Dir(p))
		put(t, output+partSuffix, get(t, output)) // the other name of a copy, to which a fix was killed before it removed it
		if again := fix(t, p); again.Outcome != Nothing || again.Output != output {
			t.Errorf("%s: fixed again: %+v", name, again)
		}
		if again := fix(t, output); again.Outcome != Nothing {
			t.Errorf("%s: the copy was fixed: %+v", name, again)
		}
		if !maps.Equal(files, state(t, filepath.Dir(p))) || len(files) != 2 {
			t.Errorf("%s: files changed: %d", name, len(files))
		}
		put(t, output, []byte("something else"))
		_, err := Fix(p, false)
		if want := output + ": is in the way and no finished copy of " + name + ": remove it, then fix again"; err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A copy is written over nothing: neither through a link, nor over another recording
// that has its name.
func TestCopyIsInNobodysWay(t *testing.T) {
	p := path(t, "talk.flv", foreignFLV(stream(12)))
	dir := filepath.Dir(p)
	precious, part, output := filepath.Join(dir, "precious"), filepath.Join(dir, "talk.fixed.flv.part"), filepath.Join(dir, "talk.fixed.flv")
	put(t, precious, []byte("precious"))
	if err := os.Symlink(precious, part); err != nil {
		t.Fatal(err)
	}
	if _, err := Fix(p, false); err == nil || string(get(t, precious)) != "precious" {
		t.Errorf("through a link: %v, %q", err, get(t, precious))
	}
	if err := os.Remove(part); err != nil {
		t.Fatal(err)
	}
	put(t, part, []byte("of a fix that is at work"))
	held := hold(t, part)
	if f, err := Fix(p, false); !errors.Is(err, os.ErrExist) || f.Output != "" || string(get(t, part)) != "of a fix that is at work" {
		t.Errorf("beside another fix: %+v, %v", f, err)
	}
	held.Close()
	put(t, part, []byte("of a fix that was killed"))
	if f := fix(t, p); f.Output != output {
		t.Errorf("beside the rest of an earlier one: %+v", f)
	}
	if _, err := os.Lstat(part); err == nil {
		t.Error("a part is left")
	}
	_, other := flvFile(t, stream(20))
	put(t, output, other)
	if f, err := Fix(p, false); err == nil {
		t.Errorf("another recording is taken for the copy: %+v", f)
	}
}

// Damage in the middle of an FLV of ours is set aside in place: all that is whole
// behind it stays. Of anybody else's there is a copy, and the file stays.
func TestFixDamagedFLV(t *testing.T) {
	_, closed := flvFile(t, stream(12))
	first := bytes.Index(closed[headOfFLV:], unhex("2701000000")) + headOfFLV - 11
	b := bytes.Clone(closed)
	b[first] = 77       // no type
	b[len(b)-1] ^= 0xFF // the last back pointer
	p := path(t, ourFile+".flv", b)
	r := inspect(t, p)
	if r.Verdict != Damaged || codes(r) != "F05 F07" || r.Copies() {
		t.Fatalf("%s, %v", r.Verdict, r.Findings)
	}
	f := fix(t, p)
	if f.Outcome != Lossy || f.Output != "" || f.After.Index.Tracks[0].Samples != 11 || f.After.Index.Tracks[1].Samples != 12 {
		t.Fatalf("%+v", f)
	}
	if loss := f.Before.Loss(); loss.Bytes != 33 || len(f.After.Findings) != 1 || f.After.Findings[0].Severity != container.Note {
		t.Errorf("loss %+v, then %v", loss, f.After.Findings)
	}
	if f := fix(t, p); f.Outcome != Nothing {
		t.Errorf("fixed again: %+v", f)
	}

	foreign := foreignFLV(stream(12))
	foreign[bytes.Index(foreign, unhex("2701000000"))-11] = 77
	p = path(t, "foreign.flv", foreign)
	f = fix(t, p)
	if f.Outcome != Lossy || f.Output == "" || !bytes.Equal(get(t, p), foreign) || f.After.Index.Tracks[0].Samples != 11 {
		t.Errorf("a copy: %+v", f)
	}
	// What a power cut leaves at the end is no loss: nothing whole follows.
	open, _ := flvFile(t, stream(12))
	p = path(t, ourFile+".flv", slices.Concat(open, make([]byte, 5000)))
	if f := fix(t, p); f.Outcome != Repaired || f.Output != "" || !bytes.Equal(get(t, p), closed) {
		t.Fatalf("zeros at the end: %+v", f)
	}
}

// What is wrong with one part of an FLV of ours costs no more than that part.
func TestFixPartsOfFLV(t *testing.T) {
	open, closed := flvFile(t, stream(12))
	inter := bytes.Index(closed[headOfFLV:], unhex("2701000000")) + headOfFLV - 11
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		codes  string
		want   Outcome
		frames int
	}{
		"zeros":            {func(b []byte) []byte { clear(b[inter : inter+60]); return b }, "F05", Lossy, 10},
		"bytes missing":    {func(b []byte) []byte { return slices.Delete(b, inter+3, inter+7) }, "F05 F14", Lossy, 11},
		"bytes inserted":   {func(b []byte) []byte { return slices.Insert(b, inter, 1, 2, 3) }, "F05 F14", Lossy, 12}, // the sound before them is lost
		"a back pointer":   {func(b []byte) []byte { b[inter-1]++; return b }, "F07", Repaired, 12},
		"a stream id":      {func(b []byte) []byte { b[inter+9]++; return b }, "F08", Repaired, 12},
		"the header":       {func(b []byte) []byte { clear(b[:5]); return b }, "F02 F15", Repaired, 12},
		"a page":           {func(b []byte) []byte { clear(b[:4096]); return b }, "F02 F51 F12", Repaired, 12},
		"the index":        {func(b []byte) []byte { b[bytes.Index(b, []byte("filepositions"))+25]++; return b }, "F15", Repaired, 12},
		"the last pointer": {func(b []byte) []byte { return b[:len(b)-2] }, "F04", Repaired, 12},
		"not closed":       {func([]byte) []byte { return slices.Concat(open, make([]byte, 5000)) }, "F04 F51 F14", Repaired, 12},
	} {
		p := path(t, ourFile+".flv", c.damage(bytes.Clone(closed)))
		if r := inspect(t, p); codes(r) != c.codes || r.Copies() || !r.Ours {
			t.Errorf("%s: %s, copies %v, %v", name, r.Verdict, r.Copies(), r.Findings)
			continue
		}
		f := fix(t, p)
		if f.Outcome != c.want || f.Output != "" || f.After.Index.Tracks[0].Samples != c.frames {
			t.Errorf("%s: outcome %d, %d frames", name, f.Outcome, f.After.Index.Tracks[0].Samples)
		}
		if got := get(t, p); c.want == Repaired && !bytes.Equal(got[headOfFLV:], closed[headOfFLV:]) {
			t.Errorf("%s: the tags are not as they were", name)
		}
		if again := fix(t, p); again.Outcome != Nothing || again.Before.Verdict != Whole {
			t.Errorf("%s: fixed again: %d", name, again.Outcome)
		}
	}
}

// Where there is no room to mend, a copy has all that is whole.
func TestFixCopiesDamagedFLV(t *testing.T) {
	_, closed := flvFile(t, stream(12))
	for name, b := range map[string][]byte{
		"behind the head": slices.Insert(bytes.Clone(closed), headOfFLV, 1, 2, 3),
		"in the head":     slices.Delete(bytes.Clone(closed), 500, 600),
	} {
		p := path(t, ourFile+".flv", b)
		before := inspect(t, p)
		f := fix(t, p)
		if before.Verdict != Damaged || f.Outcome != Lossy || f.Output == "" || !bytes.Equal(get(t, p), b) {
			t.Fatalf("%s: %s, %+v", name, before.Verdict, f)
		}
		if after := inspect(t, f.Output); after.Verdict != Whole || after.Index.Tracks[0].Samples != 12 {
			t.Errorf("%s: %s, %d frames", name, after.Verdict, after.Index.Tracks[0].Samples)
		}
	}
}

// headOfFLV is where the first audio or video tag of our files begins.
const headOfFLV = 36892

func TestFixDamagedMP4(t *testing.T) {
	open, closed, ends := mp4File(t, 12, 0)
	for name, c := range map[string]struct {
		file  []byte
		code  string
		want  Outcome
		video int
	}{
		"a fragment":        {open, "M04 M22", Lossy, 11},
		"closed, head":      {closed, "M02", Repaired, 12},
		"closed, moov lost": {closed[:ends[11]], "M06", Repaired, 12},
	} {
		b := bytes.Clone(c.file)
		switch name {
		case "a fragment":
			clear(b[ends[3]:ends[4]])
		case "closed, head":
			clear(b[4:30])
		}
		p := path(t, ourFile+".mp4", b)
		if r := inspect(t, p); codes(r) != c.code {
			t.Errorf("%s: %s, %v", name, r.Verdict, r.Findings)
			continue
		}
		f := fix(t, p)
		if f.Outcome != c.want || f.After.Index.Tracks[0].Samples != c.video {
			t.Errorf("%s: outcome %d, %d frames", name, f.Outcome, f.After.Index.Tracks[0].Samples)
		}
	}
}

func TestOneFrame(t *testing.T) {
	_, closed := flvFile(t, []recfiletest.Packet{{Kind: flv.TagVideo, Body: "1700000000" + recfiletest.AVCC}, {Kind: flv.TagVideo, Body: "1701000000" + recfiletest.Key}})
	if r := inspect(t, path(t, ourFile+".flv", closed)); r.Verdict != Whole {
		t.Errorf("FLV: %s, %v", r.Verdict, r.Findings)
	}
	// Configurations without one frame hold nothing.
	open, _ := flvFile(t, stream(0))
	if r := inspect(t, path(t, ourFile+".flv", open)); r.Verdict != Hopeless || !r.isRemnant() {
		t.Errorf("FLV without a frame: %s, %v", r.Verdict, r.Findings)
	}
	_, closedMP4, _ := mp4File(t, 1, 0)
	if r := inspect(t, path(t, ourFile+".mp4", closedMP4)); r.Verdict != Whole {
		t.Errorf("MP4: %s, %v", r.Verdict, r.Findings)
	}
}

// Errors are one line and name the file once.
func TestErrors(t *testing.T) {
	text := path(t, "notes.txt", []byte("Dear diary, nothing was recorded."))
	dir := filepath.Dir(text)
	put(t, filepath.Join(dir, "text.flv"), []byte("Dear diary, nothing was recorded."))
	for _, p := range []string{text, filepath.Join(dir, "text.flv"), filepath.Join(dir, "missing.flv"), dir, "/dev/null"} {
		_, openErr := Open(p)
		_, fixErr := Fix(p, false)
		for _, err := range []error{openErr, fixErr} {
			if err == nil || strings.Count(err.Error(), p) != 1 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v", p, err)
			}
		}
	}
	closed := hold(t, path(t, "a.flv", nil))
	closed.Close()
	if _, err := (bare{closed, new(Job)}).ReadAt(make([]byte, 1), 0); err == nil || strings.Contains(err.Error(), "a.flv") {
		t.Errorf("a bare error: %v", err)
	}
	for name, want := range map[string]Verdict{"empty.flv": Hopeless, "empty.mp4": Hopeless} {
		p := path(t, name, nil)
		if r := inspect(t, p); r.Verdict != want {
			t.Errorf("%s: %s", name, r.Verdict)
		}
		if f := fix(t, p); f.Outcome != Irreparable {
			t.Errorf("%s: %d", name, f.Outcome)
		}
	}
}
