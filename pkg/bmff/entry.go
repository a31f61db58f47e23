package bmff

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/abema/go-mp4"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// entry is what a new file needs to know of a codec's configuration.
type entry struct {
	name      string // of the sample entry
	config    string // of the box in it
	box       []byte // payload of that
	timescale uint32
	step      uint32 // ticks of the only sample of a track
	channels  int
	bits      uint16 // of an audio sample
	video     codec.Video
	audio     codec.Audio
}

// inBandNames are the names of the sample entries whose parameter sets may also
// stand in the samples (ISO/IEC 14496-15, 5.4.2.1.2, 8.4.1.1).
var inBandNames = map[string]string{"avc1": "avc3", "hvc1": "hev1", "vvc1": "vvi1"}

// entryFor describes a track's sample entry. The error says why a file cannot
// have the track.
func entryFor(t media.Track) (entry, error) {
	if n := len(t.Config); n > codec.MaxConfig {
		return entry{}, fmt.Errorf("mp4: %s configuration of %d bytes, at most %d are kept", t.Codec, n, codec.MaxConfig)
	}
	if t.Kind == media.Video {
		return videoEntry(t)
	}
	return audioEntry(t)
}

// detail encodes the sample entry.
func (e *entry) detail(number uint32) detail {
	w := &boxWriter{}
	sample := mp4.SampleEntry{AnyTypeBox: mp4.AnyTypeBox{Type: mp4.StrToBoxType(e.name)}, DataReferenceIndex: 1}
	config := func() { w.raw(e.config, e.box) }
	if e.channels == 0 {
		const dpi72 = 72 << 16
		w.box(&mp4.VisualSampleEntry{SampleEntry: sample, Width: uint16(e.video.Width), Height: uint16(e.video.Height),
			Horizresolution: dpi72, Vertresolution: dpi72, FrameCount: 1, Depth: 0x18, PreDefined3: -1}, config)
	} else {
		w.box(&mp4.AudioSampleEntry{SampleEntry: sample, ChannelCount: uint16(e.channels), SampleSize: e.bits, SampleRate: entryRate(e.timescale) << 16}, config)
	}
	return detail{number: number, entry: w.buf, step: int64(e.step)}
}

// entryRate is what the 16 bits of an audio sample entry hold of a sample rate: a
// higher one divided by the least number that divides it evenly, or 0. The
// configuration has the whole (Encapsulation of FLAC in ISO BMFF, 3.3.1).
func entryRate(rate uint32) uint32 {
	for k := uint32(1); k <= 16; k++ {
		if rate%k == 0 && rate/k <= 0xFFFF {
			return rate / k
		}
	}
	return 0
}

func videoEntry(t media.Track) (entry, error) {
	names := map[media.Codec][2]string{
		media.H264: {"avc1", "avcC"},
		media.H265: {"hvc1", "hvcC"},
		media.VVC:  {"vvc1", "vvcC"},
		media.AV1:  {"av01", "av1C"},
		media.VP8:  {"vp08", "vpcC"},
		media.VP9:  {"vp09", "vpcC"},
	}
	n, ok := names[t.Codec]
	if !ok {
		return entry{}, fmt.Errorf("mp4: %s video has no place in our MP4", t.Codec)
	}
	if len(t.Config) == 0 {
		return entry{}, fmt.Errorf("mp4: %s video has no configuration", t.Codec)
	}
	e := entry{name: n[0], config: n[1], box: t.Config, timescale: videoTimescale, step: defaultStep}
	// A broken configuration is recorded all the same: its sizes stay unknown.
	e.video, _ = codec.ParseVideo(t.Codec, t.Config)
	switch t.Codec {
	case media.H265:
		e.box = append([]byte(nil), t.Config...)
		setCompleteness(e.box, true)
	case media.VVC:
		e.box = append([]byte{0, 0, 0, 0}, t.Config...) // a FullBox around the record
	case media.VP8, media.VP9:
		e.box = vpConfig(t.Config)
	}
	return e, nil
}

// setCompleteness sets or clears array_completeness for the parameter sets of an
// hvcC, in place: hvc1 demands it, and encoders leave it out; hev1 must not have it
// where sets stand in the samples (ISO/IEC 14496-15, 8.3.3.1.3, 8.4.1.1).
func setCompleteness(hvcc []byte, complete bool) {
	const arrays, bit = 22, 0x80
	if len(hvcc) <= arrays {
		return
	}
	at := arrays + 1
	for range hvcc[arrays] {
		if at+3 > len(hvcc) {
			return
		}
		if t := hvcc[at] & 0x3F; t >= 32 && t <= 34 { // VPS, SPS, PPS
			hvcc[at] &^= bit
			if complete {
				hvcc[at] |= bit
			}
		}
		count := binary.BigEndian.Uint16(hvcc[at+1:])
		at += 3
		for range count {
			if at+2 > len(hvcc) {
				return
			}
			at += 2 + int(binary.BigEndian.Uint16(hvcc[at:]))
		}
	}
}

// vpConfig is the payload of vpcC: a FullBox of version 1 around a record. FFmpeg 9
// sends the FullBox. No record begins so: its bit depth is not 0.
func vpConfig(config []byte) []byte {
	full := []byte{1, 0, 0, 0}
	if bytes.HasPrefix(config, full) {
		return config
	}
	return append(full, config...)
}

func audioEntry(t media.Track) (entry, error) {
	a, err := codec.ParseAudio(t.Codec, t.Config)
	e := entry{timescale: uint32(a.SampleRate), step: uint32(a.FrameSamples), channels: max(1, a.Channels), bits: 16, audio: a}
	switch t.Codec {
	case media.AAC:
		e.name, e.config, e.box = "mp4a", "esds", esds(0x40, t.Config)
	case media.MP3:
		e.name, e.config, e.box = "mp4a", "esds", esds(0x6B, nil)
		if a.SampleRate > 0 && a.SampleRate < 32000 {
			e.box = esds(0x69, nil) // MPEG-2 audio
		}
	case media.Opus:
		e.name, e.config, e.box = "Opus", "dOps", opusConfig(t.Config, e.channels)
	case media.FLAC:
		e.name, e.config, e.box, e.bits = "fLaC", "dfLa", flacConfig(t.Config), uint16(a.SampleBits)
	case media.AC3:
		e.name, e.config = "ac-3", "dac3"
		e.box, err = codec.AC3Record(t.Config)
	case media.EAC3:
		e.name, e.config, e.step = "ec-3", "dec3", eac3Sample
		e.box, err = codec.EAC3Record(t.Config)
	case media.ALaw:
		e.name, e.config, e.box = "alaw", "chan", pcmLayout(e.channels)
	case media.MuLaw:
		e.name, e.config, e.box = "ulaw", "chan", pcmLayout(e.channels)
	case media.PCM:
		e.name, e.config, e.box, e.bits = "sowt", "chan", pcmLayout(e.channels), uint16(a.SampleBits)
		if e.bits == 8 {
			e.name = "raw "
		}
	default:
		return entry{}, fmt.Errorf("mp4: %s audio has no place in our MP4", t.Codec)
	}
	if err == nil && e.timescale < minRate {
		err = fmt.Errorf("a sample rate of %d Hz", e.timescale)
	}
	if err != nil && !e.guess(t) {
		return entry{}, fmt.Errorf("mp4: %s audio: %w", t.Codec, err)
	}
	if e.step == 0 {
		e.step = e.timescale / 50
	}
	return e, nil
}

// pcmLayout is the payload of a channel layout (QuickTime File Format, "Audio Channel
// Layout Atom"): version and flags, the tag of mono or stereo, and neither a bitmap
// nor descriptions. Without it FFmpeg does not say where channels of PCM belong.
func pcmLayout(channels int) []byte {
	const mono, stereo = 100<<16 | 1, 101<<16 | 2 // Core Audio's kAudioChannelLayoutTag
	tag := uint32(mono)
	if channels == 2 {
		tag = stereo
	}
	return append(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 0}, tag), make([]byte, 8)...)
}

// minRate is the lowest sample rate that is believed, in Hz. Frames of a lower one
// would last seconds.
const minRate = 1000

// guess fills in what a broken configuration does not tell, and reports whether the
// track can be in a file then. The configuration stands there as it is where its box
// can hold that, and the samples have the times of their messages.
func (e *entry) guess(t media.Track) bool {
	if len(t.Config) == 0 {
		return false
	}
	const usualRate, usualChannels = 48000, 2
	if e.timescale < minRate {
		e.timescale, e.channels = usualRate, usualChannels
	}
	e.step, e.audio = 0, codec.Audio{}
	switch t.Codec {
	case media.AAC, media.MP3:
		return true
	case media.Opus:
		e.box = opusConfig(nil, usualChannels)
		return true
	case media.FLAC:
		if e.box == nil {
			e.box = flacConfig(make([]byte, flacInfo))
		}
		return true
	}
	return false
}

// esds is the payload of an esds box: an ES descriptor with a decoder
// configuration, the decoder's own data and an SL descriptor (ISO/IEC 14496-1,
// 7.2.6). The lengths are under 128, or take two bytes.
func esds(objectType byte, specific []byte) []byte {
	const audioStream = 0x15 // stream type 5, upstream 0, reserved 1
	decoder := append([]byte{objectType, audioStream}, make([]byte, 3+4+4)...)
	if len(specific) > 0 {
		decoder = appendDescriptor(decoder, 0x05, specific)
	}
	es := appendDescriptor([]byte{0, 0, 0}, 0x04, decoder)
	es = appendDescriptor(es, 0x06, []byte{2})
	return appendDescriptor([]byte{0, 0, 0, 0}, 0x03, es)
}

func appendDescriptor(dst []byte, tag byte, body []byte) []byte {
	n := len(body)
	dst = append(dst, tag, byte(n>>21)|0x80, byte(n>>14)|0x80, byte(n>>7)|0x80, byte(n)&0x7F)
	return append(dst, body...)
}

// opusConfig turns an OpusHead (RFC 7845, 5.1, little endian) into the payload of
// dOps (big endian, no magic). Without one: no pre-skip, 48 kHz.
func opusConfig(head []byte, channels int) []byte {
	const magic = len("OpusHead")
	if len(head) < magic+11 {
		return []byte{0, byte(channels), 0, 0, 0, 0, 0xBB, 0x80, 0, 0, 0}
	}
	h := head[magic:]
	out := []byte{0, h[1], h[3], h[2], h[7], h[6], h[5], h[4], h[9], h[8], h[10]}
	return append(out, h[11:]...)
}

// flacInfo is the size of STREAMINFO (RFC 9639, 8.2).
const flacInfo = 34

// flacConfig is the payload of dfLa: a FullBox, then STREAMINFO with its block
// header, marked as the last block. Publishers send it in three lengths.
func flacConfig(config []byte) []byte {
	const info = flacInfo
	if len(config) < info {
		return nil
	}
	switch {
	case string(config[:4]) == "fLaC" && len(config) >= 8+info:
		config = config[8 : 8+info]
	case len(config) >= 4+info:
		config = config[4 : 4+info]
	default:
		config = config[:info]
	}
	return append([]byte{0, 0, 0, 0, 0x80, 0, 0, info}, config...)
}
