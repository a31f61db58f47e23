package bmff

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// FuzzScan feeds whole files: they never make Scan, Check or Finalize panic or keep
// more samples than the file has bytes; and what Finalize closes is closed.
func FuzzScan(f *testing.F) {
	open, closed := goldenFile(f)
	f.Add(open)
	f.Add(closed)
	f.Add(closed[:len(closed)-7])
	f.Add(slices.Concat(open, open[len(open)-200:]))
	r := record(f, testTracks, 4, 1)
	f.Add(r.open)
	f.Add(slices.Concat(r.open[:r.ends[0]], make([]byte, 64), r.open[r.ends[0]:]))
	f.Add(record(f, []media.Track{
		{Kind: media.Audio, Codec: media.ALaw, Config: []byte{0x72}},
		{Kind: media.Audio, Codec: media.AC3, ID: 1, Config: ac3Frame(0)},
		{Kind: media.Audio, Codec: media.EAC3, ID: 2, Config: eac3Frame(0, 0, 3, 0)},
		{Kind: media.Audio, Codec: media.MP3, ID: 3, Config: mp3Frame(0)},
	}, 4, 1).closed)
	foreign, err := filepath.Glob("testdata/foreign/*")
	if err != nil || len(foreign) == 0 {
		f.Fatal("no testdata/foreign", err)
	}
	for _, path := range foreign {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		size := int64(len(b))
		x, findings, err := Scan(bytes.NewReader(b), size)
		if err != nil {
			t.Fatal(err)
		}
		sane(t, x, findings, size)
		if y, _, err := Scan(peek(bytes.NewReader(b), size), size); err != nil || !reflect.DeepEqual(x, y) {
			t.Errorf("read ahead it is another file: %v", err)
		}
		more, err := Check(x, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		sane(t, x, more, size)
		rot, err := Verify(bytes.NewReader(b), size, x)
		if err != nil {
			t.Fatal(err)
		}
		sane(t, x, rot, size)
		for _, track := range x.Tracks {
			for range track.Gaps(0) {
				break
			}
		}
		plan := Finalize(x, size)
		if plan == nil {
			return
		}
		m := &memory{b: slices.Clone(b)}
		if err := plan.Apply(m); err != nil {
			t.Fatal(err)
		}
		y, findings := scan(t, m.b)
		if y.State != Closed || len(findings) > 0 || y.samples() != x.samples() {
			t.Fatalf("finished %v with %d samples: %v with %d, %v", x.State, x.samples(), y.State, y.samples(), findings)
		}
		if again := Finalize(y, int64(len(m.b))); again != nil {
			t.Fatalf("a file that was finished needs %v", again)
		}
	})
}

func sane(t *testing.T, x *Index, findings []container.Finding, size int64) {
	t.Helper()
	if int64(x.samples()) > size || x.End > size || x.State != Empty && x.samples() == 0 {
		t.Fatalf("%v: %d samples up to %d in %d bytes", x.State, x.samples(), x.End, size)
	}
	for _, f := range findings {
		if f.Code == "" || f.Text == "" || f.Offset < 0 || f.Offset > f.End || f.End > size && f.Code != "M07" { // which tells what is gone
			t.Fatalf("finding %+v in a file of %d bytes", f, size)
		}
	}
}

// FuzzMoof feeds the headers of fragments.
func FuzzMoof(f *testing.F) {
	open, _ := goldenFile(f)
	offset, size, end := initOf(open)
	h, err := parseMoov(open[offset+boxHeader : offset+size])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(open[end:])
	for c := range children(open[end:]) {
		f.Add(c.all)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < boxHeader {
			return
		}
		var x fragment
		const samples = 1000
		if reason := h.parseMoof(&x, b, 1<<40, samples, make([]int64, len(h.tracks))); reason != "" {
			return
		}
		if x.rows > samples || x.marked && (x.crcAt < x.offset || x.crcAt+4 > x.offset+x.moof) {
			t.Fatalf("%d samples, CRC at %d", x.rows, x.crcAt)
		}
		for _, run := range x.runs {
			for _, row := range run.rows {
				if row.DTS < 0 || row.Offset > row.End() {
					t.Fatalf("row %+v", row)
				}
			}
		}
	})
}
