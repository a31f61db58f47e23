package recfile

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// Wherever a file that was finished is cut, a loss is stated exactly when media is
// missing, as much as is missing, and by inspect and fix alike.
func TestCutAfterTheEnd(t *testing.T) {
	_, flv := flvFile(t, stream(6))
	_, mp4, ends := mp4File(t, 14, 0) // with a copy of the init moov
	for ext, tt := range map[string]struct {
		closed      []byte
		media, head int64 // where the media ends, and where it begins
		code        string
	}{
		".flv": {flv, int64(len(flv)), 36892 + 160, "F41"},
		".mp4": {mp4, ends[13], ends[0], "M07"},
	} {
		for cut := int64(len(tt.closed)) - 1; cut >= tt.head; cut -= 7 {
			zeroed := bytes.Clone(tt.closed)
			clear(zeroed[cut:])
			for how, b := range map[string][]byte{"cut": tt.closed[:cut], "zeroed": zeroed} {
				name := fmt.Sprintf("%s %s at %d", ext, how, cut)
				p := path(t, ourFile+ext, b)
				r := inspect(t, p)
				if r.Verdict == Whole && how == "zeroed" {
					continue // those bytes were zeros
				}
				lost := r.Loss()
				if cut >= tt.media || ext == ".flv" && cut >= tt.media-4 && lost.Bytes == 0 { // a back pointer is written anew
					if lost.Bytes != 0 || r.outcome() != Repaired {
						t.Errorf("%s: loses %+v: %v", name, lost, r.Findings)
					}
					continue
				}
				if want := tt.media - r.Index.End; want < tt.media-cut-4 || lost.Bytes != want || r.Verdict != Damaged || !contains(r, tt.code) && !contains(r, "M46") {
					t.Fatalf("%s: %s, %s, loses %+v, want %d bytes", name, r.Verdict, codes(r), lost, want)
				}
				if f := fix(t, p); f.Outcome != Lossy || f.Before.Loss().Bytes != lost.Bytes || f.After.Verdict != Whole || f.After.Duration() != r.Duration() {
					t.Fatalf("%s: outcome %d, %+v", name, f.Outcome, f.Before.Loss())
				}
			}
		}
	}
}

// A head without its media is evidence of what was there: it stays.
func TestCutToTheHead(t *testing.T) {
	_, flv := flvFile(t, stream(6))
	_, mp4, ends := mp4File(t, 6, 0)
	for name, b := range map[string][]byte{"a.flv": flv[:36892], "b.flv": flv[:20000], "c.flv": flv[:200], "d.mp4": mp4[:ends[0]-9]} {
		r := inspect(t, path(t, ourFile+name, b))
		if r.Verdict != Hopeless || r.isRemnant() || !contains(r, "F41") && !contains(r, "M07") {
			t.Errorf("%s: %s, %s, to be removed: %v", name, r.Verdict, codes(r), r.isRemnant())
		}
	}
}

// contains: there is a finding with a code.
func contains(r *Recording, code string) bool {
	return slices.ContainsFunc(r.Findings, func(f container.Finding) bool { return f.Code == code })
}

// The time that is missing is that which the head tells of, whoever wrote it. That of an
// MP4 does not: then it is what the bytes last.
func TestCutTime(t *testing.T) {
	_, ours := flvFile(t, stream(120))
	_, mp4, ends := mp4File(t, 120, 0)
	others := stream(120)
	for name, tt := range map[string]struct {
		whole     []byte
		cut       int
		bytes     bool // are known
		estimated bool
	}{
		"ours.flv":     {ours, len(ours) - 3000, true, false},
		"length.flv":   {finishedFLV(others, 12, false), 5000, false, false},
		"size.flv":     {finishedFLV(others, 12, true), 5000, true, false},
		"estimate.mp4": {mp4, int(ends[100]) + 9, true, true},
	} {
		whole := inspect(t, path(t, name, tt.whole))
		p := path(t, name, tt.whole[:tt.cut])
		r := inspect(t, p)
		l := r.Loss()
		if whole.Verdict != Whole || r.Verdict != Damaged || l.Bytes > 0 != tt.bytes || l.Estimated != tt.estimated {
			t.Errorf("%s: %s, cut %s, %+v", name, whole.Verdict, r.Verdict, l)
		}
		most := 10 * time.Millisecond // others' heads are rounded here
		if tt.estimated {
			most = time.Second
		}
		if (r.Duration() + l.Duration - whole.Duration()).Abs() > most {
			t.Errorf("%s: %s and %s missing, of %s", name, r.Duration(), l.Duration, whole.Duration())
		}
		if f := fix(t, p); f.Outcome != Lossy || f.After.Verdict != Whole || f.After.Duration() != r.Duration() {
			t.Errorf("%s: outcome %d, %s", name, f.Outcome, f.After.Verdict)
		}
	}
}
