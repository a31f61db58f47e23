package recfile

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// aheadFiles are recordings with enough marks for several parts.
func aheadFiles(t *testing.T) map[string][]byte {
	open, closed, ends := mp4File(t, 2000, 0)
	without := func(from, to int64) []byte {
		b := bytes.Clone(open)
		clear(b[from:to])
		return b
	}
	return map[string][]byte{
		"open":         open,
		"closed":       closed,
		"broken":       closed[:len(closed)-5],
		"cut":          open[:ends[1500]-3],
		"zeros":        append(bytes.Clone(open), make([]byte, 100_000)...),
		"no header":    without(ends[700], ends[700]+9),
		"no fragments": without(ends[700], ends[1200]),
		"no mark":      without(ends[999]-100, ends[999]+400),
		"no end":       without(ends[1700], ends[1999]),
		"nothing":      nil,
	}
}

// scanned is all that Scan tells of a file.
func scanned(t *testing.T, x *bmff.Index, findings []container.Finding, err error) []any {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	all := []any{x.State, x.Fragments, x.Synced, x.End, findings}
	for _, track := range x.Tracks {
		for r := range track.Rows() {
			all = append(all, r)
		}
	}
	return all
}

// Scan sees the same file, read ahead or not.
func TestScanReadAhead(t *testing.T) {
	for name, b := range aheadFiles(t) {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(path(t, "a.mp4", b))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			size := int64(len(b))
			x, findings, err := bmff.Scan(f, size)
			want := scanned(t, x, findings, err)
			a := readAhead(bare{f, &Job{}}, size)
			defer a.stop()
			if name == "open" && len(a.parts) < 5 {
				t.Fatalf("%d parts", len(a.parts))
			}
			x, findings, err = bmff.Scan(a, size)
			if diff := cmp.Diff(want, scanned(t, x, findings, err)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// What was read is what the file has, whoever asks for it in whatever order; and the
// reading ends when it is told to, however far it is.
func TestPeek(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, b := range aheadFiles(t) {
		f, err := os.Open(path(t, "a.mp4", b))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		size, hits := int64(len(b)), 0
		for range 10 {
			a := readAhead(bare{f, &Job{}}, size)
			for at, n := int64(0), random.IntN(5000); at < size && n > 0; n-- {
				p := a.Peek(at)
				if len(p) > len(b[at:]) || !bytes.Equal(p, b[at:][:len(p)]) {
					t.Fatalf("%s: %d bytes at %d are not the file's", name, len(p), at)
				}
				if len(p) > 0 {
					hits++
				}
				if next := bytes.Index(b[at+1:], []byte("moof")); next >= 4 && random.IntN(300) > 0 {
					at += 1 + int64(next) - 4
				} else {
					at = random.Int64N(size)
				}
			}
			a.stop()
		}
		if name == "open" && hits == 0 {
			t.Error("nothing was read ahead")
		}
	}
}
