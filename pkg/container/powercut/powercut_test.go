package powercut

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/container"
)

var _ container.File = (*Disk)(nil)

func random() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// Of a few writes every mixture comes, and nothing that cannot be.
func TestAllStates(t *testing.T) {
	d := &Disk{}
	write := func(s string, n int, at int64) { d.WriteAt([]byte(strings.Repeat(s, n)), at) }
	write("a", 700, 0) // two sectors
	d.Sync()
	write("b", 400, 700) // the second sector and the third
	write("c", 100, 1100)
	got := map[string]bool{}
	for s := range d.States(random(), 1000) {
		if s.Epoch == 1 {
			if s.Durable != 700 || string(s.Data[:700]) != strings.Repeat("a", 700) {
				t.Fatalf("%s: durable bytes are gone", s.How)
			}
			got[strings.Trim(squeeze(s.Data[700:]), "a")] = true
		}
	}
	var want []string
	// The second sector is old or new; the third one old, with b, or with b and c;
	// the size is one of three.
	for _, second := range []string{"0", "b"} {
		for _, third := range []string{"0", "b0", "bc"} {
			for _, size := range []int{700, 1100, 1200} {
				all := expand(second, third)[:size-700]
				want = append(want, squeeze([]byte(all)))
			}
		}
	}
	slices.Sort(want)
	for _, w := range slices.Compact(want) {
		if !got[w] {
			t.Errorf("no state %q", w)
		}
		delete(got, w)
	}
	if len(got) > 0 {
		t.Errorf("states that cannot be: %v", got)
	}
}

// expand returns the bytes from 700 to 1200 for the contents of two sectors.
func expand(second, third string) string {
	fill := func(c byte, n int) string {
		if c == '0' {
			c = 0
		}
		return strings.Repeat(string(c), n)
	}
	all := fill(second[0], 1024-700)
	switch third {
	case "0":
		return all + fill('0', 176)
	case "b0":
		return all + fill('b', 76) + fill('0', 100)
	}
	return all + fill('b', 76) + fill('c', 100)
}

// squeeze writes runs as one letter and a count.
func squeeze(b []byte) string {
	var s strings.Builder
	for i := 0; i < len(b); {
		j := i
		for j < len(b) && b[j] == b[i] {
			j++
		}
		c := b[i]
		if c == 0 {
			c = '0'
		}
		s.WriteByte(c)
		s.WriteString(strings.Repeat(".", (j-i)/50))
		i = j
	}
	return s.String()
}

// A cut that is synced cannot come back, one that is not may.
func TestTruncate(t *testing.T) {
	d := NewDisk([]byte(strings.Repeat("a", 1000)))
	d.Truncate(10)
	sizes := map[int]bool{}
	for s := range d.States(random(), 100) {
		sizes[len(s.Data)] = true
	}
	if len(sizes) != 2 || !sizes[10] || !sizes[1000] {
		t.Errorf("sizes %v", sizes)
	}
	d.Sync()
	d.WriteAt([]byte("b"), 20)
	for s := range d.States(random(), 100) {
		if s.Epoch == 1 && strings.Contains(string(s.Data[10:]), "a") {
			t.Fatalf("%s: what was cut is back", s.How)
		}
	}
}

// Of a long run every kind of state comes, and durable bytes stay in all.
func TestSampledStates(t *testing.T) {
	d := &Disk{}
	r := random()
	var ends []int // of the file, at each sync
	for i := range 200 {
		b := make([]byte, 100+r.IntN(3000))
		for j := range b {
			b[j] = byte(1 + i)
		}
		d.WriteAt(b, int64(len(d.Bytes())))
		if i%50 == 49 {
			d.Sync()
			ends = append(ends, len(d.Bytes()))
		}
	}
	final := slices.Clone(d.Bytes())
	lost, holes, whole, shorter := 0, 0, 0, 0
	for s := range d.States(r, 100) {
		if string(s.Data[:s.Durable]) != string(final[:s.Durable]) {
			t.Fatalf("%s: durable bytes differ", s.How)
		}
		rest := s.Data[s.Durable:]
		if n := len(s.Data); len(rest) > 0 && n < ends[s.Epoch] && string(s.Data) == string(final[:n]) {
			shorter++
		}
		switch i := slices.Index(rest, 0); {
		case len(rest) == 0:
			lost++
		case i < 0:
			whole++
		case strings.Trim(string(rest[i:]), "\x00") != "":
			holes++
		}
	}
	if lost == 0 || holes < 50 || whole == 0 || shorter < 20 {
		t.Errorf("%d states without the rest, %d with holes, %d whole, %d whole but shorter", lost, holes, whole, shorter)
	}
}
