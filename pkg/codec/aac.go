package codec

import "fmt"

// The audio object types that matter here (ISO/IEC 14496-3, table 1.17).
const (
	aotMain   = 1
	aotLC     = 2
	aotSSR    = 3
	aotLTP    = 4
	aotSBR    = 5
	aotERLC   = 17
	aotERLTP  = 19
	aotLD     = 23
	aotPS     = 29
	aotEscape = 31
	aotELD    = 39
	aotUSAC   = 42
)

// aacConfig is an AudioSpecificConfig. It is read by hand, as mediacommon knows
// only AAC-LC, and SBR only where it is signalled in front.
type aacConfig struct {
	objectType, rate, channels int
	frame                      int // samples at rate; 0 if unknown
	sbrRate                    int // 0 without SBR
	ps                         bool
}

// parseAAC reads an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1), or the ADTS
// header that some encoders send in its place.
func parseAAC(config []byte) (Audio, error) {
	c := cursor{name: "AudioSpecificConfig", buf: config}
	var a aacConfig
	if len(config) >= 2 && config[0] == 0xFF && config[1]&0xF0 == 0xF0 {
		c.name = "ADTS"
		a.readADTS(&c)
	} else {
		a.read(&c)
	}
	return a.audio(), c.err
}

func (a *aacConfig) audio() Audio {
	out := Audio{SampleRate: a.rate, Channels: a.channels, FrameSamples: a.frame}
	if a.objectType != 0 {
		out.Profile = aacProfile(a.objectType)
	}
	if a.sbrRate != 0 {
		out.SampleRate, out.Profile = a.sbrRate, "HE-AAC"
		switch a.sbrRate {
		case 2 * a.rate:
			out.FrameSamples *= 2
		case a.rate: // downsampled SBR
		default:
			out.FrameSamples = 0
		}
	}
	if a.ps {
		out.Profile = "HE-AACv2"
		if a.channels == 1 {
			out.Channels = 2
		}
	}
	return out
}

func (a *aacConfig) read(c *cursor) {
	a.objectType = c.aacObjectType()
	a.rate = c.aacRate("samplingFrequencyIndex")
	layout := c.aacChannels(a, 4)
	if a.objectType == aotSBR || a.objectType == aotPS {
		a.ps = a.objectType == aotPS
		a.sbrRate = c.aacRate("extensionSamplingFrequencyIndex")
		a.objectType = c.aacObjectType()
	}
	switch a.objectType {
	case aotMain, aotLC, aotSSR, aotLTP, aotERLC, aotERLTP, aotLD:
		a.readGA(c, layout)
	case aotELD:
		a.frame = 512
		if c.flag("frameLengthFlag") {
			a.frame = 480
		}
	}
}

// readGA reads a GASpecificConfig (4.4.1) and what may follow it.
func (a *aacConfig) readGA(c *cursor, layout int) {
	short := c.flag("frameLengthFlag")
	if c.flag("dependsOnCoreCoder") {
		c.skip(14, "coreCoderDelay")
	}
	extension := c.flag("extensionFlag")
	if c.err != nil {
		return
	}
	switch {
	case a.objectType == aotLD && short:
		a.frame = 480
	case a.objectType == aotLD:
		a.frame = 512
	case short:
		a.frame = 960
	default:
		a.frame = 1024
	}
	if layout == 0 && c.left() >= 8 { // else the element stands in the frames
		a.channels = c.aacProgramConfig()
	}
	if a.objectType >= aotERLC {
		if extension {
			c.skip(3+1, "aacSectionDataResilienceFlag")
		}
		c.skip(2, "epConfig")
	}
	if a.sbrRate == 0 && a.objectType != aotLD {
		a.readSyncExtension(c)
	}
}

// readSyncExtension reads the backward compatible signalling of SBR and PS,
// which stands behind the rest and is often missing (1.6.5).
func (a *aacConfig) readSyncExtension(c *cursor) {
	const sbrSync, psSync = 0x2B7, 0x548
	if c.left() < 16+1 || c.bits(11, "syncExtensionType") != sbrSync ||
		c.bits(5, "extensionAudioObjectType") != aotSBR || !c.flag("sbrPresentFlag") {
		return
	}
	a.sbrRate = c.aacRate("extensionSamplingFrequencyIndex")
	if c.left() >= 11+1 && c.bits(11, "syncExtensionType") == psSync {
		a.ps = c.flag("psPresentFlag")
	}
}

// readADTS reads the fixed header of an ADTS frame (annex 1.A).
func (a *aacConfig) readADTS(c *cursor) {
	c.skip(12+1+2+1, "syncword")
	a.objectType = c.bits(2, "profile_ObjectType") + 1
	a.rate = c.aacRateIndex(c.bits(4, "sampling_frequency_index"), "sampling_frequency_index")
	c.skip(1, "private_bit")
	c.aacChannels(a, 3)
	if a.frame = 1024; c.err != nil {
		a.objectType, a.frame = 0, 0
	}
}

func (c *cursor) aacObjectType() int {
	aot := c.bits(5, "audioObjectType")
	if aot == aotEscape {
		aot = 32 + c.bits(6, "audioObjectTypeExt")
	}
	return aot
}

// aacRate reads a frequency index, or behind the escape 15 the frequency.
func (c *cursor) aacRate(what string) int {
	at, i := c.offset(), c.bits(4, what)
	if i != 15 {
		return c.aacRateIndex(i, what)
	}
	rate := c.bits(24, what)
	if c.err == nil && rate == 0 {
		c.failAt(at, what, "is 0 Hz")
	}
	return rate
}

func (c *cursor) aacRateIndex(i int, what string) int {
	rates := [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	if c.err == nil && i >= len(rates) {
		c.failAt(c.offset(), what, "is %d, want 0 to %d", i, len(rates)-1)
	}
	if c.err != nil {
		return 0
	}
	return rates[i]
}

// aacChannels reads a channel configuration of n bits (ISO/IEC 14496-3, table
// 1.19). 0 means that a program_config_element has the layout.
func (c *cursor) aacChannels(a *aacConfig, n int) (layout int) {
	channels := [16]int{0, 1, 2, 3, 4, 5, 6, 8, 11: 7, 12: 8, 13: 24, 14: 8}
	at := c.offset()
	layout = c.bits(n, "channelConfiguration")
	a.channels = channels[layout]
	if layout != 0 && a.channels == 0 {
		c.failAt(at, "channelConfiguration", "is %d, which is reserved", layout)
	}
	return layout
}

// aacProgramConfig reads a program_config_element (4.4.1.1) and counts its
// channels.
func (c *cursor) aacProgramConfig() (channels int) {
	c.skip(4+2+4, "element_instance_tag")
	elements := c.bits(4, "num_front_channel_elements") + c.bits(4, "num_side_channel_elements") +
		c.bits(4, "num_back_channel_elements")
	lfe := c.bits(2, "num_lfe_channel_elements")
	data, coupling := c.bits(3, "num_assoc_data_elements"), c.bits(4, "num_valid_cc_elements")
	if c.flag("mono_mixdown_present") {
		c.skip(4, "mono_mixdown_element_number")
	}
	if c.flag("stereo_mixdown_present") {
		c.skip(4, "stereo_mixdown_element_number")
	}
	if c.flag("matrix_mixdown_idx_present") {
		c.skip(2+1, "matrix_mixdown_idx")
	}
	channels = elements + lfe
	for range elements {
		channels += c.bits(1, "element_is_cpe") // a pair
		c.skip(4, "element_tag_select")
	}
	c.skip(4*(lfe+data)+5*coupling, "lfe_element_tag_select")
	c.skip(-c.pos&7, "byte_alignment")
	c.skip(8*c.bits(8, "comment_field_bytes"), "comment_field_data")
	if c.err != nil {
		return 0
	}
	return channels
}

func aacProfile(aot int) string {
	switch aot {
	case aotMain:
		return "AAC-Main"
	case aotLC, aotERLC:
		return "AAC-LC"
	case aotSSR:
		return "AAC-SSR"
	case aotLTP, aotERLTP:
		return "AAC-LTP"
	case aotLD:
		return "AAC-LD"
	case aotELD:
		return "AAC-ELD"
	case aotUSAC:
		return "xHE-AAC"
	}
	return fmt.Sprintf("Object type %d", aot)
}
