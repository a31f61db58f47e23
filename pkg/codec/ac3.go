package codec

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/ac3"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/eac3"
)

const (
	ac3SyncInfo = 5       // bytes of syncinfo (ETSI TS 102 366, 4.3)
	ac3Header   = 5 + 3   // with bsi up to lfeon
	ac3Samples  = 6 * 256 // a frame has six blocks
	ac3MaxBSID  = 8       // above are other syntaxes; E-AC-3 is 11 to 16 (annex E)
)

// parseAC3 reads the head of a sync frame (ETSI TS 102 366, 4.3).
func parseAC3(frame []byte) (Audio, error) {
	c := cursor{name: "AC-3 frame", buf: frame}
	head, _ := c.bytes(ac3Header, "header")
	if c.err != nil {
		return Audio{}, c.err
	}
	var sync ac3.SyncInfo
	if err := unmarshal(&sync, head); err != nil {
		c.failAt(0, "syncinfo", "%w", err)
		return Audio{}, c.err
	}
	var bsi ac3.BSI
	if err := unmarshal(&bsi, head[ac3SyncInfo:]); err != nil {
		c.failAt(ac3SyncInfo, "bsi", "%w", err)
		return Audio{}, c.err
	}
	return Audio{SampleRate: sync.SampleRate(), Channels: bsi.ChannelCount(), FrameSamples: ac3Samples}, nil
}

// parseEAC3 reads the head of a sync frame (ETSI TS 102 366, E.1.2). Channels
// are those of the first substream: dependent ones, behind it, may add some. A
// frame may have fewer than the six blocks of an MP4 sample.
func parseEAC3(frame []byte) (Audio, error) {
	c := cursor{name: "E-AC-3 frame", buf: frame}
	head, _ := c.bytes(ac3Header, "header")
	if c.err != nil {
		return Audio{}, c.err
	}
	if head[ac3SyncInfo]>>3 <= ac3MaxBSID {
		return parseAC3(frame) // a plain AC-3 substream
	}
	var sync eac3.SyncInfo
	if err := unmarshal(&sync, head); err != nil {
		c.failAt(0, "header", "%w", err)
		return Audio{}, c.err
	}
	return Audio{
		SampleRate:   sync.SampleRate(),
		Channels:     sync.ChannelCount(),
		FrameSamples: sync.NumBlocks() * 256,
	}, nil
}
