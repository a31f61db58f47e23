package flv

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// damage is a file with damage: the bytes from..to of the file before are not in it
// as they were, and what follows them is moved.
type damage struct {
	name     string
	data     []byte
	from, to int64
	moved    int64
}

// longRun has frames as large as real ones, larger than pages.
func longRun() run {
	return run{name: "large frames", flush: 4, options: Options{Created: someTime, FrameRate: 25},
		bodies: frames([]timedBody{video(0, "17 00 000000"+avcC720), audio(0, "AF 00 1190")}, 24, 8,
			func(i int) string { return "17 01 000000" + nals("65"+noise(i, 9000)) },
			func(i int) string { return "27 01 000000" + nals("41"+noise(i, 700+i*37)) }, "AF 01"+aacFrame)}
}

// daysRun goes beyond 2^31 ms, but never so far at once that it is not believed.
func daysRun() run {
	r := run{name: "days", flush: 1}
	for i := range int64(20) {
		r.bodies = append(r.bodies, video(i*(1<<27-1), "17 01 000000"+nals("65"+noise(int(i), 5000))))
	}
	return r
}

// noise is a frame's bytes; no zeros, which a page that is lost would not change.
func noise(seed, size int) string {
	random := rand.New(rand.NewPCG(uint64(seed), 1))
	var b strings.Builder
	for range size {
		fmt.Fprintf(&b, "%02x", 1+random.IntN(255))
	}
	return b.String()
}

// thin is how many of many cases make one that is tried with -short or the race
// detector.
func thin(n int) int {
	if testing.Short() || os.Getenv("RTMPTOOL_RACE") != "" {
		return n * 17
	}
	return n
}

// overwrite is a file some bytes of which are others.
func overwrite(name string, data []byte, at int, with []byte) damage {
	b := slices.Clone(data)
	n := copy(b[at:], with)
	return damage{fmt.Sprintf("%s at %d", name, at), b, int64(at), int64(at + n), 0}
}

// zeroedPages has one page of zeros each.
func zeroedPages(data []byte) (all []damage) {
	for _, page := range []int{512, 4096} {
		for at := 0; at < len(data); at += page {
			all = append(all, overwrite(fmt.Sprintf("%d zeros", page), data, at, make([]byte, page)))
		}
	}
	return all
}

// randomDamage has ranges that are random, missing or inserted.
func randomDamage(data []byte, n int) (all []damage) {
	random := rand.New(rand.NewPCG(7, uint64(len(data))))
	for i := range n {
		at := random.IntN(len(data))
		if i%4 > 0 { // the head is large
			at = headSize + random.IntN(len(data)-headSize)
		}
		junk := make([]byte, 1+random.IntN(1<<random.IntN(12)))
		for j := range junk {
			junk[j] = byte(random.Uint32())
		}
		end := min(len(data), at+len(junk))
		all = append(all, overwrite(fmt.Sprintf("%d random bytes", len(junk)), data, at, junk),
			damage{fmt.Sprintf("%d bytes less at %d", end-at, at), slices.Delete(slices.Clone(data), at, end), int64(at), int64(end), int64(at - end)},
			damage{fmt.Sprintf("%d bytes more at %d", len(junk), at), slices.Insert(slices.Clone(data), at, junk...), int64(at), int64(at), int64(len(junk))})
	}
	return all
}

// flippedBits has one wrong bit each in every byte of a header or back pointer:
// another one in each tag.
func flippedBits(data []byte, tags []listed) (all []damage) {
	flip := func(at int64, bit int) {
		all = append(all, overwrite(fmt.Sprintf("bit %d", bit), data, int(at), []byte{data[at] ^ 1<<bit}))
	}
	for at := range int64(headerSize + tagHeaderSize) {
		for bit := range 8 {
			flip(at, bit)
		}
	}
	for n, tag := range tags[:min(len(tags), 24)] {
		for i := range tagHeaderSize {
			flip(tag.offset+int64(i), (n+i)%8)
		}
		for i := range backPointer {
			flip(tag.end-backPointer+int64(i), (n+i)%8)
		}
	}
	return all
}

// listed is a tag of media.
type listed struct {
	offset, end int64
	kind        uint8
	at          time.Duration
	body        string
}

// tagList lists the media of a file as a scan finds it.
func tagList(t testing.TB, data []byte) (all []listed) {
	t.Helper()
	x, _ := scan(t, bytesFile(data))
	s := newScanner(bytes.NewReader(data), int64(len(data)))
	s.giveWay = x.torn
	for tag := range s.tags() {
		all = append(all, listed{tag.Offset, tag.end(), tag.Type, tag.Time, string(tag.Body)})
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return all
}

// untouched lists the tags of the file before that a damage did not touch, where
// they are now.
func (d damage) untouched(tags []listed) (left []listed) {
	for _, tag := range tags {
		switch {
		case tag.end <= d.from:
		case tag.offset >= d.to:
			tag.offset, tag.end = tag.offset+d.moved, tag.end+d.moved
		default:
			continue
		}
		left = append(left, tag)
	}
	return left
}

// Whatever is damaged, every other tag is found, as it was; the damage is told; the
// file is mended for good, without moving a tag.
func TestDamage(t *testing.T) {
	for _, r := range []run{runs[0], runs[2], runs[9], longRun(), daysRun()} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, r, nil)
			tags := tagList(t, rec.open)
			all := slices.Concat(zeroedPages(rec.open), randomDamage(rec.open, 30), zeroedPages(rec.file.data), flippedBits(rec.file.data, tags))
			for i := 0; i < len(all); i += thin(1) {
				testDamage(t, all[i], tags, i%thin(31) == 0)
			}
		})
	}
}

func testDamage(t *testing.T, d damage, tags []listed, crashes bool) {
	t.Helper()
	x, findings := scan(t, bytesFile(d.data))
	found := tagList(t, d.data)
	for _, tag := range d.untouched(tags) {
		if !slices.Contains(found, tag) {
			t.Fatalf("%s: the tag at %d..%d is lost: %+v", d.name, tag.offset, tag.end, findings)
		}
	}
	for _, tag := range tags {
		if d.moved == 0 && !isAt(found, tag.offset) && !told(findings, tag) {
			t.Fatalf("%s: the tag at %d..%d is lost without a word: %+v", d.name, tag.offset, tag.end, findings)
		}
	}
	if !x.Ours || x.immovable {
		testCopied(t, d, x, found)
		return
	}
	f := bytesFile(d.data)
	finish(t, f)
	y, left := scan(t, f)
	if left = append(left, Check(y)...); worst(left) > container.Note {
		t.Fatalf("%s: after the repair: %+v", d.name, left)
	}
	mended := tagList(t, f.data)
	for _, tag := range found {
		if !slices.Contains(mended, tag) && !told(findings, tag) {
			t.Fatalf("%s: the repair lost the tag at %d..%d: %+v", d.name, tag.offset, tag.end, findings)
		}
	}
	if crashes {
		checkCrashes(t, d.name, d.data, f.data)
	}
}

func isAt(tags []listed, offset int64) bool {
	return slices.ContainsFunc(tags, func(tag listed) bool { return tag.offset == offset })
}

// told reports whether a finding says that a tag is lost.
func told(findings []container.Finding, tag listed) bool {
	return slices.ContainsFunc(findings, func(f container.Finding) bool {
		return (f.Code == "F05" || f.Code == "F04") && f.Severity == container.Error && f.Offset < tag.end && f.End > tag.offset
	})
}

func testCopied(t *testing.T, d damage, x *Index, found []listed) {
	t.Helper()
	src, dst := bytesFile(d.data), &memFile{}
	if err := Copy(dst, src, src.size(), x); err != nil {
		t.Fatalf("%s: %v", d.name, err)
	}
	y, findings := scan(t, dst)
	if findings = append(findings, Check(y)...); len(findings) > 0 || !y.Ours {
		t.Fatalf("%s: the copy: %+v", d.name, findings)
	}
	var want, got []string
	for _, tag := range found {
		if _, err := classify(tag.kind, []byte(tag.body)); err == nil && tag.body != "" && !isScript(tag.kind) {
			want = append(want, tag.body)
		}
	}
	for _, tag := range tagList(t, dst.data) {
		got = append(got, tag.body)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s: the copy has %d tags, want %d, or they differ", d.name, len(got), len(want))
	}
}
