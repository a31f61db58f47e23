package server

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// media reads the next audio, video or data message.
func (p *peer) media() rtmp.Message {
	p.t.Helper()
	for {
		m, err := p.rtmp.ReadMessage()
		if err != nil {
			p.t.Fatal(err)
		}
		switch m.Type {
		case rtmp.TypeAudio, rtmp.TypeVideo, rtmp.TypeDataAMF0:
			return m
		}
	}
}

// TestEnhanced: bodies of Enhanced RTMP reach viewers byte for byte, those of
// codecs that nobody here knows too, on the stream's own and on another message
// stream.
func TestEnhanced(t *testing.T) {
	av1Key := "\x12\x00\x0a\x0b\x00\x00\x00\x24\x4f\x7e\x7f\x00\x68\x83\x00\x32\x04\x10\x00\x00\x00"
	for name, bodies := range map[string][]string{
		"hvc1": {
			"\x90hvc1\x01config", "\x91hvc1\x00\x00\x50" + nal("\x26\x01\x80idr"), "\xa1hvc1\xff\xff\xd8" + nal("\x02\x01\x80p"),
			"\xa3hvc1" + nal("\x02\x01\x80x"), "\x94hvc1\x02\x00\x09colorInfo\x03\x00\x00\x09", "\x92hvc1",
		},
		"av01":          {"\x90av01\x81\x00\x0c\x00", "\x91av01" + av1Key, "\xa1av01\x32\x02\x30\x00"},
		"vp09":          {"\x90vp09\x01\x00\x00\x00config", "\x91vp09\x82\x49\x83\x42\x00", "\xa1vp09\x86\x00\x40\x92"},
		"unknown codec": {"\x90xyz1anything", "\x91xyz1\x00\x01\x02", "\xa1xyz1\xff"},
		"one track":     {"\x96\x00avc1\x00\x01config", "\x96\x01avc1\x00\x00\x00\x00" + nal("\x65key"), "\xa6\x01avc1\x01\x00\x00\x00" + nal("\x41other")},
		"many tracks":   {"\x96\x11avc1\x00\x00\x00\x0b\x00\x00\x00" + nal("\x65key") + "\x01\x00\x00\x0b\x00\x00\x00" + nal("\x65two")},
		"many codecs":   {"\x96\x21avc1\x00\x00\x00\x0b\x00\x00\x00" + nal("\x65key") + "xyz1\x01\x00\x00\x03abc"},
		"nanoseconds":   {"\x97\x02\x00\x03\xe7\x03avc1" + nal("\x65key")},
		"new extension": {"\x97\x00\xaa\x13avc1" + nal("\x65key")},
		"large":         {"\x91xyz1" + strings.Repeat("frame", 50_000), "\xa1xyz1" + strings.Repeat("x", 65536-5), "\xa1xyz1" + strings.Repeat("y", 65537-5)},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{})
			viewer, other := s.play("main"), s.createStream()
			other.command(0, "createStream", 3, nil)
			other.command(2, "play", 0, nil, "main")
			other.expect("_result 3 <nil> 2")
			other.expectPlay(2)
			p := s.publish("main")
			var sent []rtmp.Message
			for i, b := range bodies {
				sent = append(sent, video(uint32(40*i), b))
			}
			sent = append(sent, audio(400, "\x90Opus\x01config"), audio(410, "\x91Opus\xfc\xff\xfe"), audio(420, "\x95\x01Opus\x01frame"), audio(430, "\x91zzzz???"))
			p.send(sent...)
			for _, want := range sent {
				for id, v := range map[uint32]*peer{1: viewer, 2: other} {
					if got := v.media(); got.Type != want.Type || got.StreamID != id || !bytes.Equal(got.Body, want.Body) {
						t.Fatalf("on %d got type %d with % x, want type %d with % x", got.StreamID, got.Type, tail(got.Body), want.Type, tail(want.Body))
					}
				}
			}
		})
	}
}

func tail(b []byte) []byte { return b[:min(len(b), 40)] }

// TestMalformed: what cannot be parsed is dropped, and nothing else.
func TestMalformed(t *testing.T) {
	s := start(t, Config{})
	viewer := s.play("main")
	p := s.publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	viewer.expect("video/1@0 avc", "video/1@0 one")
	p.send(video(10, ""), video(10, "\x27"), video(10, "\x91av"), video(10, "\x96\x11avc1\x00\xff\xff\xff"), audio(10, "\xaf"), video(40, interFrame("two")))
	viewer.expect("video/1@40 two")
}

// TestSilence: an empty audio message is passed on.
func TestSilence(t *testing.T) {
	s := start(t, Config{})
	viewer := s.play("main")
	p := s.publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")), audio(10, ""), video(40, interFrame("two")))
	viewer.expect("video/1@0 avc", "video/1@0 one", "audio/1@0 ", "video/1@40 two")
}

// TestStuckViewer: a viewer that does not read costs nobody anything. Publisher
// and the other viewer go in step, each packet must come before the next is sent.
// The stuck one is dropped after the write timeout.
func TestStuckViewer(t *testing.T) {
	t.Parallel()
	s := start(t, Config{WriteTimeout: time.Second})
	stuck, viewer := s.play("main"), s.play("main")
	_ = stuck.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	p := s.publish("main")
	p.send(video(0, avcHeader))
	filler := strings.Repeat("x", 100<<10)
	viewerSees := func(want string) {
		t.Helper()
		if got := viewer.media(); label(got.Body) != want {
			t.Fatalf("got %.20q, want %.20q", label(got.Body), want)
		}
	}
	at := uint32(0)
	step := func() {
		frame := keyFrame
		if at%400 != 0 {
			frame = interFrame
		}
		p.send(video(at, frame(fmt.Sprint(at, filler))))
		if at == 0 {
			viewerSees("avc")
		}
		viewerSees(fmt.Sprint(at, filler))
		at += 40
	}
	// Far more than the kernel takes for a viewer.
	for range 100 {
		step()
	}
	s.await("the stuck viewer is dropped", func() bool {
		step()
		st, _ := s.stream("live/main")
		return st.Viewers == 1
	})
	s.await("its connection is closed", func() bool { return s.sessionCount() == 2 })
}

// TestSlowViewer: one that reads again skips to a newer keyframe, with the
// headers before it.
func TestSlowViewer(t *testing.T) {
	t.Parallel()
	s := start(t, Config{WriteTimeout: patience, Live: live.Config{MaxLag: 20 * time.Millisecond}})
	slow, viewer := s.play("main"), s.play("main")
	_ = slow.Conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	p := s.publish("main")
	p.send(video(0, avcHeader))
	filler := strings.Repeat("x", 100<<10)
	const frames = 200
	for i := range frames {
		frame := interFrame
		if i%10 == 0 {
			frame = keyFrame
		}
		p.send(video(uint32(40*i), frame(fmt.Sprint(i, filler))))
		if i == 0 {
			viewer.media()
		}
		viewer.media()
	}
	var got []string
	for last := fmt.Sprint(frames-1, filler); len(got) == 0 || got[len(got)-1] != last; {
		got = append(got, label(slow.media().Body))
	}
	if len(got) > frames*3/4 {
		t.Fatalf("the slow viewer got %d packets of %d", len(got), frames+1)
	}
	next := 0
	for i, body := range got[1:] {
		if body == "avc" {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(body, "%dx", &n); err != nil {
			t.Fatal(err)
		}
		if n != next && (n%10 != 0 || got[i] != "avc" || n < next) {
			t.Fatalf("frame %d came after %d", n, next-1)
		}
		next = n + 1
	}
}

// What a viewer was sent in a burst is not kept alive by it.
func TestViewerHoldsNoBurst(t *testing.T) {
	frames := func(n int) (all []*media.Packet) {
		for range n {
			m := rtmp.Message{Type: rtmp.TypeVideo, Body: []byte("frame")}
			all = append(all, &media.Packet{Frame: m.Frame(0)})
		}
		return all
	}
	v := &viewer{id: 1}
	v.gather(frames(50))
	last := frames(2)
	v.gather(last)
	for i, held := range v.pieces[:cap(v.pieces)] {
		if i >= len(last) && held != nil {
			t.Fatalf("piece %d is held", i)
		}
	}
	if len(v.pieces) != len(last) {
		t.Errorf("%d pieces of %d frames", len(v.pieces), len(last))
	}
}
