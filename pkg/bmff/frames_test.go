package bmff

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// mp3Frame is a frame of 44.1 kHz and 32 kbit/s: 104 bytes, 1152 samples.
func mp3Frame(n byte) []byte {
	return append([]byte{0xFF, 0xFB, 0x10, 0xC4}, bytes.Repeat([]byte{n}, 100)...)
}

// ac3Frame is one of 48 kHz and 32 kbit/s: 128 bytes.
func ac3Frame(n byte) []byte {
	return append([]byte{0x0B, 0x77, n, n, 0x00, 0x40, 0x2F, 0x84}, bytes.Repeat([]byte{n}, 120)...)
}

// eac3Frame is a substream of 48 kHz with a code for its number of blocks (0 to 3:
// 1, 2, 3, 6), 16 bytes.
func eac3Frame(typ, substream, blocks, n byte) []byte {
	return append([]byte{0x0B, 0x77, typ<<6 | substream<<3, 7, blocks<<4 | 4, 0x87, 0xC0, 0}, bytes.Repeat([]byte{n}, 8)...)
}

// flacFrame has a block of 1 << code samples.
func flacFrame(code, n byte) []byte { return []byte{0xFF, 0xF8, code<<4 | 9, 8, n, 0, n, n} }

// message is what a publisher sends at a time.
type message struct {
	at   time.Duration
	data []byte
}

// written records messages, some flushes in between, and returns the samples of the
// closed file, which is also what a recovery makes of the open one.
func written(t *testing.T, track media.Track, messages []message) (all [][]byte, times []int64, x *Index) {
	t.Helper()
	m := &memory{}
	w, err := NewWriter(m, Options{Tracks: []media.Track{track}, Created: created, FileID: [16]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	for i, msg := range messages {
		write(t, w, media.Sample{Kind: track.Kind, Codec: track.Codec, Key: i == 0, DTS: msg.at, Data: msg.data})
		if i%2 == 1 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.endGroups()
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	open := &memory{b: bytes.Clone(m.b)}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	unfinished, _ := scan(t, open.b)
	if err := Finalize(unfinished, int64(len(open.b))).Apply(open); err != nil || !bytes.Equal(open.b, m.b) {
		t.Errorf("a file that is finished differs from one that was closed, %v", err)
	}
	x, findings := scan(t, m.b)
	if len(findings) > 0 {
		t.Errorf("findings: %v", findings)
	}
	clean(t, x, m)
	for _, track := range x.Tracks {
		for r := range track.Rows() {
			all, times = append(all, m.b[r.Offset:r.End()]), append(times, r.DTS)
		}
	}
	return all, times, x
}

// What messages become in a file: frames of sound one by one, each at its time.
func TestFramesBecomeSamples(t *testing.T) {
	ms := time.Millisecond
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	audio := func(c media.Codec, config []byte) media.Track {
		return media.Track{Kind: media.Audio, Codec: c, Config: config}
	}
	six, one, three := eac3Frame(0, 0, 3, 6), eac3Frame(0, 0, 0, 1), eac3Frame(0, 0, 2, 3)
	dependent, program := eac3Frame(1, 0, 2, 4), eac3Frame(0, 1, 2, 5)
	unit := join(three, dependent, program)
	for _, c := range []struct {
		name     string
		track    media.Track
		messages []message
		want     [][]byte
		times    []int64
	}{
		{"MP3, a frame a message", audio(media.MP3, mp3Frame(0)),
			[]message{{0, mp3Frame(1)}, {26 * ms, mp3Frame(2)}, {53 * ms, mp3Frame(3)}},
			[][]byte{mp3Frame(1), mp3Frame(2), mp3Frame(3)}, []int64{0, 1152, 2304}},
		{"MP3, several", audio(media.MP3, mp3Frame(0)),
			[]message{{0, join(mp3Frame(1), mp3Frame(2), mp3Frame(3))}, {78 * ms, join(mp3Frame(4), mp3Frame(5))}},
			[][]byte{mp3Frame(1), mp3Frame(2), mp3Frame(3), mp3Frame(4), mp3Frame(5)}, []int64{0, 1152, 2304, 3456, 4608}},
		{"MP3, a tail and a broken frame", audio(media.MP3, mp3Frame(0)),
			[]message{{0, join(mp3Frame(1), mp3Frame(2), []byte{0, 0})}, {52 * ms, []byte{1, 2, 3}}, {78 * ms, mp3Frame(4)}},
			[][]byte{mp3Frame(1), join(mp3Frame(2), []byte{0, 0}), {1, 2, 3}, mp3Frame(4)}, []int64{0, 1152, 2304, 3440}},
		{"MP3, after a gap", audio(media.MP3, mp3Frame(0)),
			[]message{{0, mp3Frame(1)}, {1000 * ms, join(mp3Frame(2), mp3Frame(3))}},
			[][]byte{mp3Frame(1), mp3Frame(2), mp3Frame(3)}, []int64{0, 44100, 45252}},
		{"AC-3, two", audio(media.AC3, ac3Frame(0)),
			[]message{{0, join(ac3Frame(1), ac3Frame(2))}, {64 * ms, ac3Frame(3)}},
			[][]byte{ac3Frame(1), ac3Frame(2), ac3Frame(3)}, []int64{0, 1536, 3072}},
		{"E-AC-3, six blocks", audio(media.EAC3, six),
			[]message{{0, six}, {32 * ms, join(six, six)}},
			[][]byte{six, six, six}, []int64{0, 1536, 3072}},
		{"E-AC-3, one block a message", audio(media.EAC3, one),
			[]message{{0, one}, {5 * ms, one}, {10 * ms, one}, {16 * ms, one}, {21 * ms, one}, {26 * ms, one}, {32 * ms, one}},
			[][]byte{join(one, one, one, one, one, one), one}, []int64{0, 1536}},
		{"E-AC-3, three blocks and their substreams", audio(media.EAC3, unit),
			[]message{{0, unit}, {16 * ms, unit}, {32 * ms, join(unit, unit)}},
			[][]byte{join(unit, unit), join(unit, unit)}, []int64{0, 1536}},
		{"E-AC-3, substreams in messages of their own", audio(media.EAC3, three),
			[]message{{0, three}, {0, dependent}, {16 * ms, three}, {32 * ms, three}, {48 * ms, three}},
			[][]byte{join(three, dependent, three), join(three, three)}, []int64{0, 1536}},
		{"E-AC-3, a gap ends a group", audio(media.EAC3, three),
			[]message{{0, three}, {1000 * ms, three}, {1016 * ms, three}},
			[][]byte{three, join(three, three)}, []int64{0, 48000}},
		{"E-AC-3, broken", audio(media.EAC3, three),
			[]message{{0, []byte{1, 2}}, {32 * ms, three}, {48 * ms, join(three, []byte{1, 2})}},
			[][]byte{{1, 2}, join(three, three, []byte{1, 2})}, []int64{0, 1536}},
		{"A-law, a packet a sample", audio(media.ALaw, []byte{0x72}),
			[]message{{0, make([]byte, 160)}, {20 * ms, make([]byte, 320)}, {61 * ms, make([]byte, 160)}},
			[][]byte{make([]byte, 160), make([]byte, 320), make([]byte, 160)}, []int64{0, 160, 480}},
		{"PCM in stereo", audio(media.PCM, []byte{0x3F}),
			[]message{{0, make([]byte, 4096)}, {23 * ms, make([]byte, 4096)}, {46 * ms, make([]byte, 10)}},
			[][]byte{make([]byte, 4096), make([]byte, 4096), make([]byte, 10)}, []int64{0, 1024, 2048}},
		{"Opus of 20 and 60 ms", audio(media.Opus, nil),
			[]message{{0, []byte{0xFC, 1}}, {21 * ms, []byte{0x1B, 1}}, {79 * ms, []byte{0xFC, 2}}},
			[][]byte{{0xFC, 1}, {0x1B, 1}, {0xFC, 2}}, []int64{0, 960, 3840}},
		{"FLAC with blocks that vary", audio(media.FLAC, unhex(t, "0010"+streamInfo[4:])),
			[]message{{0, flacFrame(12, 1)}, {92 * ms, flacFrame(10, 2)}, {117 * ms, flacFrame(12, 3)}},
			[][]byte{flacFrame(12, 1), flacFrame(10, 2), flacFrame(12, 3)}, []int64{0, 4096, 5120}},
		{"AV1 without delimiters", media.Track{Kind: media.Video, Codec: media.AV1, Config: unhex(t, "81000c00")},
			[]message{{0, unhex(t, "1200 0a0b02000005557ffc02f80040 320110")}, {33 * ms, unhex(t, "1200 320130")}, {50 * ms, unhex(t, "1200")}},
			[][]byte{unhex(t, "0a0b02000005557ffc02f80040 320110"), unhex(t, "320130")}, []int64{0, 2970}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, times, _ := written(t, c.track, c.messages)
			if !slices.EqualFunc(all, c.want, bytes.Equal) {
				t.Errorf("samples %x\nwant %x", all, c.want)
			}
			if !slices.Equal(times, c.times) {
				t.Errorf("times %v, want %v", times, c.times)
			}
		})
	}
}

// Whatever a publisher sends as frames of sound, its bytes are in the file, in order,
// at times that rise.
func FuzzFrames(f *testing.F) {
	tracks := []media.Track{
		{Kind: media.Audio, Codec: media.MP3, Config: mp3Frame(0)},
		{Kind: media.Audio, Codec: media.AC3, Config: ac3Frame(0)},
		{Kind: media.Audio, Codec: media.EAC3, Config: eac3Frame(0, 0, 2, 0)},
	}
	f.Add(uint8(0), uint8(104), slices.Concat(mp3Frame(1), mp3Frame(2), mp3Frame(3)))
	f.Add(uint8(1), uint8(255), slices.Concat(ac3Frame(1), ac3Frame(2), []byte{0}))
	f.Add(uint8(2), uint8(16), slices.Concat(eac3Frame(0, 0, 2, 1), eac3Frame(1, 0, 2, 2), eac3Frame(0, 0, 3, 3), eac3Frame(0, 0, 0, 4)))
	f.Fuzz(func(t *testing.T, i, size uint8, data []byte) {
		const most = 32 // messages: each other one makes a fragment
		if len(data) == 0 || len(data) > most*int(size) {
			return
		}
		var messages []message
		for chunk := range slices.Chunk(data, int(size)) {
			messages = append(messages, message{time.Duration(len(messages)) * 20 * time.Millisecond, chunk})
		}
		all, times, _ := written(t, tracks[int(i)%len(tracks)], messages)
		if !bytes.Equal(bytes.Join(all, nil), data) {
			t.Error("the samples are not what was sent")
		}
		for n := 1; n < len(times); n++ {
			if times[n] <= times[n-1] {
				t.Errorf("sample %d at %d, the one before it at %d", n, times[n], times[n-1])
			}
		}
	})
}

// A sample that is not complete waits for its rest, but not for ever.
func TestGroupWaits(t *testing.T) {
	m := &memory{}
	three := eac3Frame(0, 0, 2, 3)
	w, err := NewWriter(m, Options{Tracks: []media.Track{{Kind: media.Audio, Codec: media.EAC3, Config: three}}})
	if err != nil {
		t.Fatal(err)
	}
	for i, buffered := range []int{0, 32, 0} {
		write(t, w, media.Sample{Kind: media.Audio, Codec: media.EAC3, DTS: time.Duration(i) * 16 * time.Millisecond, Data: three})
		if w.Buffered() != buffered {
			t.Errorf("%d bytes can be written, want %d", w.Buffered(), buffered)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.Index().samples(); n != 1 {
		t.Errorf("%d samples before the end", n)
	}
	if err := w.Close(); err != nil || w.Index().samples() != 2 {
		t.Errorf("%d samples, %v", w.Index().samples(), err)
	}
}

// Where the configuration does not have the size of the picture, the first key frame
// does.
func TestSizeOfThePicture(t *testing.T) {
	for _, c := range []struct {
		codec         media.Codec
		config, key   string
		width, height uint16
	}{
		{media.VP8, "00 00 82 02 02 02 0000", "10 02 00 9d012a 8002 e001", 640, 480},
		{media.VP9, "00 0a 82 02 02 02 0000", "824983420003f003f0", 64, 64},
		{media.AV1, "81000c00", "1200 0a0b02000005557ffc02f80040 320110", 64, 64},
		{media.VP8, "00 00 82 02 02 02 0000", "10 02 00 9d012a 0000 0000", 0, 0},
	} {
		track := media.Track{Kind: media.Video, Codec: c.codec, Config: unhex(t, c.config)}
		_, _, x := written(t, track, []message{{0, unhex(t, c.key)}, {33 * time.Millisecond, unhex(t, c.key)}})
		if w, h := x.details[0].size(); w != c.width || h != c.height {
			t.Errorf("%s: %dx%d, want %dx%d", c.codec, w, h, c.width, c.height)
		}
	}
}

// Entries of other makers: sound of a rate or a form that no FLV body has is known by
// name alone.
func TestForeignSoundEntries(t *testing.T) {
	for _, c := range []struct {
		kind                 string
		rate, channels, bits uint16
		want                 media.Codec
		config               []byte
	}{
		{"sowt", 44100, 2, 16, media.PCM, []byte{0x0F}},
		{"twos", 48000, 2, 16, media.PCM, nil},
		{"raw ", 22050, 1, 8, media.PCM, []byte{0x08}},
		{"alaw", 8000, 6, 16, media.ALaw, nil},
		{"ac-3", 48000, 2, 16, media.AC3, nil},
		{"QDM2", 44100, 2, 16, 0, nil},
	} {
		body := make([]byte, audioEntry0)
		binary.BigEndian.PutUint16(body[16:], c.channels)
		binary.BigEndian.PutUint16(body[18:], c.bits)
		binary.BigEndian.PutUint16(body[24:], c.rate)
		track := &headerTrack{Track: container.Track{Track: media.Track{Kind: media.Audio}}}
		track.describe(child{kind: c.kind, body: body})
		if track.Codec != c.want || !bytes.Equal(track.Config, c.config) {
			t.Errorf("%s: %s %x", c.kind, track.Codec, track.Config)
		}
	}
}
