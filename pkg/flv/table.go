package flv

import (
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

const (
	tagTimescale = 1000 // ticks a second of a tag's time

	// maxSelfDescription is enough of a frame to read its header, in bytes.
	maxSelfDescription = 4 << 10
)

// list adds the samples of a tag to the tables of their tracks.
func (x *Index) list(p *media.Packet, tag Tag) {
	switch p.Role {
	case media.Decoder:
		if t := x.track(p.Kind, p.Codec, p.Track); len(t.Config) == 0 {
			t.Config = append([]byte{}, Config(p)...)
		}
	case media.Frame:
		for s := range Samples(p) {
			t := x.track(s.Kind, s.Codec, s.Track)
			if len(t.Config) == 0 {
				config := SampleConfig(p, s)
				t.Config = append(t.Config, config[:min(len(config), maxSelfDescription)]...)
			}
			t.Add(container.Row{
				Offset: tag.Offset + tagHeaderSize, Size: uint32(len(tag.Body)), DTS: tag.Time.Milliseconds(),
				CTS: int32(s.CTS.Milliseconds()), Key: s.Key || s.Kind == media.Audio,
			})
		}
	}
}

// track finds the table of a track, or begins it.
func (x *Index) track(kind media.Kind, codec media.Codec, id uint8) *container.Track {
	for _, t := range x.Tracks {
		if t.Kind == kind && t.ID == id {
			return t
		}
	}
	t := &container.Track{Track: media.Track{Kind: kind, Codec: codec, ID: id}, Timescale: tagTimescale}
	x.Tracks = append(x.Tracks, t)
	return t
}
