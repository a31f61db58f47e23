package media

import "testing"

// Names and numbers of codecs (Enhanced RTMP v2, "FourCC").
func TestCodec(t *testing.T) {
	for _, tc := range []struct {
		codec  Codec
		number uint32
		name   string
	}{
		{H264, 1635148593, "h264"},
		{H265, 1752589105, "h265"},
		{AV1, 1635135537, "av1"},
		{VP8, 1987063864, "vp8"},
		{VP9, 1987063865, "vp9"},
		{VVC, 1987470129, "vvc"},
		{AAC, 1836069985, "aac"},
		{MP3, 778924083, "mp3"},
		{Opus, 1332770163, "opus"},
		{FLAC, 1716281667, "flac"},
		{AC3, 1633889587, "ac3"},
		{EAC3, 1700998451, "eac3"},
		{PCM, 0x41554433, "pcm"},
		{Nellymoser, 0x41554436, "nellymoser"},
		{ALaw, 0x41554437, "alaw"},
		{MuLaw, 0x41554438, "mulaw"},
		{Speex, 0x41554462, "speex"},
		{'V'<<24 | 'I'<<16 | 'D'<<8 | '2', 0x56494432, "VID2"},
		{0x41007FFF, 0x41007FFF, "A???"},
		{0, 0, "none"},
	} {
		if uint32(tc.codec) != tc.number || tc.codec.String() != tc.name {
			t.Errorf("%s is %d, want %s, %d", tc.codec, uint32(tc.codec), tc.name, tc.number)
		}
	}
}

func TestKind(t *testing.T) {
	for kind, want := range map[Kind]string{Audio: "audio", Video: "video", Data: "data", 0: "unknown", 9: "unknown"} {
		if got := kind.String(); got != want {
			t.Errorf("%d: %s, want %s", kind, got, want)
		}
	}
}

// What a joining viewer needs before the first frame.
func TestPacketConfig(t *testing.T) {
	for role, want := range map[Role]bool{
		Frame: false, Metadata: true, Decoder: true, Color: true, Channels: true, End: false, Other: false,
	} {
		if got := (&Packet{Role: role}).Config(); got != want {
			t.Errorf("role %d: %v, want %v", role, got, want)
		}
	}
}

func TestPacketSize(t *testing.T) {
	empty := (&Packet{}).Size()
	if empty <= 0 {
		t.Errorf("an empty packet costs %d", empty)
	}
	if got := (&Packet{Body: make([]byte, 1000)}).Size(); got != empty+1000 {
		t.Errorf("1000 bytes cost %d, none %d", got, empty)
	}
}
