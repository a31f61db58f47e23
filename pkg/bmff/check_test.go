package bmff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// checked is the index of a file whose rows a function has changed, as if the file
// said so.
func checked(t *testing.T, b []byte, ours bool, change func(track int, rows []container.Row) []container.Row) *Index {
	t.Helper()
	x, _ := scan(t, b)
	x.Ours = ours
	for i, track := range x.Tracks {
		next := &container.Track{Track: track.Track, Timescale: track.Timescale}
		for _, r := range change(i, rows(track)) {
			next.Add(r)
		}
		x.Tracks[i] = next
	}
	return x
}

func TestCheckSamples(t *testing.T) {
	b := record(t, testTracks, 30, 31).closed
	for _, c := range []struct {
		name   string
		change func(r []container.Row) // of the video
		want   string
	}{
		{"nothing", func([]container.Row) {}, ""},
		{"a step of 0", func(r []container.Row) { r[5].DTS = r[4].DTS }, "M13 M17"},
		{"a giant step", func(r []container.Row) {
			for i := 9; i < len(r); i++ {
				r[i].DTS += giant
			}
		}, "M14 M13"},
		{"the header tells less", func(r []container.Row) {
			for i := range r {
				r[i].DTS *= 4
			}
		}, "M14"},
		{"11 s to presentation", func(r []container.Row) { r[5].CTS = 11 * 90000 }, "M16"},
		{"absurd offset", func(r []container.Row) { r[5].CTS = math.MinInt32 }, "M16"},
		{"twice the same PTS", func(r []container.Row) { r[5].CTS += int32(r[6].DTS+int64(r[6].CTS)) - int32(r[5].DTS+int64(r[5].CTS)) }, "M17"},
		{"empty sample", func(r []container.Row) { r[5].Size = 0 }, "M43"},
		{"overlap", func(r []container.Row) { r[5].Offset = r[4].Offset }, "M43"},
		{"no keys", func(r []container.Row) {
			for i := range r {
				r[i].Key = false
			}
		}, "M19 M19"},
		{"begins with no key", func(r []container.Row) { r[0].Key = false }, "M19 M19"},
		{"false key", func(r []container.Row) { r[1].Key = true }, "M19"},
	} {
		for _, ours := range []bool{true, false} {
			x := checked(t, b, ours, func(i int, r []container.Row) []container.Row {
				if i == 0 {
					c.change(r)
				}
				return r
			})
			findings, err := Check(x, bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			findings = slices.DeleteFunc(findings, func(f container.Finding) bool { return f.Code == "M28" }) // testHVCC has no SPS
			got := ""
			for i, f := range findings {
				if i > 0 {
					got += " "
				}
				got += f.Code
				if f.End < f.Offset || f.Text == "" {
					t.Errorf("%s: %+v", c.name, f)
				}
			}
			if got != c.want {
				t.Errorf("%s (ours %v): %q, want %q: %v", c.name, ours, got, c.want, findings)
			}
		}
	}
}

// What a moov says wrongly of others' files. The bytes are patched in place.
func TestCheckTables(t *testing.T) {
	for _, c := range []struct {
		name, box string
		at        int // in the payload
		value     uint32
		want      string
	}{
		{"mvhd duration", "mvhd", 16, 99_000_000, "M14"},
		{"tkhd duration", "tkhd", 20, 99_000_000, "M14 M14"},
		{"mdhd duration", "mdhd", 16, 99_000_000, "M14"},
		{"stts count", "stts", 8, 7, "M12"},
		{"stts delta", "stts", 12, 0, "M13"},
		{"stts giant delta", "stts", 12, 0xFFFFFFF0, "M13"},
		{"ctts negative in version 0", "ctts", 12, 0xFFFFF000, "M16"},
		{"stss beyond the end", "stss", 8, 77, "M12"},
	} {
		b, err := os.ReadFile("testdata/foreign/faststart.mp4")
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, []byte(c.box)) + 4 + c.at
		binary.BigEndian.PutUint32(b[at:], c.value)
		x, findings := scan(t, b)
		if x.State != Closed || len(findings) > 0 {
			t.Fatalf("%s: %v, %v", c.name, x.State, findings)
		}
		more, err := Check(x, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(codes(more), c.want[:3]) || more[0].Severity != container.Warning {
			t.Errorf("%s: %v, want %s", c.name, more, c.want)
		}
	}
}

func TestCheckConfig(t *testing.T) {
	b := record(t, testTracks, 5, 33).closed
	x, _ := scan(t, b)
	x.Tracks[0].Config = nil
	findings, err := Check(x, bytes.NewReader(b))
	if err != nil || len(findings) == 0 || findings[0].Code != "M28" || findings[0].Severity != container.Error {
		t.Errorf("%v, %v", findings, err)
	}
}

func TestCheckReadError(t *testing.T) {
	b := record(t, testTracks, 5, 34).closed
	x, _ := scan(t, b)
	if _, err := Check(x, broken{bytes.NewReader(b), 0}); !errors.Is(err, bytes.ErrTooLarge) {
		t.Error(err)
	}
}

// Whatever a publisher sends, a file of ours has nothing worse than notes, open or
// closed: nobody could mend it.
func TestOursIsClean(t *testing.T) {
	m := &memory{}
	w, err := NewWriter(m, Options{Tracks: testTracks, Created: created})
	if err != nil {
		t.Fatal(err)
	}
	ms := time.Millisecond
	for i, at := range []time.Duration{40 * ms, 40 * ms, 10 * ms, 20 * ms, 5 * time.Second, 3 * time.Hour, 40 * time.Hour, 0} {
		cts := []time.Duration{-500 * ms, 0, 8388607 * ms, -8388608 * ms}[i%4]
		write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, DTS: at, CTS: cts, Key: i == 3, Data: []byte{byte(i)}})
		write(t, w, media.Sample{Kind: media.Audio, Codec: media.AAC, DTS: at + 7*time.Second, CTS: cts, Data: []byte{1, byte(i)}})
		if i%3 == 1 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		x, _ := scan(t, m.b)
		clean(t, x, m)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	x, findings := scan(t, m.b)
	if x.State != Closed || len(findings) > 0 {
		t.Fatal(x.State, findings)
	}
	clean(t, x, m)
}

// A copy of anybody's file shows the same samples at the same times.
func TestCopy(t *testing.T) {
	files, _ := filepath.Glob("testdata/foreign/*")
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := scan(t, b)
		m := &memory{}
		if err := Copy(m, bytes.NewReader(b), x); err != nil {
			t.Fatal(err)
		}
		y, findings := scan(t, m.b)
		if y.State != Closed || y.Ours || len(findings) > 0 {
			t.Fatalf("%s: %v, ours %v, %v", path, y.State, y.Ours, findings)
		}
		clean(t, y, m)
		for i, track := range x.Tracks {
			if from, to := shown(b, track), shown(m.b, y.Tracks[i]); !slices.Equal(from, to) {
				t.Errorf("%s: track %d is shown differently: %s, %s", path, i, from[0], to[0])
			}
		}
	}
}

// shown is when each sample is decoded and shown, to the millisecond, and what it is.
func shown(b []byte, t *container.Track) (all []string) {
	for r := range t.Rows() {
		shift := int64(t.Timescale) * 1000 // positive, so that rounding goes one way
		at := t.Time(r.DTS + int64(r.CTS) + shift).Round(time.Millisecond)
		all = append(all, fmt.Sprintf("%s %v %x", at, r.Key, b[r.Offset:r.End()]))
	}
	return all
}
