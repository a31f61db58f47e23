package bmff

import (
	"fmt"
	"io"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Check looks at an index that Scan made for what a player may stumble over. It
// reads a bounded number of samples. In a file of ours the samples are as the
// publisher sent them, so what is odd in them is a note, and so is what the recorder
// has noted. The error is one of reading.
func Check(x *Index, r io.ReaderAt) ([]container.Finding, error) {
	c := &checker{index: x, r: r, odd: container.Warning, findings: x.Dropped("M50", 0)}
	if x.Ours {
		c.odd = container.Note
	}
	var rules []*sampleRules
	for i := range x.Tracks {
		rules = append(rules, newSampleRules(c, i))
	}
	apart, end := true, int64(0) // each sample lies behind the one before it
	for i, r := range container.InFileOrder(x.Tracks) {
		rules[i].row(r)
		if r.Size > 0 {
			apart = apart && r.Offset >= end
			end = r.End()
		}
	}
	for i, t := range x.Tracks {
		c.track(i, t, rules[i])
	}
	c.movieDuration()
	if !apart {
		c.overlaps()
	}
	return c.findings, c.err
}

type checker struct {
	index    *Index
	r        io.ReaderAt
	odd      container.Severity // of what a publisher of ours may send
	findings []container.Finding
	err      error
}

func (c *checker) find(code string, severity container.Severity, offset, end int64, format string, args ...any) {
	c.findings = append(c.findings, container.Finding{Code: code, Severity: severity, Offset: offset, End: end, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) track(i int, t *container.Track, rules *sampleRules) {
	name := fmt.Sprintf("track %d (%s %s)", i+1, t.Codec, t.Kind)
	c.config(name, t)
	c.tables(name, i)
	c.mediaDuration(name, i, t)
	if t.Samples > 0 {
		rules.report(name)
	}
}

// config finds a track without the configuration that its decoder needs (M28).
func (c *checker) config(name string, t *container.Track) {
	if t.Kind == media.Data || t.Kind == 0 {
		return
	}
	switch t.Codec {
	case 0, media.MP3, media.AC3, media.EAC3, media.Opus, media.PCM, media.ALaw, media.MuLaw:
		return // unknown here, or without a configuration
	}
	if len(t.Config) == 0 {
		c.find("M28", container.Error, 0, 0, "%s: no decoder configuration", name)
		return
	}
	if t.Codec != media.H264 && t.Codec != media.H265 {
		return // what cannot be read of the others is more often our lack than theirs
	}
	if _, err := codec.ParseVideo(t.Codec, t.Config); err != nil {
		c.find("M28", c.odd, 0, 0, "%s: %v", name, err)
	}
}

// tables finds sample tables of different lengths (M12).
func (c *checker) tables(name string, i int) {
	if reason := c.index.details[i].said.disagreement; reason != "" {
		c.find("M12", container.Warning, c.index.End, c.index.End, "%s: %s", name, reason)
	}
}
