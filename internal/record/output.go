package record

import (
	"bytes"
	"errors"
	"time"

	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Format is a choice of container.
type Format string

// The formats. Auto takes MP4 for H.265 and VVC, FLV for all else.
const (
	Auto Format = "auto"
	FLV  Format = "flv"
	MP4  Format = "mp4"
)

// wants tells which container a stream gets that begins with a video codec, 0 for
// none.
func (f Format) wants(video media.Codec) Format {
	if f == MP4 || f != FLV && (video == media.H265 || video == media.VVC) {
		return MP4
	}
	return FLV
}

// output is a file of either container that is being written.
type output interface {
	// takes reports whether a packet can go into this file; one that cannot begins
	// another file.
	takes(p *media.Packet) bool
	// Full reports whether another file should begin: this one has as many samples as it
	// can list, or as long a time as it can tell.
	Full() bool
	write(p *media.Packet, at time.Duration) error
	Drop(d container.Drop) error
	Flush() error
	Close() error
	Buffered() int
	Written() int64
	Synced(offset int64)
	duration() time.Duration
	// finished plans what finishes the file after an error, of which a part may
	// have been written; false if it cannot be read back.
	finished(size int64) (container.Plan, bool)
}

// newOutput begins a file of a kind, FLV or MP4, for packets that are about to be written
// to it. The error says why MP4 cannot have them; FLV takes everything.
func newOutput(format, kind Format, f File, packets []*media.Packet, created time.Time, frameRate float64) (output, error) {
	if kind == MP4 {
		tracks := tracksOf(packets)
		w, err := bmff.NewWriter(f, bmff.Options{Tracks: tracks, Created: created, Now: time.Now})
		if err != nil {
			return nil, err
		}
		return &mp4Output{Writer: w, file: f, tracks: tracks}, nil
	}
	return &flvOutput{Writer: flv.NewWriter(f, flv.Options{Created: created, FrameRate: frameRate}), file: f, format: format}, nil
}

// tracksOf lists the tracks that packets announce or have, with what describes them:
// the newest, where sound changes before the file begins.
func tracksOf(packets []*media.Packet) []media.Track {
	var tracks []media.Track
	find := func(kind media.Kind, codec media.Codec, id uint8) *media.Track {
		for i, t := range tracks {
			if t.Kind == kind && t.ID == id {
				return &tracks[i]
			}
		}
		tracks = append(tracks, media.Track{Kind: kind, Codec: codec, ID: id})
		return &tracks[len(tracks)-1]
	}
	for _, p := range packets {
		switch p.Role {
		case media.Decoder:
			for c := range flv.Configs(p) {
				t := find(c.Kind, c.Codec, c.ID)
				if c.Config != nil || t.Codec != c.Codec {
					t.Codec, t.Config = c.Codec, c.Config
				}
			}
		case media.Frame:
			for s := range flv.Samples(p) {
				t := find(s.Kind, s.Codec, s.Track)
				changed := t.Codec != s.Codec || s.Track == p.Track && !flv.Describes(p, t.Config)
				if changed || len(t.Config) == 0 {
					t.Codec, t.Config = s.Codec, flv.SampleConfig(p, s)
				}
			}
		}
	}
	return tracks
}

// flvOutput is an FLV file: it takes any codec and any change of one.
type flvOutput struct {
	*flv.Writer
	file   File
	format Format // as configured, or FLV when MP4 cannot have the stream
}

// takes: a codec whose place is an MP4 ends the file.
func (o *flvOutput) takes(p *media.Packet) bool {
	return p.Kind != media.Video || p.Codec == 0 || o.format.wants(p.Codec) == FLV
}

func (o *flvOutput) write(p *media.Packet, at time.Duration) error { return o.Write(p, at) }

func (o *flvOutput) duration() time.Duration { return o.Index().Duration() }

func (o *flvOutput) finished(size int64) (container.Plan, bool) {
	index, _, err := flv.Rescan(o.file, size)
	if err != nil || index.End < o.Written() {
		return nil, false
	}
	return flv.Finalize(index, size), true
}

// mp4Output is an MP4 file: its tracks and their configurations are fixed.
type mp4Output struct {
	*bmff.Writer
	file   File
	tracks []media.Track
}

func (o *mp4Output) takes(p *media.Packet) bool {
	for c := range flv.Configs(p) {
		t := o.track(c.Kind, c.ID)
		if t == nil || t.Codec != c.Codec || c.Config != nil && !bytes.Equal(t.Config, c.Config) {
			return false
		}
	}
	for s := range flv.Samples(p) {
		t := o.track(s.Kind, s.Track)
		if t == nil || t.Codec != s.Codec || s.Track == p.Track && !flv.Describes(p, t.Config) {
			return false
		}
	}
	return true
}

func (o *mp4Output) track(kind media.Kind, id uint8) *media.Track {
	for i, t := range o.tracks {
		if t.Kind == kind && t.ID == id {
			return &o.tracks[i]
		}
	}
	return nil
}

// write leaves out sound that came before a change of it, and before the file began.
func (o *mp4Output) write(p *media.Packet, at time.Duration) error {
	if !o.takes(p) {
		return nil
	}
	for s := range flv.Samples(p) {
		s.DTS = at
		if err := o.Write(s); err != nil {
			return err
		}
	}
	return nil
}

func (o *mp4Output) duration() time.Duration {
	var end time.Duration
	for _, t := range o.Index().Tracks {
		if t.Samples > 0 {
			end = max(end, t.Time(t.Last.DTS+t.Step()))
		}
	}
	return end
}

func (o *mp4Output) finished(size int64) (container.Plan, bool) {
	index, _, err := bmff.Scan(o.file, size)
	if err != nil || index.End < o.Written() {
		return nil, false
	}
	return bmff.Finalize(index, size), true
}

// errUnreadable: finishing the file now would cut off what cannot be read.
var errUnreadable = errors.New("what was written cannot be read back")
