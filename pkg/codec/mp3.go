package codec

// parseMP3 reads the header of a frame (ISO/IEC 11172-3, 2.4.1.3; ISO/IEC
// 13818-3). mediacommon does not know MPEG-2.5, which 8 kHz MP3 is.
func parseMP3(frame []byte) (Audio, error) {
	const (
		mpeg25, mpegReserved, mpeg1 = 0, 1, 3
		layerReserved, layerI       = 0, 3
		layerIII                    = 1
		modeMono                    = 3
	)
	c := cursor{name: "MPEG audio frame", buf: frame}
	c.expect(11, 0x7FF, "syncword")
	version, layer := c.bits(2, "version"), c.bits(2, "layer")
	c.skip(1+4, "bitrate_index")
	index := c.bits(2, "sampling_frequency")
	c.skip(1+1, "padding_bit")
	mode := c.bits(2, "mode")
	switch {
	case c.err != nil:
	case version == mpegReserved:
		c.failAt(1, "version", "is reserved")
	case layer == layerReserved:
		c.failAt(1, "layer", "is reserved")
	case index == 3:
		c.failAt(2, "sampling_frequency", "is reserved")
	}
	if c.err != nil {
		return Audio{}, c.err
	}
	a := Audio{SampleRate: [...]int{44100, 48000, 32000}[index], Channels: 2, FrameSamples: 1152}
	if mode == modeMono {
		a.Channels = 1
	}
	if version != mpeg1 {
		a.SampleRate /= 2
	}
	if version == mpeg25 {
		a.SampleRate /= 2
	}
	switch {
	case layer == layerI:
		a.FrameSamples = 384
	case layer == layerIII && version != mpeg1:
		a.FrameSamples = 576
	}
	return a, nil
}
