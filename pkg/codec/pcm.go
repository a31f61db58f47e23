package codec

import "github.com/rtmptool/rtmptool/pkg/media"

// What describes PCM and G.711 is the first byte of an FLV body (FLV E.4.2.1):
// format 4 bits, rate 2, size 1, type 1. The format is the codec, and not read
// here.
const (
	pcmRate   = 2 // shift
	pcm16Bit  = 0x02
	pcmStereo = 0x01
)

// pcmRates are 5.5, 11, 22 and 44 kHz.
var pcmRates = [...]int{5512, 11025, 22050, 44100}

// g711Rate is what the lowest number means for G.711: FLV has none for 8 kHz.
const g711Rate = 8000

func parsePCM(config []byte) (Audio, error) {
	flags := config[0]
	a := Audio{SampleRate: pcmRates[flags>>pcmRate&3], Channels: 1, SampleBits: 8}
	if flags&pcmStereo != 0 {
		a.Channels = 2
	}
	if flags&pcm16Bit != 0 {
		a.SampleBits = 16
	}
	return a, nil
}

// parseG711: samples have 8 bits, whatever the byte says.
func parseG711(config []byte) (Audio, error) {
	a, err := parsePCM(config)
	a.SampleBits = 8
	if a.SampleRate == pcmRates[0] {
		a.SampleRate = g711Rate
	}
	return a, err
}

// PCMConfig makes the byte that describes PCM or G.711, with 0 as the format; nil
// if it cannot say that.
func PCMConfig(c media.Codec, rate, channels, bits int) []byte {
	for flags := range byte(len(pcmRates) << pcmRate) {
		a, err := ParseAudio(c, []byte{flags})
		if err == nil && a.SampleRate == rate && a.Channels == channels && (a.SampleBits == bits || c != media.PCM) {
			return []byte{flags}
		}
	}
	return nil
}
