package bmff

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/media"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// streamInfo is of 44.1 kHz, stereo, 16 bits, blocks of 4608.
const streamInfo = "12001200 00000e00 00100ac4 42f00000 0000 00000000000000000000000000000000"

// The box that a configuration becomes, and what is read back from the entry.
func TestSampleEntries(t *testing.T) {
	info24 := strings.Replace(streamInfo, "0ac4 42f0", "2ee0 0370", 1) // 192 kHz, stereo, 24 bits
	vp9 := "00 0a 82 01 01 01 0000"
	hvcc := "01 01 60000000 900000000000 5d f000fc fdf8f8 0000 0f 02"
	for _, c := range []struct {
		name          string
		kind          media.Kind
		codec         media.Codec
		config        string
		entry, box    string
		payload, back string // back: config if it is the same
		rate          uint32
		bits          uint16
	}{
		{"aac", media.Audio, media.AAC, "1190", "mp4a", "esds",
			"00000000 0380808022 000000 0480808014 40 15 000000 00000000 00000000 0580808002 1190 0680808001 02", "", 48000, 16},
		{"opus", media.Audio, media.Opus, "4F70757348656164 01 02 3801 80BB0000 0000 00", "Opus", "dOps", "00 02 0138 0000BB80 0000 00", "", 48000, 16},
		{"opus, gain and mapping", media.Audio, media.Opus, "4F70757348656164 01 03 3801 44AC0000 0001 01 02 01 000102", "Opus", "dOps",
			"00 03 0138 0000AC44 0100 01 02 01 000102", "", 48000, 16},
		{"opus without header", media.Audio, media.Opus, "", "Opus", "dOps", "00 02 0000 0000BB80 0000 00", "4F70757348656164 01 02 0000 80BB0000 0000 00", 48000, 16},
		{"flac, bare", media.Audio, media.FLAC, streamInfo, "fLaC", "dfLa", "00000000 80000022" + streamInfo, "80000022" + streamInfo, 44100, 16},
		{"flac, header", media.Audio, media.FLAC, "00000022" + streamInfo, "fLaC", "dfLa", "00000000 80000022" + streamInfo, "80000022" + streamInfo, 44100, 16},
		{"flac, marker", media.Audio, media.FLAC, "664C6143 80000022" + streamInfo, "fLaC", "dfLa", "00000000 80000022" + streamInfo, "80000022" + streamInfo, 44100, 16},
		{"flac, more blocks", media.Audio, media.FLAC, "664C6143 00000022" + streamInfo + "84000001 00", "fLaC", "dfLa", "00000000 80000022" + streamInfo, "80000022" + streamInfo, 44100, 16},
		{"flac, 192 kHz", media.Audio, media.FLAC, info24, "fLaC", "dfLa", "00000000 80000022" + info24, "80000022" + info24, 64000, 24},
		{"ac-3", media.Audio, media.AC3, "0b77b0f51e40ebf8", "ac-3", "dac3", "103de0", "103de0", 48000, 16},
		{"ec-3", media.Audio, media.EAC3, "0b7702ff3f87c000", "ec-3", "dec3", "0c00 200f00", "0c00 200f00", 48000, 16},
		{"ec-3, 7.1 with objects", media.Audio, media.EAC3, "0b770005 3f87c4101100 0000" + "0b774004 3487d0200000", "ec-3", "dec3",
			"0028 200f02 02 0110", "0028 200f02 02 0110", 48000, 16},
		{"mp3", media.Audio, media.MP3, "fffb9064", "mp4a", "esds", "00000000 038080801b 000000 048080800d 6b 15 000000 00000000 00000000 0680808001 02", "fffb1000", 44100, 16},
		{"mp3, MPEG-2", media.Audio, media.MP3, "fff340c4", "mp4a", "esds", "00000000 038080801b 000000 048080800d 69 15 000000 00000000 00000000 0680808001 02", "fff310c0", 22050, 16},
		{"mp3, 8 kHz", media.Audio, media.MP3, "ffe318c4", "mp4a", "esds", "00000000 038080801b 000000 048080800d 69 15 000000 00000000 00000000 0680808001 02", "ffe318c0", 8000, 16},
		{"A-law", media.Audio, media.ALaw, "72", "alaw", "chan", "00000000 00640001 00000000 00000000", "00", 8000, 16},
		{"mu-law in stereo", media.Audio, media.MuLaw, "83", "ulaw", "chan", "00000000 00650002 00000000 00000000", "01", 8000, 16},
		{"pcm", media.Audio, media.PCM, "3f", "sowt", "chan", "00000000 00650002 00000000 00000000", "0f", 44100, 16},
		{"pcm, 8 bits", media.Audio, media.PCM, "04", "raw ", "chan", "00000000 00640001 00000000 00000000", "04", 11025, 8},
		{"vp9, 8 bytes", media.Video, media.VP9, vp9, "vp09", "vpcC", "01000000" + vp9, "", 0, 0},
		{"vp9, 12 bytes", media.Video, media.VP9, "01000000" + vp9, "vp09", "vpcC", "01000000" + vp9, vp9, 0, 0},
		{"vp8", media.Video, media.VP8, vp9, "vp08", "vpcC", "01000000" + vp9, "", 0, 0},
		{"hevc", media.Video, media.H265, hvcc + "21 0001 0002 4201" + "27 0001 0001 4e", "hvc1", "hvcC",
			hvcc + "a1 0001 0002 4201" + "27 0001 0001 4e", hvcc + "a1 0001 0002 4201" + "27 0001 0001 4e", 0, 0},
		{"hevc, cut", media.Video, media.H265, hvcc + "21 0003 0002 4201 00", "hvc1", "hvcC", hvcc + "a1 0003 0002 4201 00", hvcc + "a1 0003 0002 4201 00", 0, 0},
		{"vvc", media.Video, media.VVC, "ff 00", "vvc1", "vvcC", "00000000 ff 00", "", 0, 0},
		{"av1", media.Video, media.AV1, "81 00 0c 00", "av01", "av1C", "81 00 0c 00", "", 0, 0},
		{"h264", media.Video, media.H264, "01 42c01e ff e0 00", "avc1", "avcC", "01 42c01e ff e0 00", "", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := unhex(t, c.config)
			e, err := entryFor(media.Track{Kind: c.kind, Codec: c.codec, Config: config})
			if err != nil {
				t.Fatal(err)
			}
			d := e.detail(1)
			fixed := visualEntry
			if c.kind == media.Audio {
				fixed = audioEntry0
				rate := uint32(d.entry[boxHeader+24])<<8 | uint32(d.entry[boxHeader+25])
				if bits := uint16(d.entry[boxHeader+19]); rate != c.rate || bits != c.bits {
					t.Errorf("entry of %d Hz and %d bits, want %d and %d", rate, bits, c.rate, c.bits)
				}
			}
			got := find(d.entry[boxHeader+fixed:], c.box)
			if name := string(d.entry[4:8]); name != c.entry || !bytes.Equal(got, unhex(t, c.payload)) {
				t.Errorf("%s with %s %x, want %s with %s", name, c.box, got, c.entry, c.payload)
			}
			back := &headerTrack{}
			for entry := range children(d.entry) {
				back.describe(entry)
			}
			want := config
			if c.back != "" {
				want = unhex(t, c.back)
			}
			if back.Codec != c.codec || !bytes.Equal(back.Config, want) {
				t.Errorf("read back %s %x, want %x", back.Codec, back.Config, want)
			}
			if c.kind == media.Audio { // inspect shows of the file what the stream was
				was, err := codec.ParseAudio(c.codec, config)
				if is, backErr := codec.ParseAudio(c.codec, back.Config); err != nil || backErr != nil || is != was {
					t.Errorf("read back %+v, want %+v, %v, %v", is, was, err, backErr)
				}
			}
		})
	}
}

func TestNoSuchEntry(t *testing.T) {
	for _, track := range []media.Track{
		{Kind: media.Video, Codec: media.H264},
		{Kind: media.Video, Codec: 'x'},
		{Kind: media.Audio, Codec: media.AAC},
		{Kind: media.Audio, Codec: media.AC3, Config: []byte{0x0B, 0x77}},
		{Kind: media.Audio, Codec: media.EAC3},
		{Kind: media.Audio, Codec: media.PCM},
		{Kind: media.Audio, Codec: media.Speex, Config: []byte{0xB6}},
		{Kind: media.Audio, Codec: media.Nellymoser, Config: []byte{0x52}},
		{Kind: media.Video, Codec: media.H264, Config: make([]byte, 64<<10+1)},
		{Kind: media.Audio, Codec: media.AAC, Config: make([]byte, 64<<10+1)},
	} {
		if _, err := NewWriter(&memory{}, Options{Tracks: []media.Track{track}}); err == nil {
			t.Errorf("%s %s: no error", track.Codec, track.Kind)
		}
	}
	if _, err := NewWriter(&memory{}, Options{}); err == nil {
		t.Error("no tracks: no error")
	}
}

// In-band parameter sets that differ rename the entry, and then the arrays are not
// complete.
func TestInBandParameterSets(t *testing.T) {
	hvcc := unhex(t, "01 01 60000000 900000000000 5d f000fc fdf8f8 0000 0f 01 21 0001 0003 420101")
	for _, c := range []struct {
		name  string
		frame string
		entry string
		array byte
	}{
		{"none", "00000002 2601", "hvc1", 0xA1},
		{"equal", "00000003 420101 00000002 2601", "hvc1", 0xA1},
		{"different", "00000003 420102 00000002 2601", "hev1", 0x21},
	} {
		m := &memory{}
		w, err := NewWriter(m, Options{Tracks: []media.Track{{Kind: media.Video, Codec: media.H265, Config: hvcc}}})
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, Key: true, Data: unhex(t, "00000002 2601")})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		write(t, w, media.Sample{Kind: media.Video, Codec: media.H265, Key: true, DTS: 1e9, Data: unhex(t, c.frame)})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		x, _ := scan(t, m.b)
		recovered := &memory{b: bytes.Clone(m.b)}
		if err := Finalize(x, int64(len(m.b))).Apply(recovered); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil || !bytes.Equal(m.b, recovered.b) {
			t.Errorf("%s: closed and recovered files differ, %v", c.name, err)
		}
		y, _ := scan(t, m.b)
		entry := y.details[0].entry
		if name := string(entry[4:8]); name != c.entry || y.Tracks[0].Config[23] != c.array || (y.InBand != 0) != (c.entry == "hev1") {
			t.Errorf("%s: entry %s with array %#x", c.name, name, y.Tracks[0].Config[23])
		}
	}
}
