package bmff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/container"
)

func verify(t *testing.T, x *Index, b []byte) []container.Finding {
	t.Helper()
	findings, err := Verify(bytes.NewReader(b), int64(len(b)), x)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

// What was written is what it was, open, closed and at every stage between.
func TestVerifyIntact(t *testing.T) {
	for name, l := range laws {
		r := record(t, l.tracks, 40, 41, l.drops...)
		files := map[string][]byte{"open": r.open, "closed": r.closed, "torn": r.open[:len(r.open)-9],
			"moov lost": r.closed[:len(r.open)], "committing": slices.Concat(r.open, r.closed[len(r.open):])}
		for stage, b := range files {
			x, _ := scan(t, b)
			if findings := verify(t, x, b); len(findings) > 0 {
				t.Errorf("%s, %s: %v", name, stage, findings)
			}
		}
	}
}

// A byte of media that has changed, whichever it is, is found in a closed file and in an
// open one; what is named is its fragment, and its time.
func TestVerifyMedia(t *testing.T) {
	for name, l := range laws {
		r := record(t, l.tracks, 40, 42, l.drops...)
		for stage, file := range map[string][]byte{"open": r.open, "closed": r.closed} {
			t.Run(name+" "+stage, func(t *testing.T) {
				t.Parallel()
				b := slices.Clone(file)
				random := rand.New(rand.NewSource(7))
				for i, track := range r.index.Tracks {
					for row := range track.Rows() {
						n, _ := slices.BinarySearch(r.ends, row.End())
						for at := row.Offset; at < row.End(); at += stride() {
							b[at] ^= byte(1 + random.Intn(255))
							x, scanned := scan(t, b)
							if slices.Contains(codes(scanned), "M46") { // it was not synced: the scan has read it
								b[at] = file[at]
								continue
							}
							findings := verify(t, x, b)
							b[at] = file[at]
							if len(findings) != 1 || findings[0].Code != "M49" || findings[0].Severity != container.Error {
								t.Fatalf("byte %d: %v", at, findings)
							}
							f := findings[0]
							if f.Offset != r.start(n) || f.End != r.ends[n] {
								t.Fatalf("byte %d: %d..%d, want %d..%d", at, f.Offset, f.End, r.start(n), r.ends[n])
							}
							if want := r.says(i, n); !strings.Contains(f.Text, want) {
								t.Fatalf("byte %d: %q does not say %q", at, f.Text, want)
							}
						}
					}
				}
			})
		}
	}
}

// says is what is to be said of the samples of a track in a fragment.
func (r *recording) says(track, fragment int) string {
	t, in := r.index.Tracks[track], rows(r.index.Tracks[track])
	begin := slices.IndexFunc(in, func(row container.Row) bool { return row.Offset >= r.start(fragment) })
	end := begin
	for end < len(in) && in[end].Offset < r.ends[fragment] {
		end++
	}
	until := t.Time(t.First.DTS) + t.Duration()
	if end < len(in) {
		until = t.Time(in[end].DTS)
	}
	return fmt.Sprintf("of %s from %.3f s to %.3f s", t.Kind, t.Time(in[begin].DTS).Seconds(), until.Seconds())
}

// No byte of a closed file can change without being found, by Scan or by Verify: not even
// one that no player reads. Media is the only thing whose change is an error of Verify.
func TestVerifyEveryByte(t *testing.T) {
	r := record(t, testTracks, 20, 43)
	random := rand.New(rand.NewSource(8))
	for at := int64(0); at < int64(len(r.closed)); at += stride() {
		b := slices.Clone(r.closed)
		b[at] ^= byte(1 + random.Intn(255))
		x, findings := scan(t, b)
		if x.State == Empty || !x.Ours {
			t.Fatalf("byte %d: %v, %v", at, x.State, findings)
		}
		for _, f := range append(findings, verify(t, x, b)...) {
			if f.Offset <= at && at < f.End {
				at = -at - 1
				break
			}
		}
		if at >= 0 {
			t.Fatalf("byte %d is not found: %v", at, findings)
		}
		at = -at - 1
	}
}

// Whatever the size of the init moov has become, rot of media is an error of its fragment,
// and no intact fragment counts as rotten: the size may lead into any place of the file,
// the begin of any fragment among them.
func TestVerifyInitSize(t *testing.T) {
	r := recordSized(t, testTracks, 40, 4000, 47)
	_, size, init := initOf(r.closed)
	sizes := []int64{0, 1}
	for bit := range 32 {
		sizes = append(sizes, size^1<<bit)
	}
	for i := range r.ends {
		sizes = append(sizes, r.start(i)-headSize, r.ends[i]-headSize)
	}
	for _, changed := range sizes {
		for _, hurt := range []int{-1, 0, 1, 2, len(r.ends) / 2, len(r.ends) - 1} {
			if changed == size {
				continue
			}
			b := slices.Clone(r.closed)
			binary.BigEndian.PutUint32(b[headSize:], uint32(changed))
			if hurt >= 0 {
				b[r.ends[hurt]-1] ^= 1
			}
			x, _ := scan(t, b)
			said, rotten := false, false
			for _, f := range verify(t, x, b) {
				said = said || f.Offset == headSize && f.End >= init
				for i, end := range r.ends {
					in := r.start(i) < f.End && f.Offset < end
					if in && i != hurt {
						t.Fatalf("size %d, fragment %d hurt: %d is found too: %v", changed, hurt, i, f)
					}
					rotten = rotten || in && f.Code == "M49" && f.Severity == container.Error && f.Offset <= r.start(i) && f.End >= end
				}
			}
			if !said || rotten != (hurt >= 0) {
				t.Fatalf("size %d, fragment %d hurt: init moov found %v, rot found %v", changed, hurt, said, rotten)
			}
		}
	}
}

// Several places, one behind the other or in a moof, cost no more than themselves.
func TestVerifySeveral(t *testing.T) {
	r := record(t, testTracks, 40, 44)
	for _, hurt := range [][]int{{0}, {0, 1, 2}, {3, 5}, {4, 5, 9}, {len(r.ends) - 1}} {
		b, want := slices.Clone(r.closed), map[int]bool{}
		for n, i := range hurt {
			at := r.start(i) + []int64{4, 12, 40}[n%3] // the type, the size or the number in its moof
			b[at] ^= 0x55
			want[i] = true
		}
		x, _ := scan(t, b)
		for _, f := range verify(t, x, b) {
			for i, end := range r.ends {
				in := r.start(i) < f.End && f.Offset < end
				if in && !want[i] {
					t.Errorf("%v: fragment %d is found too: %v", hurt, i, f)
				} else if in {
					delete(want, i)
				}
			}
		}
		if len(want) > 0 {
			t.Errorf("%v: %v are not found", hurt, want)
		}
	}
}

// What a repair has left out stays where it was, and is no fault of the file any more.
func TestVerifyRepaired(t *testing.T) {
	r := record(t, testTracks, 40, 45)
	b := slices.Clone(r.open)
	clear(b[r.start(3):][:60])
	m := &memory{b: b}
	x, _ := scan(t, b)
	if err := Finalize(x, int64(len(b))).Apply(m); err != nil {
		t.Fatal(err)
	}
	x, _ = scan(t, m.b)
	findings := verify(t, x, m.b)
	if len(findings) != 1 || findings[0].Severity != container.Note || findings[0].Offset != r.start(3) || findings[0].End != r.ends[3] {
		t.Fatalf("%v", findings)
	}
}

// A disk that cannot be read is no rot, whoever wrote the file.
func TestVerifyReads(t *testing.T) {
	r := record(t, testTracks, 20, 46)
	x, _ := scan(t, r.closed)
	for at := r.ends[0]; at < r.ends[len(r.ends)-1]; at += 7 {
		if _, err := Verify(broken{bytes.NewReader(r.closed), at}, int64(len(r.closed)), x); err == nil {
			t.Fatalf("a disk that fails at %d gives no error", at)
		}
	}
	x.Ours = false
	if _, err := Verify(broken{bytes.NewReader(r.closed), r.ends[0]}, int64(len(r.closed)), x); err == nil {
		t.Error("a disk that fails gives no error for a file of others")
	}
}
