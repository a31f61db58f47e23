package codec

import "github.com/bluenviron/mediacommon/v2/pkg/codecs/ac3"

const (
	ac3Sync      = "\x0B\x77"
	ac3Header    = 5 + 3 // bytes of syncinfo, and of bsi up to lfeon (ETSI TS 102 366, 4.3)
	eac3Header   = 6     // bytes of bsi up to bsid (E.1.2.2)
	ac3Block     = 256   // samples of a block
	ac3MaxBlocks = 6     // of a frame; all AC-3 frames have so many
	ac3MaxBSID   = 8     // above are other syntaxes; E-AC-3 is 11 to 16 (annex E)
	eac3MinBSID  = 11
	eac3MaxBSID  = 16
	ac3HalfRate  = 3 // fscod of E-AC-3 at half of a usual rate
)

// Types of substreams (ETSI TS 102 366, table E.1.2).
const (
	eac3Dependent = 1
	eac3Converted = 2 // an independent one that was AC-3
	eac3Reserved  = 3
)

var (
	ac3Rates    = [...]int{48000, 44100, 32000}    // by fscod
	ac3Channels = [...]int{2, 1, 2, 3, 3, 4, 4, 5} // by acmod, without the LFE
	eac3Blocks  = [...]int{1, 2, 3, ac3MaxBlocks}  // by numblkscod
)

// ac3Frame is what the head of a sync frame of AC-3 or E-AC-3 tells.
type ac3Frame struct {
	size   int // bytes
	rate   int // samples a second
	blocks int

	fscod, bsid, bsmod, acmod int
	lfe                       bool
	bitRate                   int // bit_rate_code of AC-3

	// Of E-AC-3.
	dependent  bool // adds channels to the independent substream before it
	substream  int
	chanMap    int  // custom channel map of a dependent substream; 0: none
	joc        bool // has objects, "Atmos" (ETSI TS 103 420, 8.3)
	complexity int  // of these
}

func (f *ac3Frame) channels() int {
	n := ac3Channels[f.acmod]
	if f.lfe {
		n++
	}
	return n
}

func (f *ac3Frame) samples() int { return f.blocks * ac3Block }

// parseAC3 reads the head of a sync frame, or a dac3 record.
func parseAC3(config []byte) (Audio, error) {
	if len(config) == dac3Size {
		return parseDAC3(config)
	}
	f, err := parseAC3Frame(config)
	if err != nil {
		return Audio{}, err
	}
	return Audio{SampleRate: f.rate, Channels: f.channels(), FrameSamples: f.samples()}, nil
}

// parseEAC3 reads the first access unit of a stream, or a dec3 record. Channels are
// those of the first program, with the ones that its dependent substreams add. A
// frame may have fewer blocks than the six of an MP4 sample.
func parseEAC3(config []byte) (Audio, error) {
	if len(config) <= maxDEC3 && string(config[:min(2, len(config))]) != ac3Sync {
		return parseDEC3(config)
	}
	programs, err := eac3Programs(config)
	if err != nil {
		return Audio{}, err
	}
	p := programs[0]
	return Audio{SampleRate: p.rate, Channels: p.channels() + locatedChannels(p.chanLoc), FrameSamples: p.samples()}, nil
}

// parseAC3Frame reads syncinfo and bsi (ETSI TS 102 366, 4.3.1, 4.3.2).
func parseAC3Frame(frame []byte) (ac3Frame, error) {
	c := cursor{name: "AC-3 frame", buf: frame}
	head, _ := c.bytes(ac3Header, "header")
	if c.err != nil {
		return ac3Frame{}, c.err
	}
	const syncInfo = 5
	var sync ac3.SyncInfo
	if err := unmarshal(&sync, head); err != nil {
		c.failAt(0, "syncinfo", "%w", err)
		return ac3Frame{}, c.err
	}
	var bsi ac3.BSI
	if err := unmarshal(&bsi, head[syncInfo:]); err != nil {
		c.failAt(syncInfo, "bsi", "%w", err)
		return ac3Frame{}, c.err
	}
	return ac3Frame{
		size: sync.FrameSize(), rate: sync.SampleRate(), blocks: ac3MaxBlocks,
		fscod: int(sync.Fscod), bsid: int(bsi.Bsid), bsmod: int(bsi.Bsmod), acmod: int(bsi.Acmod), lfe: bsi.LfeOn,
		bitRate: int(sync.Frmsizecod >> 1),
	}, nil
}

// parseEAC3Frame reads the bsi of a sync frame (ETSI TS 102 366, E.1.2.2), which
// mediacommon knows only up to bsid. A substream may also be plain AC-3.
func parseEAC3Frame(frame []byte) (ac3Frame, error) {
	if len(frame) >= ac3Header && frame[5]>>3 <= ac3MaxBSID {
		return parseAC3Frame(frame)
	}
	var f ac3Frame
	c := cursor{name: "E-AC-3 frame", buf: frame}
	c.expect(16, 0x0B77, "syncword")
	typ := c.bits(2, "strmtyp")
	f.dependent, f.substream = typ == eac3Dependent, c.bits(3, "substreamid")
	f.size = 2 * (c.bits(11, "frmsiz") + 1)
	switch {
	case c.err != nil:
	case typ == eac3Reserved:
		c.failAt(2, "strmtyp", "is reserved")
	case f.size < eac3Header:
		c.failAt(2, "frmsiz", "is a frame of %d bytes, shorter than its head", f.size)
	}
	f.fscod, f.blocks = c.bits(2, "fscod"), ac3MaxBlocks
	if code := c.bits(2, "numblkscod"); f.fscod != ac3HalfRate {
		f.rate, f.blocks = ac3Rates[f.fscod], eac3Blocks[code]
	} else if code < len(ac3Rates) {
		f.rate = ac3Rates[code] / 2
	} else {
		c.failAt(4, "fscod2", "is reserved")
	}
	f.acmod, f.lfe = c.bits(3, "acmod"), c.flag("lfeon")
	if f.bsid = c.bits(5, "bsid"); c.err == nil && (f.bsid < eac3MinBSID || f.bsid > eac3MaxBSID) {
		c.failAt(5, "bsid", "is %d, want %d to %d", f.bsid, eac3MinBSID, eac3MaxBSID)
	}
	if c.err != nil {
		return ac3Frame{}, c.err
	}
	if rest := f; rest.readEAC3(c, typ) == nil { // what it adds is not worth an error
		f = rest
	}
	return f, nil
}

// readEAC3 reads the part of bsi behind bsid. The cursor is its own.
func (f *ac3Frame) readEAC3(c cursor, typ int) error {
	programs := 1
	if f.acmod == 0 { // two monophonic ones
		programs = 2
	}
	for range programs {
		c.skip(5, "dialnorm")
		c.skipIf(8, "compr")
	}
	if f.dependent && c.flag("chanmape") {
		f.chanMap = c.bits(16, "chanmap")
	}
	if c.flag("mixmdate") {
		f.skipMixing(&c, programs)
	}
	if c.flag("infomdate") {
		f.bsmod = c.bits(3, "bsmod")
		c.skip(1+1, "copyrightb")
		if f.acmod == 2 {
			c.skip(2+2, "dsurmod")
		}
		if f.acmod >= 6 {
			c.skip(2, "dsurexmod")
		}
		for range programs {
			c.skipIf(5+2+1, "mixlevel")
		}
		if f.fscod != ac3HalfRate {
			c.skip(1, "sourcefscod")
		}
	}
	if typ == 0 && f.blocks != ac3MaxBlocks {
		c.skip(1, "convsync")
	}
	if typ == eac3Converted && (f.blocks == ac3MaxBlocks || c.flag("blkid")) {
		c.skip(6, "frmsizecod")
	}
	if c.flag("addbsie") && c.bits(6, "addbsil") > 0 { // at least two bytes
		c.skip(7, "addbsi")
		if f.joc = c.flag("flag_ec3_extension_type_a"); f.joc {
			f.complexity = c.bits(8, "complexity_index_type_a")
		}
	}
	return c.err
}

// skipMixing skips the mixing metadata (ETSI TS 102 366, table E.1.2).
func (f *ac3Frame) skipMixing(c *cursor, programs int) {
	if f.acmod > 2 {
		c.skip(2, "dmixmod")
		if f.acmod&1 != 0 {
			c.skip(3+3, "ltrtcmixlev")
		}
	}
	if f.acmod&4 != 0 {
		c.skip(3+3, "ltrtsurmixlev")
	}
	if f.lfe {
		c.skipIf(5, "lfemixlevcod")
	}
	if f.dependent {
		return
	}
	for range programs {
		c.skipIf(6, "pgmscl")
	}
	c.skipIf(6, "extpgmscl")
	switch c.bits(2, "mixdef") {
	case 1:
		c.skip(1+1+3, "premixcmpsel")
	case 2:
		c.skip(12, "mixdata")
	case 3:
		c.skip(8*(c.bits(5, "mixdeflen")+2), "mixdata")
	}
	if f.acmod < 2 {
		for range programs {
			c.skipIf(8+6, "panmean")
		}
	}
	if !c.flag("frmmixcfginfoe") {
		return
	}
	if f.blocks == 1 {
		c.skip(5, "blkmixcfginfo")
		return
	}
	for range f.blocks {
		c.skipIf(5, "blkmixcfginfo")
	}
}

// skipIf skips n bits that a flag in front of them announces.
func (c *cursor) skipIf(n int, what string) {
	if c.flag(what + "e") {
		c.skip(n, what)
	}
}
