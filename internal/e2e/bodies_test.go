package e2e

import (
	"bytes"
	be "encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// Encoders send more forms of bodies than FFmpeg does. Here FFmpeg's packets go out in
// the forms of others, and are in the MP4 as FFmpeg made them.
func TestBodiesOfOtherEncoders(t *testing.T) {
	t.Parallel()
	const picture = "-f lavfi -i testsrc2=size=64x64:rate=30"
	encoded := encode(t, encoding{"vp8.ivf", picture, "-c:v libvpx -g 30"}, encoding{"vp9.flv", picture, "-c:v libvpx-vp9 -g 30"},
		encoding{"mp3.flv", "-f lavfi -i sine=r=44100", "-c:a libmp3lame"})
	h265, vp8, vp9, mp3 := peers.Source(t, "h265"), encoded[0], encoded[1], encoded[2]
	servers := map[string]*server{"auto": serve(t), "mp4": serve(t, "--record-format", "mp4")}
	var recorded []string
	for i, tt := range []struct {
		name, format, source string
		bodies               func(packets []*media.Packet) []rtmp.Message
		stream               string
	}{
		{"H.265 by number 12", "auto", h265, hevcBodies(0x10|12, 0x20|12), "v"},
		{"H.265 by number 7, inter frames without a type", "auto", h265, hevcBodies(0x10|7, 7), "v"},
		{"VP8 without a header", "mp4", vp8, vp8Bodies, "v"},
		{"VP9 without a header", "mp4", vp9, vp9Bodies(false), "v"},
		{"VP9 with a header of 8 bytes", "mp4", vp9, vp9Bodies(true), "v"},
		{"several frames of MP3 a message", "mp4", mp3, mp3Bodies, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, name := servers[tt.format], fmt.Sprint("live/", i)
			s.sendMessages(name, tt.bodies(packetsOf(t, tt.source)))
			path := s.await("recorded", name)["path"].(string)
			if filepath.Ext(path) != ".mp4" {
				t.Fatalf("recorded as %s", filepath.Ext(path))
			}
			plainMP4(t, path)
			recorded = append(recorded, path)
			closed(t, path)
			sameStreams(t, tt.source, path, tt.stream)
			if tt.stream == "v" && entries(t, path, "v", "width,height") != entries(t, tt.source, "v", "width,height") {
				t.Errorf("a picture of %s", entries(t, path, "v", "width,height"))
			}
		})
	}
	plays(t, recorded...)
}

// packetsOf reads the audio and video of an FLV file, or the frames of an IVF file.
func packetsOf(t *testing.T, path string) []*media.Packet {
	t.Helper()
	if filepath.Ext(path) == ".ivf" {
		return ivfPackets(read(t, path))
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	tags, err := flv.NewReader(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	var packets []*media.Packet
	for tag, err := tags.Next(); err == nil; tag, err = tags.Next() {
		if p, err := flv.Parse(tag.Type, bytes.Clone(tag.Body)); err == nil && p.Kind != media.Data {
			p.DTS = tag.Time
			packets = append(packets, p)
		}
	}
	return packets
}

// ivfPackets takes the frames out of an IVF file: a header of 32 bytes, then a size of 4
// bytes and a time of 8 in front of each frame, little endian.
func ivfPackets(b []byte) (packets []*media.Packet) {
	for b = b[32:]; len(b) > 12; {
		end := 12 + be.LittleEndian.Uint32(b)
		at := time.Duration(len(packets)) * time.Second / 30
		packets = append(packets, &media.Packet{Kind: media.Video, DTS: at, Body: b[12:end]})
		b = b[end:]
	}
	return packets
}

func message(p *media.Packet, body []byte) rtmp.Message {
	kind := uint8(rtmp.TypeVideo)
	if p.Kind == media.Audio {
		kind = rtmp.TypeAudio
	}
	return rtmp.Message{Type: kind, Timestamp: uint32(p.DTS.Milliseconds()), Body: body}
}

// messages sends packets as they are.
func messages(packets []*media.Packet) (all []rtmp.Message) {
	for _, p := range packets {
		all = append(all, message(p, p.Body))
	}
	return all
}

// hevcBodies gives H.265 the legacy form, with these first bytes.
func hevcBodies(key, inter byte) func([]*media.Packet) []rtmp.Message {
	return func(packets []*media.Packet) (all []rtmp.Message) {
		for _, p := range packets {
			switch {
			case p.Kind == media.Audio:
				all = append(all, message(p, p.Body))
			case p.Role == media.Decoder:
				all = append(all, message(p, append([]byte{key, 0, 0, 0, 0}, flv.Config(p)...)))
			case p.Role == media.Frame:
				for s := range flv.Samples(p) {
					first, cts := inter, s.CTS.Milliseconds()
					if s.Key {
						first = key
					}
					all = append(all, message(p, append([]byte{first, 1, byte(cts >> 16), byte(cts >> 8), byte(cts)}, s.Data...)))
				}
			}
		}
		return all
	}
}

func vp8Bodies(packets []*media.Packet) (all []rtmp.Message) {
	for _, p := range packets {
		h := flv.Header{Kind: media.Video, Enhanced: true, FrameType: 2, Type: flv.CodedFrames, Multitrack: flv.Single, Codec: media.VP8}
		if p.Body[0]&1 == 0 {
			h.FrameType = 1
		}
		all = append(all, message(p, append(h.Append(nil), p.Body...)))
	}
	return all
}

// vp9Bodies cuts the version and the flags of a box off the configuration, or leaves
// it out.
func vp9Bodies(header bool) func([]*media.Packet) []rtmp.Message {
	return func(packets []*media.Packet) (all []rtmp.Message) {
		for _, p := range packets {
			switch {
			case p.Role == media.Frame:
				all = append(all, message(p, p.Body))
			case p.Role == media.Decoder && header:
				const record = 8
				config := flv.Config(p)
				front := p.Body[:len(p.Body)-len(config)]
				all = append(all, message(p, append(bytes.Clone(front), config[len(config)-record:]...)))
			}
		}
		return all
	}
}

// mp3Bodies puts three frames in a message.
func mp3Bodies(packets []*media.Packet) (all []rtmp.Message) {
	for i, p := range packets {
		if i%3 == 0 {
			all = append(all, message(p, p.Body))
			continue
		}
		last := &all[len(all)-1]
		last.Body = append(bytes.Clone(last.Body), p.Body[1:]...)
	}
	return all
}
