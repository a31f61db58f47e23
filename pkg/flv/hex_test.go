package flv

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// unhex decodes hex digits with spaces among them.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// nals puts a length of four bytes in front of each NAL unit.
func nals(units ...string) (s string) {
	for _, u := range units {
		s += fmt.Sprintf("%08x", len(unhex(u))) + u
	}
	return s
}

// sized puts a track's length of three bytes in front of its payload.
func sized(payload string) string { return fmt.Sprintf("%06x", len(unhex(payload))) + payload }

// Configurations and frames of 64x64 black pictures, all written by FFmpeg's
// encoders. Only what pkg/codec looks at is there.
const (
	avcC720  = `0164001fffe1001a6764001facd9405005bb0110000003001000000303c0f1831960010006 68ebe3cb22c0 fdf8f800`
	avcC1080 = `014d4028ffe10018674d4028eca03c0113f2e022000007d20001d4c01e30632c 010005 68ebe3cb20`
	hvcC     = `0101600000009000000000005df000fcfdf8f800000f 03
		a000010018 40010c01ffff01600000030090000003000003005d959809
		a10001002b 420101016000000300900000030000 03005da00280802d165959a4932bc05a0200000300020000 03003c10
		a200010007 4401c172b46240`
	av1C       = `81050c00 0a0b0000002d4cffb3ccaf9004`
	vpcC       = `001f820202020000`
	opusHead   = `4f707573486561640102380180bb0000000000`
	streamInfo = `1200120000007800 05110bb802f0000012c0ba43705036a3bb057849a9f54f6928a3`

	av1Key   = `0a0a00000002afff9b5f2008 32121000900008208220 0000c1b4e5c0c3011ac6`
	av1Inter = `321230038080fdf806c0005965962810 42009530`
	vp9Key   = `824983420003f003f60038241c184a00003060000067`
	vp9Inter = `860040929c00500000036000005470`
	vp8Key   = `f002009d012a40004000004708858588`
	vp8Inter = `3102000510ac00180019d7f40c00012c`
	vvcKey   = `00000003 0039aa`
	vvcInter = `00000003 0001aa`
	mp3Frame = `fffb9064 0000 0000 0000`
	aacFrame = `211004608c1c`
)

var (
	avcKey    = nals("6588840bfffef6aefccb2b747e952e1d597b4b1b97b877ad283e01fe328081")
	avcInter  = nals("419a3b10bffe8cd360")
	hevcKey   = nals("2801af1d80f701b2fffd232fb33c")
	hevcInter = nals("0201d0097e10c63bfa84")
)
