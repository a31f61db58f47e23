package recfiletest

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// A black picture of 640x360 by x264, and the one after it.
const (
	blackAVCC = "014d401effe10019674d401eda0280bfe5c044000003000400000300f03c58ba8001000568ee0f2c80"
	blackKey  = "000000566588840bfffef6aefccb2b747e952e1d597bb351f2e84972fd88307d6800000300000300000807ea" +
		"2f7ae6312df290000004f0011c06883b42ba22e21023833c4b0850e9194000000300000300000300000300001fb1"
	blackNext = "0000000f419a2215fffe384000000300001b30"
)

// Long records an MP4 of H.264 with 30 frames a second, as with B-frames, and AAC, 270 kB
// a second, as the recorder does: a fragment a frame and a sync a second, the last of
// them a second before the end. Nobody closes it.
func Long(t testing.TB, path string, duration time.Duration) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // synced by then
	w, err := bmff.NewWriter(f, bmff.Options{Created: Created, FileID: [16]byte{2}, Now: func() time.Time { return Created }, Tracks: []media.Track{
		{Kind: media.Video, Codec: media.H264, Config: Unhex(blackAVCC)}, {Kind: media.Audio, Codec: media.AAC, Config: Unhex("1190")}}})
	if err != nil {
		t.Fatal(err)
	}
	write := func(s media.Sample) {
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	p := newPadder()
	sound, audio := Unhex(aac), time.Duration(0)
	for i := 0; frameTime(i) < duration; i++ {
		for ; audio <= frameTime(i); audio += 1024 * time.Second / 48000 {
			write(media.Sample{Kind: media.Audio, Codec: media.AAC, DTS: audio.Truncate(time.Millisecond), Data: p.pad(sound, 300, 100)})
		}
		write(p.frame(i))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if i%30 == 0 {
			w.Synced(w.Written())
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// padder makes small samples as large as those of real streams.
type padder struct {
	random    *rand.Rand
	noise     []byte
	key, next []byte
}

func newPadder() *padder {
	source := rand.NewChaCha8([32]byte{})
	p := &padder{random: rand.New(source), noise: make([]byte, 1<<20), key: Unhex(blackKey), next: Unhex(blackNext)}
	_, _ = source.Read(p.noise) // never fails
	return p
}

// pad puts at least so many bytes behind a sample, and up to so many more.
func (p *padder) pad(sample []byte, atLeast, more int) []byte {
	size := atLeast + p.random.IntN(more)
	at := p.random.IntN(len(p.noise) - size)
	return slices.Concat(sample, p.noise[at:at+size])
}

// frame is a picture with filler data: a keyframe each two seconds, else two small
// frames that are shown before the large one in front of them.
func (p *padder) frame(i int) media.Sample {
	const filler = 12 // nal_unit_type (H.264, table 7-1)
	picture, atLeast, more, shown := p.next, 4000, 2000, i
	switch {
	case i == 0:
		shown = 1
	case i%3 == 1:
		atLeast, more, shown = 10000, 4000, i+3
	}
	if i%60 == 0 {
		picture, atLeast, more = p.key, 36000, 8000
	}
	data := p.pad(slices.Concat(picture, []byte{0, 0, 0, 0, filler}), atLeast, more)
	binary.BigEndian.PutUint32(data[len(picture):], uint32(len(data)-len(picture)-4))
	dts := frameTime(i)
	return media.Sample{Kind: media.Video, Codec: media.H264, DTS: dts, CTS: frameTime(shown) - dts, Key: i%60 == 0, Data: data}
}

func frameTime(i int) time.Duration { return time.Duration(i*1000/30) * time.Millisecond }
