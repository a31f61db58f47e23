package flv

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

var someDrop = container.Drop{At: 66051 * time.Millisecond, Length: 4 * time.Second, Video: 120, Audio: 172}

// The tag, byte by byte.
func TestDropTag(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{})
	d := someDrop
	d.At += 999 * time.Microsecond // a tag keeps milliseconds
	if err := w.Drop(d); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := unhex("0F 000041 010203 00 000000" + // tag header: 66051 ms is 010203h
		"00 02 0006 6F6E44726F70" + // AMF0 follows, "onDrop"
		"03 0008 6475726174696F6E 00 4010000000000000" + // an object: duration 4
		"0005 766964656F 00 405E000000000000" + // video 120
		"0005 617564696F 00 4065800000000000" + // audio 172
		"000009 0000004C") // its end, back pointer
	if got := f.data[headSize:]; !bytes.Equal(got, want) {
		t.Errorf("got\n% x, want\n% x", got, want)
	}
	x, findings := scan(t, f)
	someDrop := someDrop
	someDrop.Offset = headSize
	if len(findings) > 0 || !slices.Equal(x.Drops, []container.Drop{someDrop}) || !slices.Equal(x.Drops, w.Index().Drops) || x.End != f.size() {
		t.Errorf("%+v, %+v, the writer says %+v", x.Drops, findings, w.Index().Drops)
	}
	noted := container.Finding{Code: "F50", Severity: container.Note, Offset: headSize, End: f.size(),
		Text: "noted by the recorder: the disk was too slow, 4.000 s are missing here, 120 frames of video and 172 of audio"}
	if got := Check(x); !slices.Equal(got, []container.Finding{noted}) {
		t.Errorf("%+v, want %+v", got, noted)
	}
}

// Every drop is read as it was written, and nothing else is one: a recorder writes no
// other bytes, so that a damaged one is known.
func TestDropBytes(t *testing.T) {
	for _, d := range []container.Drop{{}, someDrop, {Length: time.Millisecond, Video: math.MaxUint32, Audio: 1}, {Length: 999_999_999 * time.Millisecond}} {
		body := appendDropBody(nil, d)
		got, ok := parseDrop(TagScriptAMF3, body)
		if want := (container.Drop{Length: d.Length, Video: d.Video, Audio: d.Audio}); !ok || got != want {
			t.Errorf("%+v is read as %+v", d, got)
		}
		if _, ok := parseDrop(TagScript, body); ok {
			t.Error("one of type 18")
		}
		for n := range body {
			if _, ok := parseDrop(TagScriptAMF3, body[:n]); ok {
				t.Errorf("one of %d bytes", n)
			}
		}
	}
	body := appendDropBody(nil, someDrop)
	for i := range 1 + 9 + 1 + 2 + 8 + 1 { // names and markers up to the first number
		bad := slices.Clone(body)
		bad[i] ^= 0x20
		if d, ok := parseDrop(TagScriptAMF3, bad); ok {
			t.Errorf("byte %d changed: %+v", i, d)
		}
	}
	for name, number := range map[string]float64{"negative": -1, "a fraction": 0.5, "infinite": math.Inf(1), "no number": math.NaN(), "too large": 1 << 32} {
		bad := slices.Clone(body)
		at := bytes.Index(bad, []byte("video")) + 5
		copy(bad[at:], unhex(fmt.Sprintf("00%016x", math.Float64bits(number))))
		if d, ok := parseDrop(TagScriptAMF3, bad); ok {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

// A copy of a recording has what the recorder noted.
func TestCopyKeepsDrops(t *testing.T) {
	r := runs[len(runs)-1]
	rec := record(t, r, nil)
	x, _ := scan(t, rec.file)
	dst := &memFile{}
	if err := Copy(dst, rec.file, rec.file.size(), x); err != nil {
		t.Fatal(err)
	}
	y, findings := scan(t, dst)
	if len(x.Drops) != 2 || len(findings) > 0 || !slices.Equal(x.Drops, y.Drops) {
		t.Errorf("%+v, want %+v; %+v", y.Drops, x.Drops, findings)
	}
}
