package bmff

import "encoding/binary"

// The head of our files, in bytes. It is what the commit overwrites.
const (
	ftypSize   = 32
	freeSize   = 16
	headSize   = ftypSize + freeSize // within one sector
	boxHeader  = 8
	fullHeader = 12 // with version and flags
	largeBox   = 16 // with a 64-bit size
	uuidHeader = boxHeader + 16
)

// Timescales in ticks a second. A millisecond is a whole number of both.
const (
	movieTimescale = 1000
	videoTimescale = 90000
)

// Sample flags (BMFF 8.8.3.1): depends on others and is no sync sample, or does
// not depend on others.
const (
	flagsSync    = 0x02000000
	flagsNonSync = 0x01010000
	nonSyncBit   = 0x00010000
)

// Flags of tfhd (BMFF 8.8.7.1) and trun (BMFF 8.8.8.1).
const (
	tfhdBaseOffset      = 0x000001
	tfhdDescription     = 0x000002
	tfhdDefaultDuration = 0x000008
	tfhdDefaultSize     = 0x000010
	tfhdDefaultFlags    = 0x000020
	tfhdBaseIsMoof      = 0x020000

	trunDataOffset = 0x001
	trunFirstFlags = 0x004
	trunDurations  = 0x100
	trunSizes      = 0x200
	trunFlags      = 0x400
	trunCTS        = 0x800
)

// Limits.
const (
	maxTracks    = 16
	maxInit      = 16 << 20  // bytes of an init moov
	maxMoof      = 16 << 20  // bytes of a fragment's header
	maxMoov      = 512 << 20 // bytes of a closing moov: a week of video and audio
	maxSamples   = 1 << 26   // of a file
	maxTicks     = 1 << 53   // of a DTS: 3000 years
	maxRows      = 1 << 20   // samples of a fragment
	maxFlush     = 1 << 30   // bytes of samples of a fragment
	pageSize     = 4 << 10   // bytes that a disk may damage at once: no page has both the init moov and its copy
	reserveExtra = 64 << 10  // bytes kept on the disk beside the closing moov
	reserveStep  = 16 << 20  // bytes by which the reserve grows
)

// Our uuid boxes (BMFF 11.1): one in every fragment, one in the closing moov, and one
// in front of the first fragment that begins in a later page than the init moov ends in,
// around a copy of that; and one in the closing moov of the drops, if there are any.
var (
	uuidFragment = [16]byte{0x72, 0x74, 0x6d, 0x70, 0x74, 0x6f, 0x6f, 0x6c, 0x8f, 0x1c, 0x6b, 0x2e, 0x66, 0x72, 0x61, 0x67}
	uuidDrops    = [16]byte{0x72, 0x74, 0x6d, 0x70, 0x74, 0x6f, 0x6f, 0x6c, 0x8f, 0x1c, 0x6b, 0x2e, 0x64, 0x72, 0x6f, 0x70}
	uuidCommit   = [16]byte{0x72, 0x74, 0x6d, 0x70, 0x74, 0x6f, 0x6f, 0x6c, 0x8f, 0x1c, 0x6b, 0x2e, 0x63, 0x6d, 0x69, 0x74}
	uuidInit     = [16]byte{0x72, 0x74, 0x6d, 0x70, 0x74, 0x6f, 0x6f, 0x6c, 0x8f, 0x1c, 0x6b, 0x2e, 0x69, 0x6e, 0x69, 0x74}
)

// Payload of the closing moov's uuid box, its last box, behind the uuid:
//
//	0   the first 48 bytes of the open file
//	48  the size of the open file
//	56  CRC-32C of the moov up to here
const (
	commitOldSize = headSize
	commitCRC     = headSize + 8
	commitSize    = headSize + 8 + 4
	commitBox     = uuidHeader + commitSize
)

// Payload of the fragment's uuid box, behind the uuid:
//
//	0   version, 0
//	1   reserved
//	2   a bit a track: in-band parameter sets differ from the configuration
//	4   file id
//	20  wall clock of the write, ms since 1970
//	28  everything before this offset of the file was synced
//	36  CRC-32C of the moof, with these 4 bytes as 0, and of the samples
//	40  a drop in front of the fragment, or nothing
const (
	markInBand   = 2
	markFileID   = 4
	markWall     = 20
	markSynced   = 28
	markCRC      = 36
	markSize     = 40
	fragmentMark = uuidHeader + markSize
)

// markType is the box in the init moov's udta that makes a file ours: version and
// flags, file id, wall clock in ms since 1970. In the init moov, which it
// ends, a CRC-32C of the moov up to there follows.
const (
	markType    = "rtt1"
	markPayload = 4 + 16 + 8
)

// Heads of a file of ours: open, and closed (BMFF 4.3).
func openHead() []byte {
	head := appendFtyp(nil, "iso5", "iso5", "iso6", "mp41", markType)
	head = binary.BigEndian.AppendUint32(head, freeSize)
	head = append(head, "free"...)
	return append(head, make([]byte, freeSize-boxHeader)...)
}

// closedHead covers everything up to the moov with the header of one mdat.
func closedHead(moov int64) []byte {
	head := appendFtyp(nil, "isom", "isom", "iso4", "mp41", "mp42")
	head = binary.BigEndian.AppendUint32(head, 1) // the size follows in 64 bits
	head = append(head, "mdat"...)
	return binary.BigEndian.AppendUint64(head, uint64(moov-ftypSize))
}

func appendFtyp(dst []byte, major string, compatible ...string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, ftypSize)
	dst = append(dst, "ftyp"...)
	dst = append(dst, major...)
	dst = binary.BigEndian.AppendUint32(dst, 512)
	for _, brand := range compatible {
		dst = append(dst, brand...)
	}
	return dst
}
