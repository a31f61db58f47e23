package codec

// opusRate is the clock of every Opus stream; the rate in its header is only
// what went into the encoder (RFC 7845, 5.1).
const opusRate = 48000

// parseOpusHead reads an identification header (RFC 7845, 5.1). mediacommon
// takes its little-endian numbers for big-endian ones.
func parseOpusHead(config []byte) (Audio, error) {
	a := Audio{SampleRate: opusRate}
	c := cursor{name: "OpusHead", buf: config}
	if magic, at := c.bytes(8, "magic"); c.err == nil && string(magic) != "OpusHead" {
		c.failAt(at, "magic", "is %q", magic)
	}
	if version := c.bits(8, "version"); version > 15 {
		c.failAt(c.offset()-1, "version", "is %d, want at most 15", version)
	}
	channels := c.bits(8, "channel count")
	if c.err == nil && channels == 0 {
		c.failAt(c.offset()-1, "channel count", "is 0")
	}
	c.skip(16+32+16, "pre-skip")
	family := c.bits(8, "mapping family")
	if family != 0 {
		c.bytes(2+channels, "channel mapping table")
	} else if channels > 2 {
		c.failAt(c.offset()-1, "mapping family", "is 0 for %d channels, want at most 2", channels)
	}
	if c.err == nil {
		a.Channels = channels
	}
	return a, c.err
}
