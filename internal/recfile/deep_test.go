package recfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

func deep(t testing.TB, p string) *Recording {
	t.Helper()
	r, err := (&Job{Deep: true}).Open(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is whole is whole for a closer look, too, and what is not has the same findings;
// whoever wrote it.
func TestDeepFindsNothing(t *testing.T) {
	openFLV, closedFLV := flvFile(t, stream(12))
	openMP4, closedMP4, _ := mp4File(t, 14, 6)
	files := map[string][]byte{"open.flv": openFLV, "closed.flv": closedFLV, "foreign.flv": foreignFLV(stream(12)),
		"open.mp4": openMP4, "closed.mp4": closedMP4, "torn.mp4": openMP4[:len(openMP4)-5], "rebuild.mp4": closedMP4[:len(closedMP4)-9], "nothing.mp4": openMP4[:48]}
	for _, name := range []string{"audio.m4a", "faststart.mp4", "frag.mp4", "frag_base.mp4", "hevc.mp4", "hybrid.mp4", "negcts.mp4", "noedit.mp4", "opus.mp4", "vp9.mp4"} {
		files[name] = foreignMP4(t, name)
	}
	for name, b := range files {
		p := path(t, name, b)
		if a, b := inspect(t, p), deep(t, p); a.Verdict != b.Verdict || !slices.Equal(a.Findings, b.Findings) {
			t.Errorf("%s: %s, %v; deep: %s, %v", name, a.Verdict, a.Findings, b.Verdict, b.Findings)
		}
	}
}

// A byte of the media of ours that has changed, closed or open, is found with its fragment
// and its time; nothing is said to mend it, and no more is said to be bad.
func TestDeepMP4(t *testing.T) {
	open, closed, ends := mp4File(t, 14, 0)
	whole := inspect(t, path(t, ourFile+".mp4", closed))
	for stage, file := range map[string][]byte{"open": open, "closed": closed} {
		for _, track := range whole.Index.Tracks {
			n := 0
			for row := range track.Rows() {
				for at := row.Offset; at < row.End(); at += 3 {
					b := bytes.Clone(file)
					b[at] ^= 1 << (at % 8)
					p := path(t, ourFile+".mp4", b)
					r := deep(t, p)
					want, code := Rotten, "M49"
					if stage == "open" { // and fix can do what it does without
						want, code = Damaged, "M49"
						if contains(r, "M46") {
							code = "M46" // it was not synced, so that a scan reads it
						}
					}
					i := slices.IndexFunc(r.Findings, func(f container.Finding) bool { return f.Code == code })
					if i < 0 || r.Verdict != want {
						t.Fatalf("%s, byte %d: %s, %v", stage, at, r.Verdict, r.Findings)
					}
					f, when := r.Findings[i], r.Times()[i]
					if f.End != ends[n] || f.Offset > at || n > 1 && f.Offset < ends[n-1] {
						t.Errorf("%s, byte %d: %d..%d, in the fragment that ends at %d", stage, at, f.Offset, f.End, ends[n])
					}
					if at := track.Time(row.DTS); code == "M49" && (when < 0 || when > at || at-when > 50*time.Millisecond) {
						t.Errorf("%s, byte %d: at %v, want %v", stage, f.Offset, when, at)
					}
					if code == "M49" && (r.Rotten() != f.End-f.Offset || r.Loss().Bytes != 0) {
						t.Errorf("%s, byte %d: %d bytes rotten, %+v lost", stage, f.Offset, r.Rotten(), r.Loss())
					}
					if r := inspect(t, p); contains(r, "M49") || stage == "closed" && r.Verdict != Whole {
						t.Errorf("%s, byte %d, without a closer look: %s, %v", stage, at, r.Verdict, r.Findings)
					}
				}
				n++
			}
		}
	}
}

// A closed file whose moov is cut, zeroed or lost is rebuilt from its fragments: each is
// then what it was, by its CRC.
func TestDeepRebuilt(t *testing.T) {
	_, closed, ends := mp4File(t, 14, 6)
	moov := ends[13]
	for name, hurt := range map[string]func(b []byte) []byte{
		"cut":    func(b []byte) []byte { return b[:moov+100] },
		"lost":   func(b []byte) []byte { return b[:moov] },
		"zeroed": func(b []byte) []byte { clear(b[moov:]); return b },
		"a bit":  func(b []byte) []byte { b[moov+300] ^= 4; return b },
	} {
		p := path(t, ourFile+".mp4", hurt(bytes.Clone(closed)))
		if r := deep(t, p); r.Verdict != Damaged || codes(r) != "M06" || r.Rotten() != 0 {
			t.Errorf("%s: %s, %v", name, r.Verdict, r.Findings)
		}
		if f := fix(t, p); f.Outcome != Repaired || !bytes.Equal(get(t, p), closed) {
			t.Errorf("%s: outcome %d, or it is another file than before", name, f.Outcome)
		}
		if r := deep(t, p); r.Verdict != Whole || len(r.Findings) > 0 {
			t.Errorf("%s, rebuilt: %s, %v", name, r.Verdict, r.Findings)
		}
	}
}

// Of FLV and of other programs' files only lengths of NAL units tell: frames in a row are
// one finding, and a file is no worse for what cannot be seen.
func TestDeepWithoutChecksums(t *testing.T) {
	_, flv := flvFile(t, stream(12))
	for name, c := range map[string]struct {
		file []byte
		code string
		skip int64 // what stands in front of the first length
	}{
		"closed.flv": {flv, "F26", 5}, "foreign.flv": {foreignFLV(stream(12)), "F26", 5}, "hevc.mp4": {foreignMP4(t, "hevc.mp4"), "M33", 0},
	} {
		whole := inspect(t, path(t, name, c.file))
		var all []container.Row
		for row := range whole.Index.Tracks[0].Rows() {
			all = append(all, row)
		}
		b := bytes.Clone(c.file)
		for _, i := range []int{2, 3, 4, 7} {
			length := b[all[i].Offset+c.skip:]
			binary.BigEndian.PutUint32(length, binary.BigEndian.Uint32(length)|1<<20)
		}
		last := all[9]
		b[last.End()-1] ^= 1 // of the slice itself
		r := deep(t, path(t, name, b))
		var found []container.Finding
		for i, f := range r.Findings {
			if f.Code == c.code {
				found = append(found, f)
				if at := r.Times()[i]; at < 0 {
					t.Errorf("%s: no time", name)
				}
			}
		}
		if len(found) != 2 || found[0].Offset != all[2].Offset || found[0].End != all[4].End() || found[1].Offset != all[7].Offset || found[1].End != all[7].End() {
			t.Errorf("%s: %v", name, found)
		}
		if whole.Verdict == Whole && r.Verdict != Rotten || whole.Verdict != Whole && r.Verdict != Damaged {
			t.Errorf("%s: %s, before: %s", name, r.Verdict, whole.Verdict)
		}
	}
}

// A look at the media is counted, and can be interrupted.
func TestDeepJob(t *testing.T) {
	_, closed, _ := mp4File(t, 14, 0)
	p := path(t, ourFile+".mp4", closed)
	ctx, cancel := context.WithCancel(context.Background())
	j := NewJob(ctx, []string{p})
	j.Deep = true
	if _, err := j.Open(p); err != nil {
		t.Fatal(err)
	}
	if done, total := j.Progress(); total != 2*int64(len(closed)) || done < int64(len(closed)) {
		t.Errorf("%d bytes of %d are done", done, total)
	}
	cancel()
	if _, err := j.Open(p); err == nil {
		t.Error("an interrupted job goes on")
	}
}
