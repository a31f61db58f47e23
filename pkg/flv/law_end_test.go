package flv

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// large is a run of more than 64 KiB in not too many tags.
func large() run {
	return run{name: "large frames", options: Options{Created: someTime, FrameRate: 25}, flush: 3, duration: 40 * 40 * time.Millisecond,
		bodies: frames([]timedBody{video(0, "17 00 000000"+avcC720), audio(0, "AF 00 1190")},
			40, 7, always("17 01 000000"+nals("65"+noise(1, 3000))), always("27 01 000000"+nals("41"+noise(2, 3000))), "AF 01"+aacFrame)}
}

// Cut at any byte of its last 64 KiB, and so at every write, a file is finished to
// where nothing is left to be found or done, and a crash after any edit changes
// nothing. TestScanCut shows that a scan finds the same wherever a tag is cut; so the
// plan is that of the tags before it, behind one edit that cuts the rest off.
func TestFinalizeAtEveryTag(t *testing.T) {
	const tail = 64 << 10
	stride := 1
	if testing.Short() || os.Getenv("RTMPTOOL_RACE") != "" {
		stride = 7
	}
	for _, r := range append(slices.Clone(runs), large()) {
		if r.long {
			continue // it has thousands of tags
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, r, nil)
			size := int64(len(rec.open))
			if r.name == "large frames" && size < headSize+3*tail/2 {
				t.Fatalf("the run has %d bytes", size)
			}
			ends := tagEnds(t, rec.open)
			for i, end := range ends {
				next := size
				if i+1 < len(ends) {
					next = ends[i+1]
				}
				if next < size-tail || i%stride != 0 {
					continue
				}
				testFinalizeCut(t, fmt.Sprintf("%s up to %d", r.name, end), rec.open[:end])
				whole := planOf(t, rec.open[:end])
				needsNoRoom(t, rec.open[:end])
				for _, cut := range []int64{end + 1, (end + next) / 2, next - backPointer - 1} {
					if cut <= end || cut >= next-backPointer {
						continue
					}
					plan := planOf(t, rec.open[:cut])
					if !reflect.DeepEqual(plan, append(container.Plan{{Op: container.Truncate, Offset: end}}, whole...)) {
						t.Fatalf("cut at %d: %v, want a cut at %d, then %v", cut, plan, end, whole)
					}
				}
				if next == size {
					continue
				}
				for cut := next - backPointer; cut < next; cut++ { // the tag is whole, but for its back pointer
					as := end
					if lacksPointer(cut, next) {
						as = next
					}
					f := bytesFile(rec.open[:cut])
					finish(t, f)
					g := bytesFile(rec.open[:as])
					finish(t, g)
					if !bytes.Equal(f.data, g.data) {
						t.Fatalf("cut at %d the file is not finished as one of %d bytes", cut, as)
					}
					needsNoRoom(t, rec.open[:cut])
				}
			}
		})
	}
}

// needsNoRoom: a disk that is full can carry out what finishes a file, as no edit goes
// beyond the sector in which the file ends.
func needsNoRoom(t *testing.T, data []byte) {
	t.Helper()
	for _, e := range planOf(t, data) {
		if last := e.Offset + e.Length() - 1; e.Op == container.Write && last/512 > int64(len(data)-1)/512 {
			t.Fatalf("a file of %d bytes: %v needs room", len(data), e)
		}
	}
}

// planOf is what finishes a file.
func planOf(t *testing.T, data []byte) container.Plan {
	t.Helper()
	x, _ := scan(t, bytesFile(data))
	return Finalize(x, int64(len(data)))
}

// tagEnds lists where the head and each tag behind it end.
func tagEnds(t *testing.T, data []byte) (ends []int64) {
	t.Helper()
	tags, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := tags.Next(); err != nil {
			return ends
		}
		ends = append(ends, tags.offset)
	}
}
