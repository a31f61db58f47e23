package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// TestTransactions: an answer carries the id of its call, whatever that is, and a
// call without an id gets none.
func TestTransactions(t *testing.T) {
	s := start(t, Config{})
	for _, id := range []float64{1, 2, 99, 0.5} {
		t.Run(fmt.Sprint(id), func(t *testing.T) {
			p := s.dial()
			p.command(0, "connect", id, amf.Object{{Key: "app", Value: "live"}})
			p.expect("window 2500000", "bandwidth 2500000", "chunk size 65536")
			p.skipTo(fmt.Sprintf("_result %v ", id))
			p.command(0, "releaseStream", id, nil, "main")
			p.command(0, "FCPublish", id, nil, "main")
			p.command(0, "createStream", id, nil)
			p.command(0, "somethingNew", id, nil, "x", 7.0)
			p.command(0, "_checkbw", id, nil)
			p.command(0, "getStreamLength", id, nil, "main")
			p.expect(
				fmt.Sprintf("_result %v <nil> <nil>", id),
				fmt.Sprintf("_result %v <nil> <nil>", id),
				fmt.Sprintf("onFCPublish/0 %v NetStream.Publish.Start", id),
				fmt.Sprintf("_result %v <nil> 1", id),
				fmt.Sprintf("_result %v <nil> <nil>", id),
				fmt.Sprintf("_result %v <nil> 0", id),
				fmt.Sprintf("_result %v <nil> 0", id))
		})
	}
	t.Run("0", func(t *testing.T) {
		p := s.connect()
		p.command(0, "releaseStream", 0, nil, "main")
		p.command(0, "FCPublish", 0, nil, "main")
		p.command(0, "somethingNew", 0, nil)
		p.command(0, "_result", 5, nil)
		p.command(0, "onStatus", 5, nil)
		p.expect("onFCPublish/0 NetStream.Publish.Start")
		p.fence()
	})
}

// TestNames: whatever a client fills in, the stream is live/main.
func TestNames(t *testing.T) {
	property := func(key, value string) amf.Property { return amf.Property{Key: key, Value: value} }
	for name, test := range map[string]struct {
		connect amf.Object
		key     any
	}{
		"application only":       {amf.Object{property("app", "live")}, "main"},
		"slashes":                {amf.Object{property("app", "/live/"), property("tcUrl", "rtmp://host/live/")}, "/main/"},
		"no application":         {amf.Object{property("tcUrl", "rtmp://host:1935/live")}, "main"},
		"tcurl":                  {amf.Object{property("tcurl", "rtmp://host/live")}, "main"},
		"quoted":                 {amf.Object{property("tcUrl", "'rtmp://host/live'")}, "main"},
		"instance":               {amf.Object{property("app", "live/_definst_")}, "main"},
		"token in the key":       {amf.Object{property("app", "live")}, "main?token=secret"},
		"token in the app":       {amf.Object{property("app", "live?token=secret")}, "main"},
		"key in the application": {amf.Object{property("app", "live/main")}, ""},
		"no key":                 {amf.Object{property("app", "live/main")}, nil},
		"prefix":                 {amf.Object{property("app", "live")}, "flv:main"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{})
			p := s.dial()
			p.command(0, "connect", 1, test.connect)
			p.skipTo("_result 1")
			p.command(0, "createStream", 2, nil)
			p.command(1, "publish", 3, nil, test.key)
			p.expect("_result 2 <nil> 1", "begin 1", "onStatus/1 NetStream.Publish.Start")
			if st, ok := s.stream("live/main"); !ok || !st.Live {
				t.Errorf("streams: %+v", s.Status())
			}
		})
	}
}

func TestBadNames(t *testing.T) {
	s := start(t, Config{})
	for _, key := range []string{"..", "a/../../b", "./a", "a\x00b", "a\nb", strings.Repeat("x", 510), "a?" + strings.Repeat("x", 5000)} {
		p := s.createStream()
		p.command(1, "publish", 3, nil, key)
		p.expect("onStatus/1 NetStream.Publish.BadName", "closed")
		p = s.createStream()
		p.command(1, "play", 3, nil, key)
		p.expect("onStatus/1 NetStream.Play.StreamNotFound", "closed")
	}
	if all := s.Status(); len(all) > 0 {
		t.Errorf("streams: %+v", all)
	}
}

// TestPublishForms are the ways in which encoders say publish.
func TestPublishForms(t *testing.T) {
	for _, test := range []struct {
		name   string
		create bool
		id     uint32
		args   []any
	}{
		{"usual", true, 1, []any{"main", "live"}},
		{"without type", true, 1, []any{"main"}},
		{"record", true, 1, []any{"main", "record"}},
		{"unknown type", true, 1, []any{"main", "later", 5.0}},
		{"on stream 0", true, 0, []any{"main", "live"}},
		{"without createStream", false, 1, []any{"main", "live"}},
		{"without createStream, on stream 0", false, 0, []any{"main", "live"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, Config{})
			viewer := s.play("main")
			p := s.connect()
			if test.create {
				p.command(0, "createStream", 2, nil)
				p.expect("_result 2 <nil> 1")
			}
			p.command(test.id, "publish", 0, nil, test.args...)
			p.expect("begin 1", "onStatus/1 NetStream.Publish.Start")
			// Media on the stream of the command, on 0 and on 1.
			p.send(on(test.id, video(0, avcHeader), video(0, keyFrame("one")))...)
			p.send(on(0, video(40, interFrame("two")))...)
			p.send(on(1, video(80, interFrame("three")))...)
			viewer.expect("video/1@0 avc", "video/1@0 one", "video/1@40 two", "video/1@80 three")
		})
	}
}

func TestPublishRefused(t *testing.T) {
	s := start(t, Config{Live: live.Config{MaxPublishers: 1}})
	first := s.publish("main")
	for key, why := range map[string]string{
		"main":  "live/main: the name is being published already",
		"other": "live/other: the server has as many publishers as it may have",
	} {
		p := s.createStream()
		// What an encoder sends that does not wait must not take away the reason.
		p.send(call(1, "publish", 0, nil, key, "live"))
		p.send(repeat(video(0, keyFrame(strings.Repeat("x", 60<<10))), 32)...)
		m, err := p.rtmp.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		cmd, _ := rtmp.ParseCommand(m)
		want := rtmp.StatusInfo("error", "NetStream.Publish.BadName", why)
		if diff := cmp.Diff(want, cmd.Arg(0)); diff != "" || m.StreamID != 1 || cmd.Transaction != 0 {
			t.Errorf("refusal on stream %d, transaction %v (-want +got):\n%s", m.StreamID, cmd.Transaction, diff)
		}
		p.expect("closed")
	}
	first.fence()
	first.command(0, "deleteStream", 0, nil, 1.0)
	s.awaitGone("live/main")
	s.publish("main")
}

// TestRefusalLeavesOthers: a refusal is about one message stream; others of the
// connection go on.
func TestRefusalLeavesOthers(t *testing.T) {
	s := start(t, Config{})
	s.publish("busy")
	viewer := s.play("main")
	p := s.publish("main")
	p.command(0, "createStream", 3, nil)
	p.command(2, "publish", 0, nil, "busy")
	p.command(2, "play", 0, nil, "..")
	p.command(1, "publish", 0, nil, "third")
	p.command(1, "play", 0, nil, "third")
	p.command(7, "publish", 0, nil, "third")
	p.expect("_result 3 <nil> 2", "onStatus/2 NetStream.Publish.BadName", "onStatus/2 NetStream.Play.StreamNotFound",
		"onStatus/1 NetStream.Publish.BadName", "onStatus/1 NetStream.Play.Failed", "onStatus/7 NetStream.Publish.BadName")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	viewer.expect("video/1@0 avc", "video/1@0 one")
}

// TestEarlyMedia: what comes between createStream and publish is kept.
func TestEarlyMedia(t *testing.T) {
	s := start(t, Config{})
	viewer := s.play("main")
	p := s.createStream()
	p.send(data("@setDataFrame", "onMetaData", amf.ECMAArray{{Key: "width", Value: 1280.0}}), video(0, avcHeader), audio(0, aacHeader), video(0, keyFrame("one")))
	p.command(1, "publish", 0, nil, "main")
	p.send(video(40, interFrame("two")))
	viewer.expect("data/1@0 onMetaData [{width 1280}]", "video/1@0 avc", "audio/1@0 aac", "video/1@0 one", "video/1@40 two")
}

func TestSecondConnect(t *testing.T) {
	s := start(t, Config{})
	p := s.publish("main")
	p.command(0, "connect", 7, amf.Object{{Key: "app", Value: "other"}})
	p.expect("_error/0 7 NetConnection.Connect.Failed", "closed")
	s.awaitGone("live/main")
}

// TestBeforeConnect: nothing but connect is served first.
func TestBeforeConnect(t *testing.T) {
	s := start(t, Config{})
	for name, m := range map[string]rtmp.Message{
		"command": call(0, "createStream", 1, nil),
		"publish": call(1, "publish", 1, nil, "main"),
		"video":   video(0, avcHeader),
		"data":    data("onMetaData", amf.ECMAArray{}),
	} {
		t.Run(name, func(t *testing.T) {
			p := s.dial()
			p.send(m)
			p.expect("closed")
		})
	}
}

// TestUndecodableCommands are dropped; the connection goes on.
func TestUndecodableCommands(t *testing.T) {
	s := start(t, Config{})
	p := s.dial()
	bad := []rtmp.Message{
		{Type: rtmp.TypeCommandAMF0},
		{Type: rtmp.TypeCommandAMF0, Body: []byte{0xff, 1, 2}},
		{Type: rtmp.TypeCommandAMF0, Body: amf.Append(nil, 5.0, "publish")},
		{Type: rtmp.TypeCommandAMF3, Body: []byte{0}},
	}
	p.send(bad...)
	p.command(0, "connect", 1, "no object")
	p.skipTo("_result 1")
	p.send(bad...)
	p.command(0, "createStream", 2, nil)
	p.expect("_result 2 <nil> 1")
	// Arguments of a wrong type, and none.
	for _, name := range []string{"publish", "play", "play2", "pause", "seek", "receiveAudio", "receiveVideo", "deleteStream", "FCPublish", "FCUnpublish"} {
		p.command(5, name, 0, nil, amf.Object{})
		p.command(5, name, 0, nil)
	}
	p.skipTo("onFCUnpublish")
	p.skipTo("onFCUnpublish")
	p.fence()
}

// TestEnds: every way in which a publisher goes ends the stream once.
func TestEnds(t *testing.T) {
	rst := func(p *peer) {
		_ = p.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
		_ = p.Conn.Close()
	}
	all := func(p *peer) {
		p.command(0, "FCUnpublish", 6, nil, "main")
		p.command(1, "closeStream", 0, nil)
		p.command(0, "deleteStream", 7, nil, 1.0)
	}
	for name, end := range map[string]func(*peer){
		"FCUnpublish":              func(p *peer) { p.command(0, "FCUnpublish", 6, nil, "main") },
		"FCUnpublish, other name":  func(p *peer) { p.command(0, "FCUnpublish", 6, nil, "x") },
		"FCUnpublish, no name":     func(p *peer) { p.command(1, "FCUnpublish", 6, nil) },
		"deleteStream":             func(p *peer) { p.command(0, "deleteStream", 7, nil, 1.0) },
		"deleteStream by name":     func(p *peer) { p.command(0, "deleteStream", 7, nil, "main") },
		"deleteStream by number":   func(p *peer) { p.command(1, "deleteStream", 7, nil, "12345") }, // the name
		"deleteStream of nothing":  func(p *peer) { p.command(0, "deleteStream", 7, nil) },
		"closeStream":              func(p *peer) { p.command(1, "closeStream", 0, nil) },
		"closeStream on 0":         func(p *peer) { p.command(0, "closeStream", 0, nil) },
		"all":                      all,
		"all, twice":               func(p *peer) { all(p); all(p) },
		"all, reversed":            func(p *peer) { p.command(0, "deleteStream", 7, nil, 1.0); all(p) },
		"FIN":                      func(p *peer) { _ = p.Conn.(interface{ CloseWrite() error }).CloseWrite() },
		"RST":                      rst,
		"FIN inside a message":     func(p *peer) { _, _ = p.Write([]byte{6, 0, 0}); _ = p.Conn.Close() },
		"all, and RST":             func(p *peer) { all(p); rst(p) },
		"a message out of bounds":  func(p *peer) { _, _ = p.Write([]byte{8, 0, 0, 0, 0xff, 0xff, 0xff, 20, 1, 0, 0, 0}) },
		"a chunk that none starts": func(p *peer) { _, _ = p.Write([]byte{3<<6 | 40}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Config{PublishGrace: -1, Live: live.Config{MaxPublishers: 1}})
			viewer := s.play("main")
			p := s.publish("main")
			p.send(video(0, avcHeader), video(0, keyFrame("one")), audio(10, aacFrame("two")))
			viewer.expect("video/1@0 avc", "video/1@0 one")
			p.fence()
			end(p)
			viewer.expect("audio/1@10 two", "eof 1", "onStatus/1 NetStream.Play.UnpublishNotify")
			viewer.fence()
			s.awaitGone("live/main")
			s.publish("main") // the name and the place among the publishers are free again
		})
	}
}

// TestEndOfOtherStream: ending a stream twice, or one that never was, does not
// end another one of the connection.
func TestEndOfOtherStream(t *testing.T) {
	s := start(t, Config{})
	p := s.publish("main")
	p.command(0, "createStream", 3, nil)
	p.command(2, "publish", 0, nil, "second")
	p.expect("_result 3 <nil> 2", "begin 2", "onStatus/2 NetStream.Publish.Start")

	p.command(0, "FCUnpublish", 4, nil, "neither")
	p.expect("onFCUnpublish/0 NetStream.Unpublish.Success", "_result 4 <nil> <nil>")
	p.command(0, "deleteStream", 0, nil, 9.0)
	p.command(9, "closeStream", 0, nil)
	p.command(0, "closeStream", 0, nil)
	p.fence()
	for _, name := range []string{"live/main", "live/second"} {
		if st, _ := s.stream(name); !st.Live {
			t.Fatalf("%s has ended", name)
		}
	}
	p.command(0, "FCUnpublish", 5, nil, "second")
	p.expect("onFCUnpublish/0 NetStream.Unpublish.Success", "_result 5 <nil> <nil>", "onStatus/2 NetStream.Unpublish.Success")
	p.command(2, "closeStream", 0, nil)
	p.command(0, "deleteStream", 0, nil, 2.0)
	p.command(0, "deleteStream", 0, nil, 2.0)
	p.fence()
	s.awaitGone("live/second")
	if st, _ := s.stream("live/main"); !st.Live {
		t.Fatal("live/main has ended")
	}
}

// TestPublishAgain: a connection may publish again, on the id that it has.
func TestPublishAgain(t *testing.T) {
	s := start(t, Config{})
	viewer := s.play("main")
	p := s.publish("main")
	end := map[string]func(){
		"FCUnpublish":  func() { p.command(0, "FCUnpublish", 0, nil, "main") },
		"closeStream":  func() { p.command(1, "closeStream", 0, nil) },
		"deleteStream": func() { p.command(0, "deleteStream", 0, nil, 1.0) },
	}
	p.command(0, "createStream", 3, nil)
	p.expect("_result 3 <nil> 2")
	at := 0
	for name, stop := range end {
		p.send(video(0, avcHeader), video(0, keyFrame(name)))
		viewer.expect(fmt.Sprintf("video/1@%d avc", at), fmt.Sprintf("video/1@%d %s", at, name))
		stop()
		viewer.expect("eof 1")
		p.command(1, "publish", 0, nil, "main", "live")
		p.skipTo("onStatus/1 NetStream.Publish.Start")
		at += 40 // the stream's time goes on
		p.send(video(0, keyFrame("probe")))
		viewer.expect("onStatus/1 NetStream.Play.PublishNotify", "begin 1", fmt.Sprintf("video/1@%d probe", at))
	}
}

func TestSeveralStreams(t *testing.T) {
	s := start(t, Config{})
	one, two := s.play("one"), s.play("two")
	p := s.publish("one")
	p.command(0, "createStream", 3, nil)
	p.command(0, "createStream", 4, nil)
	p.command(2, "publish", 0, nil, "two")
	p.command(3, "play", 0, nil, "one")
	p.expect("_result 3 <nil> 2", "_result 4 <nil> 3", "begin 2", "onStatus/2 NetStream.Publish.Start")
	p.expectPlay(3)
	p.send(on(1, video(0, avcHeader), video(0, keyFrame("1a")))...)
	p.send(on(2, video(0, avcHeader), video(0, keyFrame("2a")), video(40, interFrame("2b")))...)
	p.send(on(1, video(40, interFrame("1b")))...)
	one.expect("video/1@0 avc", "video/1@0 1a", "video/1@40 1b")
	two.expect("video/1@0 avc", "video/1@0 2a", "video/1@40 2b")
	p.expect("video/3@0 avc", "video/3@0 1a", "video/3@40 1b")
	p.command(0, "deleteStream", 0, nil, 3.0)
	p.fence()
	p.send(on(1, video(80, interFrame("1c")))...)
	one.expect("video/1@80 1c")
	p.fence()
}

// TestAMF3Commands publishes and plays as Flash players with object encoding 3 do.
func TestAMF3Commands(t *testing.T) {
	s := start(t, Config{})
	amf3 := func(id uint32, name string, transaction float64, args ...any) rtmp.Message {
		m := call(id, name, transaction, nil, args...)
		return rtmp.Message{Type: rtmp.TypeCommandAMF3, StreamID: id, Body: append([]byte{0}, m.Body...)}
	}
	viewer := s.dial()
	viewer.command(0, "connect", 1, amf.Object{{Key: "app", Value: "live"}, {Key: "objectEncoding", Value: 3.0}})
	viewer.skipTo("_result 1")
	viewer.send(amf3(0, "createStream", 2), amf3(1, "play", 3, "main"))
	viewer.expect("_result 2 <nil> 1")
	viewer.expectPlay(1)

	p := s.connect()
	p.send(amf3(0, "createStream", 2), amf3(1, "publish", 3, "main", "live"))
	p.expect("_result 2 <nil> 1", "begin 1", "onStatus/1 NetStream.Publish.Start")
	script := data("@setDataFrame", "onMetaData", amf.ECMAArray{{Key: "width", Value: 640.0}})
	script.Type, script.Body = rtmp.TypeDataAMF3, append([]byte{0}, script.Body...)
	p.send(script, video(0, avcHeader), video(0, keyFrame("one")))
	viewer.expect("data/1@0 onMetaData [{width 640}]", "video/1@0 avc", "video/1@0 one")
}
