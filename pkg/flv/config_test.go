package flv

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/pkg/media"
)

func TestConfigs(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind media.Kind
		hex  string
		want []media.Track
		err  string // of CheckConfigs
	}{
		{"one", media.Audio, "AF 00 1210", []media.Track{{Kind: media.Audio, Codec: media.AAC, Config: []byte{0x12, 0x10}}}, ""},
		{"none", media.Video, "27 01 000000 00", nil, ""},
		{"two tracks of a codec", media.Audio, "95 10 6D703461 00 000002 1210 05 000001 12", []media.Track{
			{Kind: media.Audio, Codec: media.AAC, Config: []byte{0x12, 0x10}},
			{Kind: media.Audio, Codec: media.AAC, ID: 5, Config: []byte{0x12}},
		}, "codec: AudioSpecificConfig: samplingFrequencyIndex at 0"},
		{"two codecs", media.Video, "96 20 61766331 00 000001 01 78797A31 01 000001 FF", []media.Track{
			{Kind: media.Video, Codec: media.H264, Config: []byte{1}},
			{Kind: media.Video, Codec: 'x'<<24 | 'y'<<16 | 'z'<<8 | '1', ID: 1, Config: []byte{0xFF}},
		}, "codec: avcC"},
		{"a codec that nobody knows", media.Video, "90 78797A31 FF", []media.Track{
			{Kind: media.Video, Codec: 'x'<<24 | 'y'<<16 | 'z'<<8 | '1', Config: []byte{0xFF}},
		}, ""},
		{"empty", media.Audio, "90 61632D33", []media.Track{{Kind: media.Audio, Codec: media.AC3}}, ""},
		{"empty, which tells something", media.Audio, "90 4F707573", []media.Track{{Kind: media.Audio, Codec: media.Opus, Config: []byte{}}}, ""},
	} {
		p, err := Parse(tagType(tt.kind), unhex(tt.hex))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, slices.Collect(Configs(p))); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
		err = CheckConfigs(p)
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.err)
		}
	}
}
