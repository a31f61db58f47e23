package codec

import "math/bits"

// Sizes of an AC3SpecificBox and of the longest EC3SpecificBox, without their
// headers, in bytes. Every frame is longer.
const (
	dac3Size = 3
	maxDEC3  = 2 + maxPrograms*4 + 2
)

// Limits of an EC3SpecificBox (ETSI TS 102 366, F.6.1).
const (
	maxPrograms   = 8 // independent substreams
	maxDependents = 1<<4 - 1
	maxDataRate   = 1<<13 - 1 // kbit/s
)

// AC3Record makes the payload of dac3 (ETSI TS 102 366, F.4.1) from a sync frame.
func AC3Record(frame []byte) ([]byte, error) {
	f, err := parseAC3Frame(frame)
	if err != nil {
		return nil, err
	}
	v := f.fscod<<22 | f.bsid<<17 | f.bsmod<<14 | f.acmod<<11 | bit(f.lfe)<<10 | f.bitRate<<5
	return []byte{byte(v >> 16), byte(v >> 8), byte(v)}, nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func parseDAC3(record []byte) (Audio, error) {
	c := cursor{name: "dac3", buf: record}
	f := ac3Frame{fscod: c.bits(2, "fscod")}
	if f.fscod >= len(ac3Rates) {
		c.failAt(0, "fscod", "is reserved")
		return Audio{}, c.err
	}
	c.skip(5+3, "bsid")
	f.acmod, f.lfe = c.bits(3, "acmod"), c.flag("lfeon")
	return Audio{SampleRate: ac3Rates[f.fscod], Channels: f.channels(), FrameSamples: ac3MaxBlocks * ac3Block}, nil
}

// program is an independent substream with those that depend on it.
type program struct {
	ac3Frame
	dependents int
	chanLoc    int // what these add, as dec3 has it
	bytes      int // of all of them
}

// eac3Programs reads the frames of the first access unit in data. The end may be
// missing.
func eac3Programs(data []byte) ([]program, error) {
	var all []program
	for len(data) > 0 || len(all) == 0 {
		f, err := parseEAC3Frame(data)
		if err != nil && len(all) > 0 {
			break
		}
		if err == nil && len(all) == 0 && f.dependent {
			c := cursor{name: "E-AC-3 frame"}
			c.failAt(2, "strmtyp", "is 1: the substream depends on another, which is not there")
			err = c.err
		}
		if err != nil {
			return nil, err
		}
		switch last := len(all) - 1; {
		case !f.dependent && len(all) > 0 && f.substream == 0: // the next access unit
			return all, nil
		case !f.dependent && len(all) == maxPrograms:
			return all, nil
		case !f.dependent:
			all = append(all, program{ac3Frame: f, bytes: f.size})
		case all[last].dependents < maxDependents:
			all[last].dependents++
			all[last].bytes += f.size
			all[last].chanLoc |= chanLoc(f.chanMap)
			if f.joc {
				all[last].joc, all[last].complexity = true, f.complexity
			}
		}
		data = data[min(f.size, len(data)):]
	}
	return all, nil
}

// chanLoc turns a custom channel map, highest bit first (ETSI TS 102 366, table
// E.1.4), into what dec3 has of it: channels that 5.1 does not have (table F.6.1).
func chanLoc(chanMap int) (loc int) {
	const pairOfCentre, lfe2 = 10, 1 // bits of the map that are the first and the last one of chan_loc
	for i := range 8 {               // Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw, Lvh/Rvh, Cvh
		loc |= chanMap >> (pairOfCentre - i) & 1 << i
	}
	return loc | chanMap>>lfe2&1<<8
}

// locatedChannels counts the channels of a chan_loc, of which some bits are pairs.
func locatedChannels(loc int) int {
	const pairs = 0b0_0111_0011
	return bits.OnesCount(uint(loc)) + bits.OnesCount(uint(loc&pairs))
}

// EAC3Record makes the payload of dec3 (ETSI TS 102 366, F.6.1, and for objects ETSI
// TS 103 420, 8.3) from all substreams of an access unit.
func EAC3Record(unit []byte) ([]byte, error) {
	programs, err := eac3Programs(unit)
	if err != nil {
		return nil, err
	}
	rate := 0
	for _, p := range programs {
		rate += p.bytes * 8 * p.rate / p.samples()
	}
	v := min(rate/1000, maxDataRate)<<3 | len(programs) - 1
	out := []byte{byte(v >> 8), byte(v)}
	for _, p := range programs {
		v := p.fscod<<22 | p.bsid<<17 | p.bsmod<<12 | p.acmod<<9 | bit(p.lfe)<<8 | p.dependents<<1
		if p.dependents > 0 {
			v |= p.chanLoc >> 8
		}
		out = append(out, byte(v>>16), byte(v>>8), byte(v))
		if p.dependents > 0 {
			out = append(out, byte(p.chanLoc))
		}
	}
	if first := programs[0]; first.joc {
		out = append(out, 1, byte(first.complexity))
	}
	return out, nil
}

// parseDEC3 reads the first program of a dec3. It tells neither the blocks of a
// frame nor a reduced sample rate.
func parseDEC3(record []byte) (Audio, error) {
	c := cursor{name: "dec3", buf: record}
	c.skip(13+3, "data_rate")
	f := ac3Frame{fscod: c.bits(2, "fscod")}
	c.skip(5+1+1+3, "bsid")
	f.acmod, f.lfe = c.bits(3, "acmod"), c.flag("lfeon")
	c.skip(3, "reserved")
	added := 0
	if c.bits(4, "num_dep_sub") > 0 {
		added = locatedChannels(c.bits(9, "chan_loc"))
	}
	if c.err == nil && f.fscod >= len(ac3Rates) {
		c.failAt(2, "fscod", "is a reduced rate, which the record does not tell")
	}
	if c.err != nil {
		return Audio{}, c.err
	}
	return Audio{SampleRate: ac3Rates[f.fscod], Channels: f.channels() + added, FrameSamples: ac3MaxBlocks * ac3Block}, nil
}
