package recfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// holey is a recording of video at 30 frames a second and audio of 20 ms, of 100
// bytes a sample, frame for frame, that lacks what findings leave out.
func holey(holes ...container.Finding) *Recording {
	video := &container.Track{Track: media.Track{Kind: media.Video}, Timescale: 90000}
	audio := &container.Track{Track: media.Track{Kind: media.Audio}, Timescale: 1000}
	at := int64(1000)
	add := func(t *container.Track, dts int64) {
		for _, h := range holes {
			if h.Repair == "leave it out" && at >= h.Offset && at < h.End {
				at += 100
				return
			}
		}
		t.Add(container.Row{Offset: at, Size: 100, DTS: dts})
		at += 100
	}
	for i := range int64(60) {
		add(video, 3000*i)
		for a := (i*100 + 59) / 60; a*60 < (i+1)*100; a++ {
			add(audio, 20*a)
		}
	}
	return &Recording{Size: at, Ours: true, Findings: holes, Index: container.Index{Tracks: []*container.Track{video, audio}, End: max(video.Last.End(), audio.Last.End())}}
}

func hole(code string, from, to int64) container.Finding {
	return container.Finding{Code: code, Severity: container.Error, Offset: from, End: to, Repair: "leave it out"}
}

// told writes a loss down: "300: video 33ms, audio 40ms".
func told(l Loss) string {
	var parts []string
	for _, t := range l.Tracks {
		parts = append(parts, fmt.Sprintf("%s %s", t.Kind, t.Duration.Round(time.Millisecond)))
	}
	text := fmt.Sprintf("%d: %s", l.Bytes, strings.Join(parts, ", "))
	if l.Incomplete {
		text += "incomplete"
	}
	return text
}

func TestLosses(t *testing.T) {
	whole := holey()
	end := whole.Size
	// The samples begin at 1000: video 0, audio 0 and 20, video 33, audio 40 and 60, video 67, audio 80, ...
	for _, tt := range []struct {
		name  string
		found []container.Finding
		want  []string
		sum   string
	}{
		{"nothing", nil, nil, "0: "},
		{"one frame", []container.Finding{hole("F05", 1300, 1400)}, []string{"100: video 33ms"}, "100: video 33ms"},
		{"one piece of sound", []container.Finding{hole("F05", 1400, 1500)}, []string{"100: audio 20ms"}, "100: audio 20ms"},
		{"a fragment", []container.Finding{hole("M22", 1300, 1600)}, []string{"300: video 33ms, audio 40ms"}, "300: video 33ms, audio 40ms"},
		{"unproven", []container.Finding{hole("M46", 1300, 1600)}, []string{"300: video 33ms, audio 40ms"}, "300: video 33ms, audio 40ms"},
		{"several, not in order", []container.Finding{hole("F05", 4000, 5000), hole("F05", 1600, 1800), hole("F05", 2100, 2300)},
			[]string{"1000: video 133ms, audio 120ms", "200: video 33ms, audio 20ms", "200: video 33ms, audio 20ms"}, "1400: video 200ms, audio 160ms"},
		{"two side by side", []container.Finding{hole("F05", 1300, 1600), hole("F05", 1600, 1800)}, []string{"300: video 67ms, audio 60ms", "200: "}, "500: video 67ms, audio 60ms"},
		{"bytes between samples", []container.Finding{hole("F05", 1300, 1300)}, []string{"0: "}, "0: "},
		{"the first samples", []container.Finding{hole("M22", 1000, 1300)}, []string{"300: "}, "300: "},
		{"up to the end", []container.Finding{hole("F05", end-500, end)}, []string{"500: "}, "500: "},
		{"a torn end", []container.Finding{hole("M20", end-200, end)}, []string{"200: incomplete"}, "0: "},
		{"damage and a torn end", []container.Finding{hole("F05", 1300, 1400), hole("F04", end-100, end)}, []string{"100: video 33ms", "100: incomplete"}, "100: video 33ms"},
		{"an end that is completed", []container.Finding{{Code: "F04", Severity: container.Error, Offset: end - 100, End: end, Repair: "complete its back pointer"}}, []string{"0: "}, "0: "},
		{"what is no hole", []container.Finding{
			{Code: "M04", Offset: 48, End: end, Repair: "append moov, patch 48 bytes"}, {Code: "M02", Offset: 0, End: 48, Repair: "write the head"}, {Code: "M14", Offset: end, End: end}, {Code: "F14", Offset: 13, End: 900, Repair: "write the head anew"},
			{Code: "F05", Severity: container.Note, Offset: 1300, End: 1400, Repair: "none: it is set aside"}, {Code: "F05", Severity: container.Error, Offset: 1300, End: 1400},
		}, []string{"0: ", "0: ", "0: ", "0: ", "0: ", "0: "}, "0: "},
	} {
		r := holey(tt.found...)
		var got []string
		for _, l := range r.Losses() {
			got = append(got, told(l))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
		if sum := told(r.Loss()); sum != tt.sum {
			t.Errorf("%s: in all %s, want %s", tt.name, sum, tt.sum)
		}
	}
}

// A fragment that is damaged, whichever it is, costs its bytes and its frames, and
// says so before and after the fix.
func TestLossOfAFragment(t *testing.T) {
	open, _, ends := mp4File(t, 12, 0)
	for name, tt := range map[string]struct {
		code   string
		damage func(fragment []byte)
	}{
		"no fragment":  {"M22", func(b []byte) { clear(b) }},
		"other frames": {"M46", func(b []byte) { b[len(b)-1] ^= 1 }},
	} {
		for i := 2; i < len(ends); i++ { // behind two samples: then it is known how long one is
			b := bytes.Clone(open)
			tt.damage(b[ends[i-1]:ends[i]])
			p := path(t, ourFile+".mp4", b)
			r := inspect(t, p)
			at := slices.IndexFunc(r.Findings, func(f container.Finding) bool { return f.Code == tt.code })
			want := fmt.Sprintf("%d: video 100ms, audio 100ms", ends[i]-ends[i-1])
			if i == len(ends)-1 { // nothing tells how long it was
				if want = fmt.Sprintf("%d: ", ends[i]-ends[i-1]); tt.code == "M22" { // or that it was one
					if codes(r) != "M04 M20" || r.Verdict != Unfinished || r.Loss().Bytes > 0 {
						t.Errorf("%s, the last one: %s, %s, %+v", name, r.Verdict, codes(r), r.Loss())
					}
					continue
				}
			}
			if at < 0 || told(r.Losses()[at]) != want || told(r.Loss()) != want || r.Verdict != Damaged {
				t.Fatalf("%s, fragment %d: %s, %s, %+v, want %s", name, i, r.Verdict, codes(r), r.Losses(), want)
			}
			if f := fix(t, p); f.Outcome != Lossy || told(f.Before.Loss()) != want || f.After.Index.Tracks[0].Samples != 11 {
				t.Fatalf("%s, fragment %d: outcome %d, %+v", name, i, f.Outcome, f.Before.Loss())
			}
		}
	}
}

// What finishes a file loses nothing, wherever the file was cut.
func TestNoLoss(t *testing.T) {
	openFLV, closedFLV := flvFile(t, stream(4))
	openMP4, closedMP4, ends := mp4File(t, 4, 0)
	for name, b := range map[string][]byte{
		"a.flv": openFLV, "b.flv": openFLV[:len(openFLV)-3], "c.flv": closedFLV[:len(closedFLV)-3], "d.flv": foreignFLV(stream(4)), "e.flv": slices.Concat(openFLV, make([]byte, 5000)),
		"a.mp4": openMP4, "b.mp4": openMP4[:len(openMP4)-3], "c.mp4": closedMP4[:len(closedMP4)-3], "d.mp4": openMP4[:ends[2]+9], "e.mp4": foreignMP4(t, "frag.mp4"),
	} {
		r := inspect(t, path(t, name, b))
		left := int64(0)
		for i, l := range r.Losses() {
			left += l.Bytes
			if l.Bytes > 0 && (!l.Incomplete || r.Findings[i].End != r.Size) {
				t.Errorf("%s: %s costs %+v", name, r.Findings[i].Code, l)
			}
		}
		torn := map[string]int64{"b.flv": 0, "e.flv": 5000, "d.mp4": 9}
		if want, known := torn[name]; known && want > 0 && left != want || r.Loss().Bytes != 0 || r.outcome() != Repaired {
			t.Errorf("%s: %d bytes are left out, want %d; %+v", name, left, want, r.Loss())
		}
	}
}

// In a file of others that is damaged in the middle what follows is found too.
func TestForeignFragmentLost(t *testing.T) {
	for _, name := range []string{"frag.mp4", "frag_base.mp4"} {
		b := foreignMP4(t, name)
		all := inspect(t, path(t, name, b))
		first := bytes.Index(b, []byte("moof"))
		clear(b[first : first+30])
		p := path(t, name, b)
		r := inspect(t, p)
		if codes(r) != "M04 M22" || r.Verdict != Damaged || r.Loss().Bytes != r.Findings[1].End-r.Findings[1].Offset {
			t.Errorf("%s: %s, %s, %+v", name, r.Verdict, codes(r), r.Loss())
			continue
		}
		f := fix(t, p)
		if f.Outcome != Lossy || f.After.Verdict != Whole || !bytes.Equal(get(t, p), b) {
			t.Errorf("%s: outcome %d", name, f.Outcome)
		}
		for i, track := range f.After.Index.Tracks {
			if n := all.Index.Tracks[i].Samples; track.Samples < n/3 || track.Samples >= n {
				t.Errorf("%s: %d of %d samples in track %d", name, track.Samples, n, i)
			}
		}
	}
}
