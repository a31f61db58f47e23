package flv

import (
	"errors"
	"iter"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Configs yields the decoder configurations of a packet of role Decoder, one of each
// track: nil where it tells nothing.
func Configs(p *media.Packet) iter.Seq[media.Track] {
	return func(yield func(media.Track) bool) {
		if p.Role != media.Decoder {
			return
		}
		h, err := ParseHeader(p.Kind, p.Body)
		if err != nil {
			return
		}
		// Parse has checked the body, so this ends without an error.
		_ = eachTrack(h, p.Body, func(t track) bool {
			c := media.Track{Kind: p.Kind, Codec: t.codec, ID: t.id, Config: t.data}
			if len(c.Config) == 0 && c.Codec != media.Opus {
				c.Config = nil // FFmpeg sends such headers of AC-3, and of AV1 before it knows more
			}
			return yield(c)
		})
	}
}

// CheckConfigs says what is wrong with the decoder configurations of a packet of role
// Decoder, nil if nothing is. A player may know better, and of some codecs nobody here
// knows anything.
func CheckConfigs(p *media.Packet) error {
	for t := range Configs(p) {
		if err := checkConfig(t); err != nil && !errors.Is(err, codec.ErrUnknownCodec) {
			return err
		}
	}
	return nil
}

func checkConfig(t media.Track) error {
	var err error
	switch {
	case len(t.Config) == 0, codec.SelfDescribing(t.Codec): // the frames tell
	case t.Kind == media.Video:
		_, err = codec.ParseVideo(t.Codec, t.Config)
	default:
		_, err = codec.ParseAudio(t.Codec, t.Config)
	}
	return err
}
