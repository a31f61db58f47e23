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

// The time that is missing is that which the head tells of.
func TestCutTime(t *testing.T) {
	_, closed := flvFile(t, stream(12))
	whole := inspect(t, path(t, "whole.flv", closed))
	r := inspect(t, path(t, "cut.flv", closed[:len(closed)-300]))
	if d := r.Loss().Duration; d <= 0 || (r.Duration()+d-whole.Duration()).Abs() > time.Millisecond {
		t.Errorf("%s and %s missing, of %s", r.Duration(), d, whole.Duration())
	}
}
