package report

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Schema is the version of the JSON form. It rises when a field changes its
// meaning or goes; new fields do not raise it.
const Schema = 1

// File is the JSON form of a recording. Times are in seconds, sizes and offsets in
// bytes.
type File struct {
	Schema    int       `json:"schema"`
	Path      string    `json:"path"`
	Verdict   string    `json:"verdict,omitempty"` // whole, live, unfinished, damaged, rotten, beyond repair
	Error     string    `json:"error,omitempty"`   // why the file could not be read
	Format    string    `json:"format,omitempty"`  // FLV, MP4
	Size      int64     `json:"size"`
	Duration  float64   `json:"duration"`
	Recorded  string    `json:"recorded,omitempty"` // RFC 3339, UTC
	Ours      bool      `json:"written_by_rtmptool"`
	Fragments int       `json:"fragments,omitempty"`
	Tracks    []Track   `json:"tracks"`
	Gaps      []Gap     `json:"gaps"`
	Findings  []Finding `json:"findings"`
	Loss      *Loss     `json:"loss,omitempty"` // of all findings
	Fix       *Fix      `json:"fix,omitempty"`  // what fix did, or would do
}

// Track is a track of a File.
type Track struct {
	Kind       string  `json:"kind"`  // video, audio
	Codec      string  `json:"codec"` // h264, h265, aac, ...
	Profile    string  `json:"profile,omitempty"`
	Width      int     `json:"width,omitempty"`
	Height     int     `json:"height,omitempty"`
	SampleRate int     `json:"sample_rate,omitempty"`
	Channels   int     `json:"channels,omitempty"`
	Frames     int     `json:"frames"`
	Keyframes  int     `json:"keyframes"`
	Start      float64 `json:"start"`
	Duration   float64 `json:"duration"`
}

// Gap is a place where a track has no frame for long.
type Gap struct {
	Kind   string  `json:"kind"`
	At     float64 `json:"at"`
	Length float64 `json:"length"`
}

// Finding is a finding of a File.
type Finding struct {
	Code     string   `json:"code"`
	Severity string   `json:"severity"`
	Offset   int64    `json:"offset"`
	End      int64    `json:"end"`
	Time     *float64 `json:"time,omitempty"` // where there is media
	Text     string   `json:"text"`
	Repair   string   `json:"repair,omitempty"`
	LeftOut  int64    `json:"left_out,omitempty"` // bytes that the mended recording does not have
	Loss     *Loss    `json:"loss,omitempty"`     // what is lost by that
}

// Loss is what a repair costs.
type Loss struct {
	Bytes    int64       `json:"bytes"`
	Tracks   []TrackLoss `json:"tracks"`
	Duration float64     `json:"duration,omitempty"`  // from the end
	Estimate bool        `json:"estimated,omitempty"` // Duration is one
}

// TrackLoss is how much a track loses.
type TrackLoss struct {
	Track    int     `json:"track"` // in the list of tracks, from 0
	Kind     string  `json:"kind"`
	Duration float64 `json:"duration"`
}

// Fix is what fix did or would do.
type Fix struct {
	Result string   `json:"result"` // see result
	Output string   `json:"output,omitempty"`
	Edits  []string `json:"edits,omitempty"`
}

// Failed is the JSON form of a file that could not be read.
func Failed(path string, err error) File {
	return File{Path: path, Error: oneLine(err), Tracks: []Track{}, Gaps: []Gap{}, Findings: []Finding{}}
}

// oneLine writes an error without line breaks.
func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// JSON writes a recording as one line.
func JSON(w io.Writer, f File) error {
	f.Schema = Schema
	line, err := json.Marshal(f)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// NewFile is the JSON form of a recording.
func NewFile(r *recfile.Recording) File {
	f := File{Path: r.Path, Verdict: r.Verdict.String(), Format: r.Format, Size: r.Size, Duration: seconds(r.Duration()),
		Ours: r.Ours, Fragments: r.Fragments, Tracks: []Track{}, Gaps: []Gap{}, Findings: []Finding{}}
	if !r.Index.Created.IsZero() {
		f.Recorded = r.Index.Created.UTC().Format(time.RFC3339Nano)
	}
	for _, t := range r.Index.Tracks {
		j := Track{Kind: t.Kind.String(), Codec: t.Codec.String(), Frames: t.Samples, Keyframes: t.Keys,
			Start: seconds(t.Time(t.First.DTS)), Duration: seconds(t.Duration())}
		if t.Kind == media.Video {
			v, _ := codec.ParseVideo(t.Codec, t.Config) // what could be read is told
			j.Profile, j.Width, j.Height = v.Profile, v.Width, v.Height
		} else if a, err := codec.ParseAudio(t.Codec, t.Config); err == nil {
			j.Profile, j.SampleRate, j.Channels = a.Profile, a.SampleRate, a.Channels
		}
		f.Tracks = append(f.Tracks, j)
	}
	for _, g := range r.Gaps() {
		f.Gaps = append(f.Gaps, Gap{g.Kind.String(), seconds(g.At), seconds(g.Length)})
	}
	times, losses := r.Times(), r.Losses()
	for i, x := range r.Findings {
		j := Finding{Code: x.Code, Severity: x.Severity.String(), Offset: x.Offset, End: x.End, Text: x.Text, Repair: x.Repair, LeftOut: losses[i].Bytes}
		if !losses[i].Incomplete {
			j.Loss = newLoss(losses[i])
		}
		if times[i] >= 0 {
			at := seconds(times[i])
			j.Time = &at
		}
		f.Findings = append(f.Findings, j)
	}
	f.Loss = newLoss(r.Loss())
	return f
}

// newLoss is the JSON form of a loss; nil if nothing is lost.
func newLoss(l recfile.Loss) *Loss {
	if l.Nothing() {
		return nil
	}
	j := &Loss{Bytes: l.Bytes, Tracks: []TrackLoss{}, Duration: seconds(l.Duration), Estimate: l.Estimated}
	for _, t := range l.Tracks {
		j.Tracks = append(j.Tracks, TrackLoss{t.Track, t.Kind.String(), seconds(t.Duration)})
	}
	return j
}

// seconds are whole milliseconds.
func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond).Milliseconds()) / 1000
}
