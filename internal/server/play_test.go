package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

var metadata = data("@setDataFrame", "onMetaData", amf.ECMAArray{{Key: "width", Value: 1280.0}})

const metadataSeen = "data/1@0 onMetaData [{width 1280}]"

// TestPlayBeforePublish: a viewer waits, then begins at the first keyframe with
// all that a decoder needs.
func TestPlayBeforePublish(t *testing.T) {
	s := start(t, Config{})
	viewer := s.play("main")
	if st, ok := s.stream("live/main"); !ok || st.Live || st.Viewers != 1 {
		t.Errorf("a stream that is waited for: %+v", st)
	}
	p := s.publish("main")
	p.send(metadata, video(0, avcHeader), audio(0, aacHeader), video(0, interFrame("torn")), audio(5, aacFrame("lost")), video(40, keyFrame("one")), audio(45, aacFrame("two")), video(80, interFrame("three")))
	viewer.expect(metadataSeen, "video/1@0 avc", "audio/1@0 aac", "video/1@40 one", "audio/1@45 two", "video/1@80 three")
}

// TestJoin: who comes late gets metadata, headers and everything since the last
// keyframe at once, with nothing more from the publisher.
func TestJoin(t *testing.T) {
	s := start(t, Config{})
	p := s.publish("main")
	p.send(metadata, video(0, avcHeader), audio(0, aacHeader),
		video(0, keyFrame("old")), video(40, interFrame("older")),
		video(80, keyFrame("one")), audio(85, aacFrame("two")), video(120, interFrame("three")))
	p.fence()
	for range 3 {
		viewer := s.play("main")
		viewer.expect(metadataSeen, "video/1@0 avc", "audio/1@0 aac", "video/1@80 one", "audio/1@85 two", "video/1@120 three")
	}
	viewer := s.play("main")
	viewer.skipTo("video/1@120 three")
	p.send(video(160, interFrame("four")))
	viewer.expect("video/1@160 four")
}

// TestPlayForms are the ways in which players say play.
func TestPlayForms(t *testing.T) {
	s := start(t, Config{})
	s.publish("main").send(video(0, avcHeader), video(0, keyFrame("one")))
	begin, reset, begun := "begin 1", "onStatus/1 NetStream.Play.Reset", "onStatus/1 NetStream.Play.Start"
	access := "data/1@0 |RtmpSampleAccess true true"
	for name, test := range map[string]struct {
		command rtmp.Message
		want    []string
	}{
		"bare":          {call(1, "play", 0, nil, "main"), []string{begin, reset, begun, access}},
		"recorded, 0":   {call(1, "play", 0, nil, "main", 0.0, -1.0, true), []string{begin, reset, begun, access}},
		"without reset": {call(1, "play", 0, nil, "main", -2.0, -1.0, false), []string{begin, begun, access}},
		"on stream 0":   {call(0, "play", 0, nil, "main"), []string{begin, reset, begun, access}},
		"prefix":        {call(1, "play", 0, nil, "mp4:main"), []string{begin, reset, begun, access}},
		"play2":         {call(1, "play2", 0, nil, amf.Object{{Key: "streamName", Value: "main"}}), []string{begin, reset, begun, access}},
	} {
		t.Run(name, func(t *testing.T) {
			viewer := s.connect()
			viewer.send(test.command) // without createStream
			viewer.expect(append(test.want, "video/1@0 avc", "video/1@0 one")...)
		})
	}
	viewer := s.createStream()
	viewer.command(1, "play2", 0, nil, amf.Object{})
	viewer.expect("onStatus/1 NetStream.Play.Failed")
	viewer.command(2, "play", 0, nil, "main")
	viewer.expect("onStatus/2 NetStream.Play.Failed")
}

// TestSwitch: play and play2 on a stream that plays change to another one.
func TestSwitch(t *testing.T) {
	s := start(t, Config{})
	s.publish("a").send(video(0, avcHeader), video(0, keyFrame("from a")))
	s.publish("b").send(video(0, avcHeader), video(0, keyFrame("from b")))
	viewer := s.play("a")
	viewer.expect("video/1@0 avc", "video/1@0 from a")
	viewer.command(1, "play", 0, nil, "b")
	viewer.expectPlay(1)
	viewer.expect("video/1@0 avc", "video/1@0 from b")
	s.await("nobody watches a", func() bool { st, _ := s.stream("live/a"); return st.Viewers == 0 })
	viewer.command(1, "play2", 0, nil, amf.Object{{Key: "streamName", Value: "a"}})
	viewer.expectPlay(1)
	viewer.expect("video/1@0 avc", "video/1@0 from a")
}

// TestReturn: viewers who stay see the publisher return, with time going on.
func TestReturn(t *testing.T) {
	s := start(t, Config{})
	viewer := s.play("main")
	p := s.publish("main")
	p.send(video(1000, avcHeader), video(1000, keyFrame("one")), video(1040, interFrame("two")))
	viewer.expect("video/1@0 avc", "video/1@0 one", "video/1@40 two")
	_ = p.Close()
	viewer.expect("eof 1")

	p = s.publish("main")
	p.send(metadata, video(0, avcHeader), video(0, interFrame("torn")), video(40, keyFrame("three")))
	viewer.expect("onStatus/1 NetStream.Play.PublishNotify", "begin 1",
		"data/1@80 onMetaData [{width 1280}]", "video/1@80 avc", "video/1@120 three")
}

// TestNoReturn: after the grace viewers are told that it is over, and may play
// again.
func TestNoReturn(t *testing.T) {
	for name, grace := range map[string]time.Duration{"short grace": 50 * time.Millisecond, "none": -1} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{PublishGrace: grace})
			viewer := s.play("main")
			p := s.publish("main")
			p.send(video(0, avcHeader), video(0, keyFrame("one")))
			viewer.expect("video/1@0 avc", "video/1@0 one")
			_ = p.Close()
			viewer.expect("eof 1", "onStatus/1 NetStream.Play.UnpublishNotify")
			s.awaitGone("live/main")
			viewer.command(1, "play", 0, nil, "main")
			viewer.expectPlay(1)
			s.publish("main").send(video(0, avcHeader), video(0, keyFrame("two")))
			viewer.expect("video/1@0 avc", "video/1@0 two")
		})
	}
}

func TestPause(t *testing.T) {
	s := start(t, Config{})
	p := s.publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	for _, pause := range []string{"pause", "pauseRaw"} {
		t.Run(pause, func(t *testing.T) {
			viewer := s.play("main")
			viewer.skipTo("video/1@0 one")
			// Going on without a pause changes nothing.
			viewer.command(1, pause, 0, nil, false, 0.0)
			viewer.expect("onStatus/1 NetStream.Unpause.Notify", "begin 1")
			viewer.fence()
			for range 2 {
				viewer.command(1, pause, 0, nil, true, 0.0)
				viewer.expect("onStatus/1 NetStream.Pause.Notify", "eof 1")
			}
			await(t, "nobody watches", func() bool { st, _ := s.stream("live/main"); return st.Viewers == 0 })
			viewer.command(1, pause, 0, nil, false, 0.0)
			viewer.expect("onStatus/1 NetStream.Unpause.Notify", "begin 1", "video/1@0 avc", "video/1@0 one")
			viewer.command(9, pause, 0, nil, true, 0.0) // of no stream
			viewer.fence()
			_ = viewer.Close()
		})
	}
}

func TestSeek(t *testing.T) {
	s := start(t, Config{})
	s.publish("main").send(video(0, avcHeader), video(0, keyFrame("one")))
	viewer := s.play("main")
	viewer.skipTo("video/1@0 one")
	viewer.command(1, "seek", 0, nil, 5000.0)
	viewer.expect("onStatus/1 NetStream.Seek.Failed")
}

// TestReceive: a client can do without audio or video. What a decoder needs is
// sent all the same, video comes back at a keyframe, and a pause changes nothing.
func TestReceive(t *testing.T) {
	s := start(t, Config{})
	viewer := s.createStream()
	viewer.command(1, "receiveAudio", 0, nil, false)
	viewer.command(1, "play", 0, nil, "main")
	viewer.expectPlay(1)
	p := s.publish("main")
	p.send(metadata, video(0, avcHeader), audio(0, aacHeader), video(0, keyFrame("v1")), audio(10, aacFrame("a1")), video(40, interFrame("v2")))
	viewer.expect(metadataSeen, "video/1@0 avc", "audio/1@0 aac", "video/1@0 v1", "video/1@40 v2")

	viewer.command(1, "receiveVideo", 0, nil, false)
	viewer.fence()
	p.send(audio(50, aacFrame("a2")), video(80, keyFrame("v3")), video(90, avcHeader), video(90, interFrame("v3a")))
	viewer.expect("video/1@80 avc")

	viewer.command(1, "receiveAudio", 0, nil, true)
	viewer.command(1, "receiveVideo", 0, nil, true)
	viewer.fence()
	p.send(audio(90, aacFrame("a3")), video(120, interFrame("v4")), video(160, keyFrame("v5")), video(200, interFrame("v6")))
	viewer.expect("audio/1@90 a3", "video/1@160 v5", "video/1@200 v6")

	viewer.command(1, "receiveAudio", 0, nil, false)
	viewer.command(1, "pause", 0, nil, true)
	viewer.command(1, "pause", 0, nil, false)
	viewer.skipTo("onStatus/1 NetStream.Unpause.Notify")
	viewer.expect("begin 1", metadataSeen, "video/1@80 avc", "audio/1@0 aac", "video/1@160 v5", "video/1@200 v6")
	p.send(audio(210, aacFrame("a4")), video(240, interFrame("v7")))
	viewer.expect("video/1@240 v7")
}

// TestData: metadata without the publisher's mark, everything else as it is; what
// cannot be read is dropped, and so is @clearDataFrame.
func TestData(t *testing.T) {
	s := start(t, Config{})
	viewer := s.play("main")
	p := s.publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	viewer.expect("video/1@0 avc", "video/1@0 one")
	undecodable := rtmp.Message{Type: rtmp.TypeDataAMF0, StreamID: 1, Body: []byte{0xde, 0xad, 0xbe, 0xef}} // FFmpeg's tmcd
	empty := rtmp.Message{Type: rtmp.TypeDataAMF0, StreamID: 1}
	amf3 := rtmp.Message{Type: rtmp.TypeDataAMF3, StreamID: 1, Body: append([]byte{0}, amf.Append(nil, "onTextData", "hi")...)}
	p.send(metadata, data("onMetaData", amf.ECMAArray{{Key: "height", Value: 720.0}}),
		undecodable, empty, data("@clearDataFrame", "onMetaData"), data("@setDataFrame"),
		data("onFI", amf.Object{{Key: "st", Value: "10:00:00"}}), amf3, data("@setDataFrame", "onCuePoint", 1.0),
		video(40, interFrame("two")))
	viewer.expect(metadataSeen, "data/1@0 onMetaData [{height 720}]",
		"data/1@0 onFI [{st 10:00:00}]", "data/1@0 onTextData hi", "data/1@0 onCuePoint 1", "video/1@40 two")
}

// TestAudienceLog: each viewer that comes and goes is told of, with what it has had; of a
// crowd only some are, and how many are not.
func TestAudienceLog(t *testing.T) {
	log := &logBuffer{}
	s := start(t, Config{Logger: log.logger()})
	lines := func(message string) (found []map[string]any) {
		for _, l := range log.lines(t, "info") {
			if l["message"] == message {
				found = append(found, l)
			}
		}
		return found
	}
	p := s.publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	v := s.play("main")
	v.expect("video/1@0 avc", "video/1@0 one")
	_ = v.Close()
	s.await("its end", func() bool { return len(lines("viewer left")) == 1 })
	came, left := lines("playing"), lines("viewer left")[0]
	if len(came) != 1 || came[0]["peer"] != v.LocalAddr().String() || came[0]["stream"] != "live/main" {
		t.Errorf("told %v of the viewer from %s", came, v.LocalAddr())
	}
	if left["peer"] != v.LocalAddr().String() || left["stream"] != "live/main" || left["after"] != "0s" || left["bytes"].(float64) < 20 || left["skips"] != nil || strings.Contains(fmt.Sprint(left["reason"]), "use of closed") {
		t.Errorf("told %v of its end", left)
	}
	begin, untold := time.Now(), 0.0
	for range viewerBurst {
		_ = s.play("main").Close()
	}
	s.await("how many were not told of", func() bool {
		_ = s.play("main").Close()
		for _, l := range lines("playing") {
			n, _ := l["not_logged_before"].(float64)
			untold += n
		}
		return untold > 0
	})
	most := viewerBurst + 1 + int(viewerRate*time.Since(begin).Seconds()) + 2
	if n := len(lines("playing")) + len(lines("viewer left")); n > most {
		t.Errorf("%d lines, at most %d are fair", n, most)
	}
}
