package bmff

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// goldenFile is a tiny file: one video and two audio samples, then one of each.
func goldenFile(t testing.TB) (open, closed []byte) {
	m := &memory{}
	now := created
	w, err := NewWriter(m, Options{Tracks: testTracks, Created: created, Now: func() time.Time { return now },
		FileID: [16]byte{0xF1, 0xE1, 0xD1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}})
	if err != nil {
		t.Fatal(err)
	}
	ms := time.Millisecond
	audio := func(at time.Duration, data ...byte) {
		write(t, w, media.Sample{Kind: media.Audio, Codec: media.AAC, DTS: at, Data: data})
	}
	audio(0, 0xA1)
	audio(21*ms, 0xA2, 0xA2)
	write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, Key: true, DTS: 10 * ms, CTS: 33 * ms, Data: []byte{0, 0, 0, 2, 0x26, 1}})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	w.Synced(w.Written() - 1) // all of it would be for the third fragment to tell
	now = now.Add(33 * ms)
	audio(43*ms, 0xA3)
	write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, DTS: 43 * ms, Data: []byte{0, 0, 0, 2, 2, 1}})
	write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, DTS: 77 * ms, CTS: -3 * ms, Data: []byte{0, 0, 0, 2, 2, 1}})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	open = slices.Clone(m.b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return open, m.b
}

// parents are the boxes that a dump goes into, and where their children begin.
var parents = map[string]int{"moov": 0, "trak": 0, "mdia": 0, "minf": 0, "dinf": 0, "stbl": 0, "mvex": 0, "udta": 0, "edts": 0, "moof": 0, "traf": 0,
	"stsd": 8, "dref": 8, "hvc1": visualEntry, "mp4a": audioEntry0}

// dump writes boxes one a line: indented kind, then the payload in hex.
func dump(out *strings.Builder, b []byte, depth int) {
	for c := range children(b) {
		skip, parent := parents[c.kind]
		own := c.body
		if parent {
			own = c.body[:skip]
		}
		fmt.Fprintf(out, "%s%s", strings.Repeat("  ", depth), c.kind)
		for i, v := range own {
			if i%4 == 0 {
				out.WriteByte(' ')
			}
			fmt.Fprintf(out, "%02x", v)
		}
		out.WriteByte('\n')
		if parent {
			dump(out, c.body[skip:], depth+1)
		}
	}
}

// undump turns a dump back into bytes.
func undump(t testing.TB, lines []string, depth int) (b []byte, rest []string) {
	for len(lines) > 0 && lines[0] != "" {
		line := strings.TrimLeft(lines[0], " ")
		if (len(lines[0])-len(line))/2 < depth {
			break
		}
		payload, err := hex.DecodeString(strings.ReplaceAll(line[4:], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		at := len(b)
		b = append(appendBox(b, line[:4]), payload...)
		var inner []byte
		inner, lines = undump(t, lines[1:], depth+1)
		b = endBox(append(b, inner...), at)
	}
	return b, lines
}

// Every box that is written has these bytes, and these bytes are read back.
func TestGolden(t *testing.T) {
	open, closed := goldenFile(t)
	for name, b := range map[string][]byte{"open": open, "moov": closed[len(open):]} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "golden", name+".txt")
			var out strings.Builder
			dump(&out, b, 0)
			if *update {
				if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != string(want) {
				t.Errorf("boxes differ from %s; have\n%s", path, out.String())
			}
			if back, _ := undump(t, strings.Split(string(want), "\n"), 0); !bytes.Equal(back, b) {
				t.Error("the dump does not make the bytes")
			}
		})
	}
	head := "\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso4mp41mp42" + "\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00"
	if got := closed[:headSize]; string(got[:46]) != head || int(got[46])<<8|int(got[47]) != len(open)-ftypSize {
		t.Errorf("closed head %q", got)
	}
}

// The samples that the golden bytes say.
func TestGoldenIsRead(t *testing.T) {
	open, closed := goldenFile(t)
	for name, b := range map[string][]byte{"open": open, "closed": closed} {
		x, _ := scan(t, b)
		video, audio := rows(x.Tracks[0]), rows(x.Tracks[1])
		for i := range video {
			video[i].Offset = 0
		}
		if want := []container.Row{{Size: 6, DTS: 900, CTS: 2970, Key: true}, {Size: 6, DTS: 3870}, {Size: 6, DTS: 6930, CTS: -270}}; !slices.Equal(video, want) {
			t.Errorf("%s: video %+v", name, video)
		}
		if len(audio) != 3 || audio[2].DTS != 2048 || audio[1].Size != 2 || !audio[1].Key {
			t.Errorf("%s: audio %+v", name, audio)
		}
		if !x.Ours || !x.Created.Equal(created) || x.FileID[0] != 0xF1 || x.Tracks[0].Codec != media.H265 || x.Tracks[1].Codec != media.AAC {
			t.Errorf("%s: %+v", name, x)
		}
		if !bytes.Equal(x.Tracks[0].Config, testHVCC) || !bytes.Equal(x.Tracks[1].Config, testAAC.Config) {
			t.Errorf("%s: configurations differ", name)
		}
	}
}

// Files of FFmpeg, plain and fragmented, have nothing that is wrong.
func TestForeignFiles(t *testing.T) {
	for name, want := range map[string]struct {
		state   State
		samples []int
		start   []int64 // PTS of the first sample
	}{
		"faststart.mp4": {Closed, []int{10, 45}, []int64{0, -1024}},
		"frag.mp4":      {Open, []int{10, 45}, []int64{2048, 0}},
		"frag_base.mp4": {Open, []int{10, 45}, []int64{0, -1024}},
		"hybrid.mp4":    {Closed, []int{10, 45}, []int64{2048, 0}},
		"negcts.mp4":    {Closed, []int{10}, []int64{0}},
		"noedit.mp4":    {Closed, []int{10}, []int64{2048}},
		"hevc.mp4":      {Closed, []int{10}, []int64{0}},
		"vp9.mp4":       {Closed, []int{10}, []int64{0}},
		"opus.mp4":      {Closed, []int{51}, []int64{-312}},
		"audio.m4a":     {Closed, []int{45}, []int64{-1024}},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", "foreign", name))
		if err != nil {
			t.Fatal(err)
		}
		x, findings := scan(t, b)
		fragmented := len(findings) == 1 && findings[0].Code == "M04"
		if x.State != want.state || x.Ours || fragmented != (want.state == Open) || len(findings) > 0 && !fragmented || Finalize(x, int64(len(b))) != nil {
			t.Errorf("%s: %v, ours %v, %v", name, x.State, x.Ours, findings)
		}
		clean(t, x, &memory{b: b})
		for i, track := range x.Tracks {
			if start := track.First.DTS + int64(track.First.CTS); track.Samples != want.samples[i] || start != want.start[i] {
				t.Errorf("%s: track %d has %d samples from %d", name, i, track.Samples, start)
			}
		}
		for size := range len(b) {
			x, findings := scan(t, b[:size])
			if x.State == Closed && x.End >= int64(size) {
				t.Errorf("%s cut at %d: %v, %v", name, size, x.State, findings)
			}
		}
	}
}
