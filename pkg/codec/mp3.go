package codec

// The header of a frame of MPEG audio (ISO/IEC 11172-3, 2.4.1.3; ISO/IEC 13818-3).
const (
	mpeg25, mpegReserved, mpeg2, mpeg1       = 0, 1, 2, 3
	layerReserved, layerIII, layerII, layerI = 0, 1, 2, 3
	modeMono                                 = 3
)

// mpegRates are those of MPEG-1; MPEG-2 has half of them, MPEG-2.5 a quarter.
var mpegRates = [...]int{44100, 48000, 32000}

// mpegBitRates are in kbit/s, from index 1 on: of MPEG-1 layers III and II, and of
// both in MPEG-2.
var mpegBitRates = [3][14]int{
	{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
	{32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
	{8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
}

// mpegFrame is what the header of a frame tells.
type mpegFrame struct {
	version, layer, bitRate int // the latter as an index
	padding                 int
	audio                   Audio
}

// parseMP3 reads the header of a frame.
func parseMP3(frame []byte) (Audio, error) {
	f, err := parseMPEG(frame)
	return f.audio, err
}

// parseMPEG reads a header. mediacommon does not know MPEG-2.5, which 8 kHz MP3 is.
func parseMPEG(frame []byte) (mpegFrame, error) {
	c := cursor{name: "MPEG audio frame", buf: frame}
	c.expect(11, 0x7FF, "syncword")
	f := mpegFrame{version: c.bits(2, "version"), layer: c.bits(2, "layer")}
	c.skip(1, "protection_bit")
	f.bitRate = c.bits(4, "bitrate_index")
	index := c.bits(2, "sampling_frequency")
	f.padding = c.bits(1, "padding_bit")
	c.skip(1, "private_bit")
	mode := c.bits(2, "mode")
	switch {
	case c.err != nil:
	case f.version == mpegReserved:
		c.failAt(1, "version", "is reserved")
	case f.layer == layerReserved:
		c.failAt(1, "layer", "is reserved")
	case index == len(mpegRates):
		c.failAt(2, "sampling_frequency", "is reserved")
	}
	if c.err != nil {
		return mpegFrame{}, c.err
	}
	f.audio = Audio{SampleRate: mpegRates[index], Channels: 2, FrameSamples: 1152}
	if mode == modeMono {
		f.audio.Channels = 1
	}
	if f.version != mpeg1 {
		f.audio.SampleRate /= 2
	}
	if f.version == mpeg25 {
		f.audio.SampleRate /= 2
	}
	switch {
	case f.layer == layerI:
		f.audio.FrameSamples = 384
	case f.layer == layerIII && f.version != mpeg1:
		f.audio.FrameSamples = 576
	}
	return f, nil
}

// parseMP3Frame tells how long a frame is. That of layer I is not told, and the free
// format has no length.
func parseMP3Frame(data []byte) (SyncFrame, error) {
	f, err := parseMPEG(data)
	if err != nil {
		return SyncFrame{}, err
	}
	table := mpegBitRates[0]
	switch {
	case f.version != mpeg1:
		table = mpegBitRates[2]
	case f.layer == layerII:
		table = mpegBitRates[1]
	}
	if f.layer == layerI || f.bitRate < 1 || f.bitRate > len(table) {
		c := cursor{name: "MPEG audio frame"}
		c.failAt(2, "bitrate_index", "does not tell the length")
		return SyncFrame{Samples: f.audio.FrameSamples}, c.err
	}
	bytes := f.audio.FrameSamples / 8 * table[f.bitRate-1] * 1000 / f.audio.SampleRate
	return SyncFrame{Size: bytes + f.padding, Samples: f.audio.FrameSamples}, nil
}

// MP3Header makes the first bytes of a frame of MP3 with a sample rate and a number
// of channels, for files that keep no more of it; nil if there is no such MP3.
func MP3Header(rate, channels int) []byte {
	for _, version := range []byte{mpeg1, mpeg2, mpeg25} {
		for index := range byte(len(mpegRates)) {
			header := []byte{0xFF, 0xE0 | version<<3 | layerIII<<1 | 1, 1<<4 | index<<2, 0}
			if channels == 1 {
				header[3] = modeMono << 6
			}
			if a, err := parseMP3(header); err == nil && a.SampleRate == rate && a.Channels == channels {
				return header
			}
		}
	}
	return nil
}
