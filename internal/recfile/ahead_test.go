package recfile

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/bmff"
)

// Whatever is asked for, in whatever order, is what the file has; and the reading ends
// when it is told to, however far it is.
func TestReadAhead(t *testing.T) {
	open, closed, ends := mp4File(t, 2000, 0) // several batches
	damaged := bytes.Clone(open)
	clear(damaged[ends[700] : ends[700]+20])
	random := rand.New(rand.NewPCG(1, 2))
	for name, b := range map[string][]byte{"open": open, "closed": closed, "damaged": damaged, "empty": nil, "cut": open[:ends[9]+10]} {
		f, err := os.Open(path(t, "a.mp4", b))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		size := int64(len(b))
		var offsets []int64
		for offset := range bmff.Headers(f, size) {
			offsets = append(offsets, offset)
		}
		for range 4 {
			a := readAhead(bare{f, new(Job)}, size)
			at := int64(0)
			for range random.IntN(3000) {
				p := make([]byte, 1+random.IntN(600))
				n, err := a.ReadAt(p, at)
				if want := b[at:min(at+int64(len(p)), size)]; !bytes.Equal(p[:n], want) || n < len(p) && err != io.EOF || n == len(p) && err != nil {
					t.Fatalf("%s: read %d bytes at %d: %d, %v", name, len(p), at, n, err)
				}
				switch next, _ := slices.BinarySearch(offsets, at+1); {
				case random.IntN(100) == 0:
					at = random.Int64N(size + 1)
				case next < len(offsets):
					at = offsets[next]
				}
			}
			a.stop()
		}
	}
}
