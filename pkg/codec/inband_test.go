package codec

import (
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/media"
)

func TestDiffersInBand(t *testing.T) {
	unit := func(nals ...string) (frame []byte) {
		for _, nal := range nals {
			frame = append(frame, 0, 0, 0, byte(len(nal)))
			frame = append(frame, nal...)
		}
		return frame
	}
	const (
		avcSPS, avcPPS   = "\x67\x42\x00\x1e", "\x68\xce\x3c\x80"
		hevcVPS, hevcSPS = "\x40\x01\x0c\x01", "\x42\x01\x01\x01"
		vvcSPS           = "\x00\x79\x00\x0d"
	)
	config := []byte("record" + avcSPS + "--" + avcPPS + "--" + hevcVPS + "--" + hevcSPS + "--" + vvcSPS)
	for _, c := range []struct {
		name   string
		codec  media.Codec
		frame  []byte
		length int
		want   bool
	}{
		{"no sets", media.H264, unit("\x65\x88"), 4, false},
		{"equal", media.H264, unit(avcSPS, avcPPS, "\x65\x88"), 4, false},
		{"another PPS", media.H264, unit(avcSPS, "\x68\xce\x3c\x81", "\x65\x88"), 4, true},
		{"another PPS behind the slice", media.H264, unit("\x41\x88", "\x68\xce\x3c\x81"), 4, true},
		{"length not known", media.H264, unit(avcSPS, "\x65"), 0, false},
		{"lengths of 2 bytes", media.H264, []byte("\x00\x04\x68\xce\x3c\x81"), 2, true},
		{"hevc, equal", media.H265, unit(hevcVPS, hevcSPS, "\x26\x01"), 4, false},
		{"hevc, another SPS", media.H265, unit(hevcVPS, "\x42\x01\x01\x02", "\x26\x01"), 4, true},
		{"hevc, SEI", media.H265, unit("\x4e\x01\x05", "\x26\x01"), 4, false},
		{"vvc, equal", media.VVC, unit(vvcSPS, "\x00\x41"), 4, false},
		{"vvc, another", media.VVC, unit("\x00\x79\x00\x0e"), 4, true},
		{"broken lengths", media.H264, []byte{0, 0, 1, 0, 7}, 4, false},
		{"empty", media.H265, nil, 4, false},
		{"no parameter sets", media.VP9, []byte{0x67}, 0, false},
	} {
		before := slices.Clone(c.frame)
		if got := DiffersInBand(c.codec, config, c.frame, c.length); got != c.want || !slices.Equal(before, c.frame) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
