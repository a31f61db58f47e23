package bmff

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// A broken configuration keeps no track out of a file: its bytes stand there, the
// times of the samples are those they came with, and the file is whole.
func TestBrokenConfigurations(t *testing.T) {
	const lastBlock = "80000022" // in front of STREAMINFO
	slow := "1000 1000 000000 000000 00001 2f0 00000000" + strings.Repeat("00", 16)
	for _, c := range []struct {
		name   string
		kind   media.Kind
		codec  media.Codec
		config string
		back   string // read from the file, if not config
	}{
		{"avcC of one byte", media.Video, media.H264, "01", ""},
		{"avcC without SPS", media.Video, media.H264, "0164001fffe0 00", ""},
		{"avcC whose SPS is noise", media.Video, media.H264, "0164001fffe1 0004 67ffffff 01 0001 68", ""},
		{"avcC whose SPS is cut", media.Video, media.H264, "0164001fffe1 ffff 67", ""},
		{"hvcC of one byte", media.Video, media.H265, "01", ""},
		{"hvcC of noise", media.Video, media.H265, strings.Repeat("ff", 40), ""},
		{"hvcC whose arrays lie", media.Video, media.H265, "01 01 60000000 900000000000 5d f000fc fdf8f8 0000 0f ff a1 ffff ffff 42", ""},
		{"av1C of noise", media.Video, media.AV1, "81ffffffffffff", ""},
		{"vpcC of one byte", media.Video, media.VP9, "ff", ""},
		{"vvcC of noise", media.Video, media.VVC, "ffffff", ""},
		{"AudioSpecificConfig of one byte", media.Audio, media.AAC, "12", ""},
		{"AudioSpecificConfig with a reserved rate", media.Audio, media.AAC, "1690", ""},
		{"AudioSpecificConfig of 1 Hz", media.Audio, media.AAC, "1780000090", ""},
		{"AudioSpecificConfig of noise", media.Audio, media.AAC, strings.Repeat("ff", 300), ""},
		{"OpusHead of noise", media.Audio, media.Opus, strings.Repeat("ff", 19), "4f70757348656164 01 02 0000 80bb0000 0000 00"},
		{"OpusHead that is cut", media.Audio, media.Opus, "4f707573", "4f70757348656164 01 02 0000 80bb0000 0000 00"},
		{"STREAMINFO of 1 Hz", media.Audio, media.FLAC, slow, lastBlock + slow},
		{"STREAMINFO that is cut", media.Audio, media.FLAC, "664c6143", lastBlock + strings.Repeat("00", 34)},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := unhex(t, c.config)
			m := &memory{}
			w, err := NewWriter(m, Options{Tracks: []media.Track{{Kind: c.kind, Codec: c.codec, Config: config}}, Created: created})
			if err != nil {
				t.Fatal(err)
			}
			const frames, step = 100, 20 * time.Millisecond
			for i := range frames {
				if err := w.Write(media.Sample{Kind: c.kind, Codec: c.codec, Key: true, DTS: time.Duration(i) * step, Data: []byte{1, 2, 3, byte(i)}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			x, findings := scan(t, m.b)
			checked, err := Check(x, bytes.NewReader(m.b))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range append(findings, checked...) {
				if f.Severity != container.Note {
					t.Errorf("%+v", f)
				}
			}
			track := x.Tracks[0]
			if d := track.Duration(); track.Samples != frames || d != frames*step {
				t.Errorf("%d samples of %v, want %d of %v", track.Samples, d, frames, frames*step)
			}
			want := config
			if c.back != "" {
				want = unhex(t, c.back)
			}
			if c.codec == media.H265 {
				setCompleteness(want, true)
			}
			if !bytes.Equal(track.Config, want) {
				t.Errorf("the configuration is % x, want % x", track.Config, want)
			}
		})
	}
}

// A closing moov of other tracks whose tables cannot be read leaves those of the init.
func TestTablesOfOtherTracks(t *testing.T) {
	r, other := record(t, testTracks, 28, 33), record(t, []media.Track{testVideo}, 28, 34)
	moov := slices.Clone(other.closed[len(other.open):])
	binary.BigEndian.PutUint32(moov[bytes.Index(moov, []byte("stsz"))+16:], 1<<30) // the size of the first sample
	binary.BigEndian.PutUint32(moov[len(moov)-4:], crc32.Checksum(moov[:len(moov)-4], castagnoli()))
	x, findings := scan(t, slices.Concat(r.closed[:len(r.open)], moov))
	if x.State != Broken || !slices.Equal(codes(findings), []string{"M06"}) {
		t.Fatalf("%v, %v", x.State, findings)
	}
	kept(t, x, r, func(int) bool { return false })
}
