package flv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// foreign is a file of somebody else, with metadata or without.
func foreign(metadata []byte, tags []timedBody) *memFile {
	b := append([]byte(signature), flagAudio|flagVideo, 0, 0, 0, 9, 0, 0, 0, 0)
	add := func(kind byte, ms int64, body []byte) {
		b = append(b, kind, byte(len(body)>>16), byte(len(body)>>8), byte(len(body)), byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24), 0, 0, 0)
		b = binary.BigEndian.AppendUint32(append(b, body...), uint32(tagHeaderSize+len(body)))
	}
	if metadata != nil {
		add(TagScript, 0, metadata)
	}
	for _, t := range tags {
		add(tagType(t.kind), t.ms, unhex(t.hex))
	}
	return &memFile{data: b}
}

func onMeta(p ...amf.Property) []byte { return amf.Append(nil, metadataName, amf.ECMAArray(p)) }

// worst is the highest severity.
func worst(findings []container.Finding) (all container.Severity) {
	for _, f := range findings {
		all = max(all, f.Severity)
	}
	return all
}

func codesOf(findings []container.Finding) string {
	var all []string
	for _, f := range findings {
		all = append(all, f.Code)
	}
	return strings.Join(all, " ")
}

// What runs leave is whole when closed, and unfinished before, whatever they hold.
func TestCheckOurs(t *testing.T) {
	proven := []string{"H.264 with B-frames, rate from the configuration", "times beyond 2^31 ms", "one frame"} // NAL units alone
	for _, r := range append(slices.Clone(runs), run{name: "one frame", flush: 1, bodies: []timedBody{video(0, "17 00 000000"+avcC720), video(0, "17 01 000000"+avcKey)}}) {
		rec := record(t, r, nil)
		for _, c := range []struct {
			file *memFile
			want string
		}{{bytesFile(rec.open), "F14"}, {rec.file, ""}} {
			x, _ := scan(t, c.file)
			if c.want != "" && !slices.Contains(proven, r.name) {
				c.want = "F51 " + c.want
			}
			c.want = strings.TrimSpace(strings.Repeat("F50 ", len(r.drops)) + c.want)
			if got := codesOf(Check(x)); got != c.want || !x.Ours {
				t.Errorf("%s: %q, want %q, ours: %v", r.name, got, c.want, x.Ours)
			}
		}
	}
}

func TestCheckForeign(t *testing.T) {
	tags := runs[0].bodies // 805 ms, 4 keyframes
	later := slices.Clone(tags)
	for i := range later {
		later[i].ms += 5000
	}
	index := amf.Property{Key: "keyframes", Value: amf.Object{{Key: "times", Value: amf.StrictArray{0.0, 0.2}}}}
	seconds := func(d float64) amf.Property { return amf.Property{Key: "duration", Value: d} }
	for name, c := range map[string]struct {
		metadata []byte
		tags     []timedBody
		want     string
	}{
		"no metadata":         {nil, tags, "F12"},
		"nothing at all":      {onMeta(), nil, ""}, // Scan has said so
		"no duration":         {onMeta(index), tags, "F14"},
		"one too short":       {onMeta(seconds(0.2), index), tags, "F14"},
		"one too long":        {onMeta(seconds(7), index), tags, "F41"},
		"as was planned":      {onMeta(seconds(7), amf.Property{Key: "filesize", Value: 0.0}, index), tags, "F14"},
		"cut":                 {onMeta(seconds(1), amf.Property{Key: "filesize", Value: 1e6}, index), tags, "F41"},
		"no number":           {onMeta(seconds(math.NaN()), index), tags, "F14"},
		"from 0":              {onMeta(seconds(5.8), index), later, ""},
		"a larger size":       {onMeta(seconds(0.805), amf.Property{Key: "filesize", Value: 1e6}, index), tags, ""},
		"about right":         {onMeta(seconds(0.5), index), tags, ""},
		"no index":            {onMeta(seconds(0.805)), tags, "F16"},
		"one frame":           {onMeta(), tags[:3], ""},
		"metadata cut":        {onMeta(seconds(0.805), index)[:20], tags, "F14"},
		"somebody's encoder":  {onMeta(seconds(0.805), index, amf.Property{Key: "encoder", Value: "Lavf"}), tags, ""},
		"says that it is our": {onMeta(seconds(0.805), index, amf.Property{Key: "encoder", Value: "rtmptool"}), tags, ""},
	} {
		f := foreign(c.metadata, c.tags)
		x, _ := scan(t, f)
		if got := codesOf(Check(x)); got != c.want || x.Ours {
			t.Errorf("%s: %q, want %q; ours: %v", name, got, c.want, x.Ours)
		}
	}
}

// A head of ours is ours from its first byte to its last.
func TestOursCut(t *testing.T) {
	rec := record(t, runs[0], nil)
	for n := 1; n <= headSize+50; n++ {
		if n > 100 && n < headSize-100 && n%50 > 0 {
			continue
		}
		if x, _ := scan(t, bytesFile(rec.open[:n])); !x.Ours {
			t.Fatalf("%d bytes are not ours", n)
		}
	}
	for name, f := range map[string]*memFile{"empty": {}, "text": bytesFile([]byte("FLV is a format")), "MP4": bytesFile([]byte("\x00\x00\x00\x20ftyp")),
		"foreign": foreign(onMeta(), runs[0].bodies), "another size": bytesFile(append(bytes.Clone(rec.open[:14]), 1, 2, 3))} {
		if x, _ := scan(t, f); x.Ours {
			t.Errorf("%s: ours", name)
		}
	}
}

// The table has every frame of every track, and their configurations.
func TestTable(t *testing.T) {
	for _, r := range runs {
		rec := record(t, r, nil)
		want := map[string]int{}
		for _, p := range r.packets(t) {
			if p.drop != nil {
				continue
			}
			for s := range Samples(p.Packet) {
				want[string(rune(s.Kind))+string(rune(s.Track))]++
			}
		}
		got := map[string]int{}
		x, _ := scan(t, rec.file)
		for _, track := range x.Tracks {
			if track.Samples > 0 {
				got[string(rune(track.Kind))+string(rune(track.ID))] += track.Samples
			}
		}
		for id, n := range want {
			if got[id] != n {
				t.Errorf("%s: track %x has %d samples, want %d", r.name, id, got[id], n)
			}
		}
	}
}

var errRead = errors.New("the disk is gone")
