package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// The text and JSON of real files are in cmd/testdata/script.

// synthetic is a recording of one track with a number of gaps and findings.
func synthetic(n int) *recfile.Recording {
	t := &container.Track{Track: media.Track{Kind: media.Audio, Codec: media.Opus}, Timescale: 1000}
	at := int64(0)
	for i := range 20 * (n + 1) {
		if i > 0 && i%20 == 0 {
			at += 10000
		}
		t.Add(container.Row{Offset: 100 + 10*int64(i), Size: 10, DTS: at, Key: true})
		at += 20
	}
	r := &recfile.Recording{Path: "dir/a.mp4", Size: 1 << 30, Format: "MP4", Verdict: recfile.Damaged, Index: container.Index{Tracks: []*container.Track{t}}}
	for i := range n {
		r.Findings = append(r.Findings, container.Finding{Code: "M22", Severity: container.Error, Offset: 100 + 200*int64(n-i), End: 1 << 20, Text: "damaged", Repair: "leave it out"})
	}
	return r
}

// A person reads a hundred lines, a program gets all.
func TestManyFindings(t *testing.T) {
	r := synthetic(1234)
	var b strings.Builder
	if err := Text(&b, r); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != 3+2*101 || lines[103] != "  ... and 1,134 more gaps" || lines[204] != "  ... and 1,134 more findings" {
		t.Errorf("%d lines, %q, %q", len(lines), lines[103], lines[len(lines)-1])
	}
	if want := "  M22  error  246900..1048576  at 03:32:... damaged"; !strings.HasPrefix(lines[104], want[:35]) {
		t.Errorf("%q, want %q", lines[104], want)
	}
	if f := NewFile(r); len(f.Gaps) != 1234 || len(f.Findings) != 1234 {
		t.Errorf("%d gaps, %d findings", len(f.Gaps), len(f.Findings))
	}
	var out strings.Builder
	if err := FixText(&out, nil, "a.mp4", recfile.Fixed{Outcome: recfile.Irreparable, Before: r}, false, nil); err != nil || strings.Count(out.String(), "\n") != 102 {
		t.Errorf("%v, %d lines of fix", err, strings.Count(out.String(), "\n"))
	}
}

// A finding has the time of the first sample behind it, unless it precedes all.
func TestTimes(t *testing.T) {
	r := synthetic(1)
	r.Findings = []container.Finding{{Offset: 1 << 29}, {Offset: 110}, {Offset: 0}, {Offset: 111}, {Offset: 100}, {Offset: 300}}
	want := []time.Duration{10800 * time.Millisecond, 20 * time.Millisecond, -1, 40 * time.Millisecond, -1, 10400 * time.Millisecond}
	if diff := cmp.Diff(want, r.Times()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestVerdicts(t *testing.T) {
	for v, want := range map[recfile.Verdict]string{
		recfile.Whole: "WHOLE", recfile.Live: "LIVE: being recorded, consistent so far", recfile.Unfinished: "UNFINISHED: fix finishes it, nothing is lost",
		recfile.Damaged: "DAMAGED: fix mends it, nothing is lost", recfile.Hopeless: "BEYOND REPAIR",
	} {
		if got := verdict(&recfile.Recording{Verdict: v}); got != want {
			t.Errorf("%s: %s, want %s", v, got, want)
		}
	}
	rot := synthetic(3)
	rot.Verdict = recfile.Rotten
	for i := range rot.Findings {
		rot.Findings[i].Code, rot.Findings[i].End = "M49", rot.Findings[i].Offset+100
	}
	if want := "ROTTEN: 300 bytes of media are damaged, at 3 places from 00:00:10.400 to 00:00:31.200; fix cannot bring them back, players show the rest"; verdict(rot) != want {
		t.Errorf("%q, want %q", verdict(rot), want)
	}
	r := synthetic(1)
	if r.Verdict = recfile.Hopeless; verdict(r) != "BEYOND REPAIR: players may show some of it" {
		t.Error(verdict(r))
	}
}

// A loss is told in bytes, and in time as far as that is known.
func TestLossShown(t *testing.T) {
	track := func(n int, kind media.Kind, d time.Duration) recfile.TrackLoss {
		return recfile.TrackLoss{Track: n, Kind: kind, Duration: d}
	}
	for _, tt := range []struct {
		loss recfile.Loss
		want string
	}{
		{recfile.Loss{}, ""},
		{recfile.Loss{Bytes: 12345, Tracks: []recfile.TrackLoss{track(0, media.Video, 66*time.Millisecond)}}, "; loses 12.3 kB, 0.066 s of video"},
		{recfile.Loss{Bytes: 99, Tracks: []recfile.TrackLoss{track(1, media.Audio, 90*time.Second), track(2, media.Audio, time.Minute), track(3, media.Video, time.Second)}},
			"; loses 99 bytes, 1.000 s of video, 90.000 s of audio"},
		{recfile.Loss{Bytes: 99}, "; loses 99 bytes"},
		{recfile.Loss{Bytes: 99, Duration: 1500 * time.Millisecond, Estimated: true}, "; loses 99 bytes, about 1.500 s from the end"},
		{recfile.Loss{Duration: 1500 * time.Millisecond}, "; loses 1.500 s from the end"},
		{recfile.Loss{Bytes: 99, Incomplete: true}, "; 99 bytes, incomplete"},
	} {
		f := container.Finding{Code: "M22", Severity: container.Error, Offset: 1, End: 100, Text: "damaged", Repair: "leave it out"}
		if got, want := finding(f, 1000, -1, tt.loss), "M22  error  1..100  damaged  -> leave it out"+tt.want; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	r := synthetic(1)
	r.Findings[0].Offset, r.Findings[0].End = 290, 300 // where the samples are 10 s apart
	want := &Loss{Bytes: 10, Tracks: []TrackLoss{{Track: 0, Kind: "audio", Duration: 10}}}
	if f := NewFile(r); !reflect.DeepEqual(f.Loss, want) || !reflect.DeepEqual(f.Findings[0].Loss, want) || f.Findings[0].LeftOut != 10 {
		t.Errorf("%+v, %+v, want %+v", f.Loss, f.Findings[0], want)
	}
	if got, want := verdict(r), "DAMAGED: fix mends it, lost: 10 bytes, 10.000 s of audio"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNumbers(t *testing.T) {
	for got, want := range map[string]string{
		count(0): "0", count(999): "999", count(1000): "1,000", count(1234567): "1,234,567",
		size(999): "999 bytes", size(1000): "1.0 kB", size(52_100_000): "52.1 MB", size(1_900_000_000): "1.90 GB",
		clock(104 * time.Second): "00:01:44.000", clock(100*time.Hour + 1500*time.Microsecond): "100:00:00.002",
		channels(1): "mono", channels(2): "stereo", channels(6): "6 channels", several(1, "frame"): "1 frame", several(2000, "frame"): "2,000 frames",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Errors are one line, whatever they are made of, and go to stderr alone.
func TestErrorIsOneLine(t *testing.T) {
	failed := errors.Join(errors.New("a.flv: disk is full"), errors.New("no"))
	var stdout, stderr strings.Builder
	if err := FixText(&stdout, &stderr, "a.flv", recfile.Fixed{}, false, failed); err != nil {
		t.Fatal(err)
	}
	if stdout.Len() > 0 || stderr.String() != "rtmptool: a.flv: disk is full no\n" {
		t.Errorf("%q, %q", &stdout, &stderr)
	}
	stderr.Reset()
	if err := ErrorText(&stderr, &fs.PathError{Op: "open", Path: "a", Err: fs.ErrNotExist}); err != nil || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "; name the recordings") {
		t.Errorf("%q", &stderr)
	}
	if err := FixJSON(&stdout, "a.flv", recfile.Fixed{}, false, failed); err != nil || strings.Count(stdout.String(), "\n") != 1 || strings.Contains(stdout.String(), "null") {
		t.Errorf("%q", &stdout)
	}
}

// The page on the JSON form names every field and every value.
func TestSchemaPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/formats/inspect-json.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(string(page), -1) {
		documented[m[1]] = true
	}
	for _, v := range []any{File{}, Track{}, Gap{}, Finding{}, Loss{}, TrackLoss{}, Fix{}} {
		for i := range reflect.TypeOf(v).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			if !documented[name] {
				t.Errorf("%T: %s is not documented", v, name)
			}
		}
	}
	for v := recfile.Whole; v <= recfile.Hopeless; v++ {
		if !documented[v.String()] {
			t.Errorf("verdict %s is not documented", v)
		}
	}
	for o := recfile.Nothing; o <= recfile.InUse; o++ {
		for _, dryRun := range []bool{false, true} {
			if !documented[result(o, dryRun)] {
				t.Errorf("result %s is not documented", result(o, dryRun))
			}
		}
	}
	line, _ := json.Marshal(Schema)
	if !strings.Contains(string(page), fmt.Sprintf("schema %s", line)) {
		t.Errorf("the page is not of schema %s", line)
	}
}
