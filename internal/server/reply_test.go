package server

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// step is something a client sends, and the bytes that must come back.
type step struct {
	send []byte
	want string // in the notation of wire
}

// wire reads the notation of golden bytes: hexadecimal digits, and for AMF0 #1 a
// number, "text" a string (no blanks but _), key: a key, { } an object, [1 an
// array of one, null, true and false.
func wire(t *testing.T, text string) []byte {
	t.Helper()
	var out []byte
	short := func(s string) {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(s))), s...)
	}
	for _, token := range strings.Fields(text) {
		switch {
		case token == "null":
			out = append(out, 5)
		case token == "true":
			out = append(out, 1, 1)
		case token == "false":
			out = append(out, 1, 0)
		case token == "{":
			out = append(out, 3)
		case token == "}":
			out = append(out, 0, 0, 9)
		case token[0] == '[':
			n, _ := strconv.Atoi(token[1:])
			out = binary.BigEndian.AppendUint32(append(out, 10), uint32(n))
		case token[0] == '#':
			v, err := strconv.ParseFloat(token[1:], 64)
			if err != nil {
				t.Fatal(err)
			}
			out = binary.BigEndian.AppendUint64(append(out, 0), math.Float64bits(v))
		case token[0] == '"':
			out = append(out, 2)
			short(strings.ReplaceAll(strings.Trim(token, `"`), "_", " "))
		case token[0] == '\'': // a string with underscores
			out = append(out, 2)
			short(strings.Trim(token, "'"))
		case strings.HasSuffix(token, ":"):
			short(strings.TrimSuffix(token, ":"))
		default:
			b, err := hex.DecodeString(token)
			if err != nil {
				t.Fatalf("%q: %v", token, err)
			}
			out = append(out, b...)
		}
	}
	return out
}

// runScript plays a client's part and compares every byte of the server's.
func runScript(t *testing.T, conn net.Conn, steps []step) {
	t.Helper()
	for i, s := range steps {
		if _, err := conn.Write(s.send); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		want := wire(t, s.want)
		got := make([]byte, len(want))
		n, err := io.ReadFull(conn, got)
		if diff := cmp.Diff(hex.Dump(want), hex.Dump(got[:n])); diff != "" || err != nil {
			t.Fatalf("step %d: %v, bytes (-want +got):\n%s", i, err, diff)
		}
	}
}

// handshake does the simple handshake by hand, with a C2 of zeros.
func (s *testServer) handshake() net.Conn {
	s.t.Helper()
	conn := s.tcp()
	if _, err := conn.Write(append([]byte{3}, make([]byte, 2*1536)...)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1+2*1536)); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// onChunkStream encodes messages on one chunk stream, all with full headers.
func onChunkStream(csid byte, chunkSize int, messages ...rtmp.Message) []byte {
	var out []byte
	for _, m := range messages {
		out = append(out, csid, byte(m.Timestamp>>16), byte(m.Timestamp>>8), byte(m.Timestamp))
		out = append(out, byte(len(m.Body)>>16), byte(len(m.Body)>>8), byte(len(m.Body)), m.Type)
		out = binary.LittleEndian.AppendUint32(out, m.StreamID)
		for rest := m.Body; ; out = append(out, 3<<6|csid) {
			n := min(len(rest), chunkSize)
			out = append(out, rest[:n]...)
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
	}
	return out
}

func call(id uint32, name string, transaction float64, object any, args ...any) rtmp.Message {
	return rtmp.Command{Name: name, Transaction: transaction, Object: object, Args: args}.Message(id)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// connectReply is what every client gets.
const connectReply = `
	02 000000 000004 05 00000000 002625a0
	02 000000 000005 06 00000000 002625a0 02
	02 000000 000004 01 00000000 00010000
	03 000000 0001d9 14 00000000 '_result' #1
	{ fmsVer: "FMS/3,0,1,123" capabilities: #31 mode: #1
	  fourCcList: [1 "*" videoFourCcInfoMap: { *: #4 } audioFourCcInfoMap: { *: #4 } capsEx: #14 videoFunction: #7 }
	{ level: "status" code: "NetConnection.Connect.Success" description: "Connection_succeeded." objectEncoding: #0
	  fourCcList: [1 "*" videoFourCcInfoMap: { *: #4 } audioFourCcInfoMap: { *: #4 } capsEx: #14 videoFunction: #7 }`

const onFCPublish2 = `
	03 000000 000060 14 00000000 "onFCPublish" #3 null
	{ level: "status" code: "NetStream.Publish.Start" description: "main" }`

const publishStart = `
	02 000000 000006 04 00000000 0000 00000001
	03 000000 00009d 14 01000000 "onStatus" #0 null
	{ level: "status" code: "NetStream.Publish.Start" description: "live/main_is_now_published" details: "live/main" clientid: "rtmptool" }`

const unpublished = `
	03 000000 000062 14 00000000 "onFCUnpublish" #0 null
	{ level: "status" code: "NetStream.Unpublish.Success" description: "" }`

const unpublishStatus = `
	03 000000 00006d 14 01000000 "onStatus" #0 null
	{ level: "status" code: "NetStream.Unpublish.Success" description: "publishing_ended" }`

func result(transaction, value string) string {
	n := "0000" + map[string]string{"null": "15", "#1": "1d", "#0": "1d"}[value]
	return "\n03 000000 " + n + " 14 00000000 '_result' #" + transaction + " null " + value
}

// object is the command object of connect.
func object(app, flashVer string, more ...amf.Property) amf.Object {
	return append(amf.Object{
		{Key: "app", Value: app}, {Key: "type", Value: "nonprivate"}, {Key: "flashVer", Value: flashVer},
		{Key: "tcUrl", Value: "rtmp://localhost/" + app},
	}, more...)
}

// TestReplyOrder plays what encoders and players send, and holds every byte of
// the answers (reference: rtmp.md A4).
func TestReplyOrder(t *testing.T) {
	window := rtmp.WindowAckSize()
	chunkSize := rtmp.Message{Type: rtmp.TypeSetChunkSize, Body: []byte{0, 0, 0x10, 0}}
	media := []rtmp.Message{
		data("@setDataFrame", "onMetaData", amf.ECMAArray{{Key: "videocodecid", Value: 7.0}}),
		video(0, avcHeader), audio(0, aacHeader), video(0, keyFrame("key")), audio(10, aacFrame("a")), video(33, interFrame("b")),
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"FFmpeg", []step{
			{onChunkStream(3, 128, call(0, "connect", 1, object("live", "FMLE/3.0 (compatible; Lavf62.3.100)"))), connectReply},
			{join(
				onChunkStream(2, 128, window, chunkSize),
				onChunkStream(3, 4096, call(0, "releaseStream", 2, nil, "main"), call(0, "FCPublish", 3, nil, "main"), call(0, "createStream", 4, nil)),
			), result("2", "null") + result("3", "null") + onFCPublish2 + result("4", "#1")},
			{onChunkStream(8, 4096, call(1, "publish", 5, nil, "main", "live")), publishStart},
			{join(onChunkStream(4, 4096, media[0], media[2]), onChunkStream(6, 4096, media[1], media[3]),
				onChunkStream(3, 4096, call(0, "FCUnpublish", 6, nil, "main"), call(0, "deleteStream", 7, nil, 1.0))),
				unpublished + result("6", "null") + unpublishStatus},
		}},
		{"OBS: chunk size before connect, all on one chunk stream", []step{
			{join(onChunkStream(2, 128, chunkSize),
				onChunkStream(4, 4096, call(0, "connect", 1, object("live", "FMLE/3.0 (compatible; FMSc/1.0)")))), connectReply},
			{join(onChunkStream(2, 4096, window),
				onChunkStream(4, 4096, call(0, "releaseStream", 2, nil, "main"), call(0, "FCPublish", 3, nil, "main"), call(0, "createStream", 4, nil)),
			), result("2", "null") + result("3", "null") + onFCPublish2 + result("4", "#1")},
			{onChunkStream(4, 4096, call(1, "publish", 5, nil, "main", "live")), publishStart},
			{onChunkStream(4, 4096, append(media, call(0, "FCUnpublish", 6, nil, "main"), call(0, "deleteStream", 7, nil, 1.0))...),
				unpublished + result("6", "null") + unpublishStatus},
		}},
		{"GStreamer: deleteStream by name", []step{
			{onChunkStream(3, 128, call(0, "connect", 1, object("live", "FMLE/3.0 (compatible; FMSc/1.0)"))), connectReply},
			{onChunkStream(3, 128, call(0, "releaseStream", 2, nil, "main"), call(0, "FCPublish", 3, nil, "main")),
				result("2", "null") + result("3", "null") + onFCPublish2},
			{onChunkStream(3, 128, call(0, "createStream", 4, nil)), result("4", "#1")},
			{onChunkStream(3, 128, call(1, "publish", 5, nil, "main", "live")), publishStart},
			{join(onChunkStream(4, 128, media...), onChunkStream(3, 128, call(0, "FCUnpublish", 6, nil, "main"), call(1, "deleteStream", 7, nil, "main"))),
				unpublished + result("6", "null") + unpublishStatus},
		}},
		{"Wirecast: createStream first, waits for every answer", []step{
			{onChunkStream(3, 128, call(0, "connect", 1, object("live", "FMLE/3.0 (compatible; Wirecast/FM 1.0)"))), connectReply},
			{onChunkStream(3, 128, call(0, "createStream", 2, nil)), result("2", "#1")},
			{onChunkStream(3, 128, call(0, "releaseStream", 4, nil, "main")), result("4", "null")},
			{onChunkStream(3, 128, call(0, "FCPublish", 3, nil, "main")), result("3", "null") + onFCPublish2},
			{onChunkStream(3, 128, call(1, "publish", 0, nil, "main", "live")), publishStart},
			{onChunkStream(4, 128, append(media, call(0, "closeStream", 0, nil))...), ""},
		}},
		{"Haivision: createStream, FCPublish, _checkbw", []step{
			{onChunkStream(3, 128, call(0, "connect", 1, object("live", "FMLE/3.0"))), connectReply},
			{onChunkStream(3, 128, call(0, "createStream", 2, nil), call(0, "FCPublish", 3, nil, "main"), call(0, "_checkbw", 4, nil)),
				result("2", "#1") + result("3", "null") + onFCPublish2 + result("4", "#0")},
			{onChunkStream(3, 128, call(1, "publish", 5, nil, "main")), publishStart},
			{onChunkStream(4, 128, append(media, call(1, "closeStream", 6, nil))...), ""},
		}},
		{"FFmpeg plays", []step{
			{onChunkStream(3, 128, call(0, "connect", 1, object("live", "LNX 9,0,124,2"))), connectReply},
			{join(onChunkStream(2, 128, window), onChunkStream(3, 128, call(0, "createStream", 2, nil))), result("2", "#1")},
			{join(
				onChunkStream(3, 128, call(0, "FCSubscribe", 3, nil, "main"), call(0, "getStreamLength", 4, nil, "main")),
				onChunkStream(8, 128, call(1, "play", 5, nil, "main", -2000.0)),
				onChunkStream(2, 128, rtmp.Message{Type: rtmp.TypeUserControl, Body: []byte{0, 3, 0, 0, 0, 1, 0, 0, 0x0b, 0xb8}}),
			), result("3", "null") + result("4", "#0") + `
				02 000000 000006 04 00000000 0000 00000001
				03 000000 000067 14 01000000 "onStatus" #0 null
				{ level: "status" code: "NetStream.Play.Reset" description: "playing_live/main" }
				03 000000 000067 14 01000000 "onStatus" #0 null
				{ level: "status" code: "NetStream.Play.Start" description: "playing_live/main" }
				05 000000 000018 12 01000000 "|RtmpSampleAccess" true true`},
			{onChunkStream(3, 128, call(0, "deleteStream", 6, nil, 1.0)), ""},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, Config{})
			conn := s.handshake()
			runScript(t, conn, test.steps)
			s.awaitGone("live/main")
			// It was the command that ended it, not the end of the connection.
			if _, err := conn.Write(onChunkStream(3, 128, call(0, "alive", 9, nil))); err != nil {
				t.Fatal(err)
			}
			runScript(t, conn, []step{{nil, result("9", "null")}})
		})
	}
}

func TestObjectEncoding(t *testing.T) {
	for _, test := range []struct {
		name, want string
		more       []amf.Property
	}{
		{"absent", "#0", nil},
		{"0", "#0", []amf.Property{{Key: "objectEncoding", Value: 0.0}}},
		{"3", "#3", []amf.Property{{Key: "objectEncoding", Value: 3.0}}},
		{"other", "#0", []amf.Property{{Key: "objectEncoding", Value: 7.0}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := start(t, Config{}).handshake()
			runScript(t, conn, []step{{
				onChunkStream(3, 128, call(0, "connect", 1, object("live", "test", test.more...))),
				strings.Replace(connectReply, "objectEncoding: #0", "objectEncoding: "+test.want, 1),
			}})
		})
	}
}
