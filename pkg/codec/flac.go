package codec

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/flac"
)

// parseFLAC reads a STREAMINFO block (RFC 9639, 8.2): bare (34 bytes), behind
// its block header (38), or behind "fLaC" and the block header (42). Further
// metadata blocks may follow.
func parseFLAC(config []byte) (Audio, error) {
	const streamInfo = 34
	c := cursor{name: "STREAMINFO", buf: config}
	if bytes.HasPrefix(config, []byte("fLaC")) {
		c.skip(32, "marker")
	}
	// Type 0 and the length. A bare block cannot begin so: its smallest block
	// would have 0 samples, or 32768 and the largest only 34.
	if head := config[c.offset():]; len(head) >= 4 && head[0]&0x7F == 0 && string(head[1:4]) == "\x00\x00\x22" {
		c.skip(32, "block header")
	}
	block, at := c.bytes(streamInfo, "block")
	if c.err != nil {
		return Audio{}, c.err
	}
	var info flac.StreamInfo
	if err := unmarshal(&info, block); err != nil {
		c.failAt(at, "block", "%w", err)
		return Audio{}, c.err
	}
	if info.MaxBlockSize < info.MinBlockSize || info.MinBlockSize == 0 {
		c.failAt(at, "block size", "is %d to %d", info.MinBlockSize, info.MaxBlockSize)
	}
	if info.SampleRate == 0 {
		c.failAt(at+10, "sample rate", "is 0")
	}
	if c.err != nil {
		return Audio{}, c.err
	}
	a := Audio{SampleRate: int(info.SampleRate), Channels: int(info.ChannelCount), SampleBits: int(info.BitDepth)}
	if info.MinBlockSize == info.MaxBlockSize {
		a.FrameSamples = int(info.MaxBlockSize)
	}
	return a, nil
}
