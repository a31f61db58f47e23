package rtmp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// unhex turns hex digits into bytes. A word AA*128 stands for 128 such bytes.
func unhex(t testing.TB, s string) (out []byte) {
	t.Helper()
	for word := range strings.FieldsSeq(s) {
		digits, count, _ := strings.Cut(word, "*")
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatalf("%q: %v", word, err)
		}
		n := 1
		if count != "" {
			if n, err = strconv.Atoi(count); err != nil {
				t.Fatalf("%q: %v", word, err)
			}
		}
		out = append(out, bytes.Repeat(b, n)...)
	}
	return out
}

func equal(t testing.TB, got, want any) {
	t.Helper()
	if same(got, want) {
		return
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(Message{})); diff != "" {
		if len(diff) > 2000 {
			diff = diff[:2000] + "..."
		}
		t.Fatalf("-want +got\n%s", diff)
	}
}

// same is equal for the long ones, which cmp takes too long for.
func same(got, want any) bool {
	switch want := want.(type) {
	case []byte:
		return bytes.Equal(got.([]byte), want)
	case Message:
		return sameMessage(got.(Message), want)
	case []Message:
		return slices.EqualFunc(got.([]Message), want, sameMessage)
	}
	return false
}

func sameMessage(a, b Message) bool {
	return a.Type == b.Type && a.StreamID == b.StreamID && a.Timestamp == b.Timestamp && bytes.Equal(a.Body, b.Body)
}

// newReader makes a connection that reads from r, answers into the buffer and
// may carry media.
func newReader(r io.Reader) (*Conn, *bytes.Buffer) {
	var answers bytes.Buffer
	c := NewConn(r, &answers)
	c.AllowMedia()
	return c, &answers
}

// readAll reads messages until an error.
func readAll(c *Conn) (messages []Message, err error) {
	for {
		m, err := c.ReadMessage()
		if err != nil {
			return messages, err
		}
		messages = append(messages, m)
	}
}

var errStarved = errors.New("read more than there is")

// starving delivers the bytes, one at a time if they are few, and fails where a
// connection would block: when more of them are asked for.
func starving(b []byte) io.Reader {
	r := io.MultiReader(bytes.NewReader(b), iotest.ErrReader(errStarved))
	if len(b) > 20_000 {
		return pieces{rand.New(rand.NewSource(1)), r}
	}
	return iotest.OneByteReader(r)
}

func body(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

func audio(timestamp uint32, body []byte) Message {
	return Message{Type: TypeAudio, StreamID: 1, Timestamp: timestamp, Body: body}
}

func video(timestamp uint32, body []byte) Message {
	return Message{Type: TypeVideo, StreamID: 1, Timestamp: timestamp, Body: body}
}

// wire are bytes and the messages that they are read as, in whatever pieces they
// come. The fuzzer starts from the same cases.
var wire = []struct {
	name   string
	hex    string
	want   []Message
	quirks int
}{
	{name: "nothing"},

	{name: "V17 csid 3", hex: "03 000001 000001 08 01000000 AA", want: []Message{audio(1, body(0xAA, 1))}},
	{name: "V17 csid 63", hex: "3F 000001 000001 08 01000000 AA", want: []Message{audio(1, body(0xAA, 1))}},
	{name: "V17 csid 64", hex: "0000 000001 000001 08 01000000 AA", want: []Message{audio(1, body(0xAA, 1))}},
	{name: "V17 csid 319", hex: "00FF 000001 000001 08 01000000 AA", want: []Message{audio(1, body(0xAA, 1))}},
	{name: "V17 csid 320", hex: "010001 000001 000001 08 01000000 AA", want: []Message{audio(1, body(0xAA, 1))}},
	{name: "V17 csid 65599", hex: "01FFFF 000001 000001 08 01000000 AA", want: []Message{audio(1, body(0xAA, 1))}},
	{name: "one csid in both longer encodings",
		hex:  "0005 000001 000082 08 01000000 AA*128 C10500 AA*2",
		want: []Message{audio(1, body(0xAA, 130))}},
	{name: "csids 64, 320 and 65599 do not mix",
		hex: "0000 000001 000081 08 01000000 AA*128 010001 000002 000081 08 01000000 BB*128 01FFFF 000003 000081 08 01000000 CC*128" +
			" C1FFFF CC C10001 BB C000 AA",
		want: []Message{audio(3, body(0xCC, 129)), audio(2, body(0xBB, 129)), audio(1, body(0xAA, 129))}},

	{name: "formats 0 to 3, stream id little endian",
		hex: "04 0003E8 000003 09 01020304 AABBCC  44 000028 000002 08 DDEE  84 000014 FF00  C4 1122",
		want: []Message{
			{Type: TypeVideo, StreamID: 0x04030201, Timestamp: 1000, Body: []byte{0xAA, 0xBB, 0xCC}},
			{Type: TypeAudio, StreamID: 0x04030201, Timestamp: 1040, Body: []byte{0xDD, 0xEE}},
			{Type: TypeAudio, StreamID: 0x04030201, Timestamp: 1060, Body: []byte{0xFF, 0}},
			{Type: TypeAudio, StreamID: 0x04030201, Timestamp: 1080, Body: []byte{0x11, 0x22}},
		}},
	{name: "type 3 after type 0 adds its time",
		hex:  "04 000017 000001 08 01000000 AA C4 BB C4 CC",
		want: []Message{audio(23, []byte{0xAA}), audio(46, []byte{0xBB}), audio(69, []byte{0xCC})}},
	{name: "type 3 after type 0 at 10 s adds its time",
		hex:  "04 002710 000001 08 01000000 AA C4 BB",
		want: []Message{audio(10_000, []byte{0xAA}), audio(20_000, []byte{0xBB})}},
	{name: "type 3 after type 0 past 10 s repeats the time",
		hex:  "04 002711 000001 08 01000000 AA C4 BB C4 CC",
		want: []Message{audio(10_001, []byte{0xAA}), audio(10_001, []byte{0xBB}), audio(10_001, []byte{0xCC})}, quirks: 2},
	{name: "type 3 after a delta that happens to be the time",
		hex:  "04 000000 000001 08 01000000 AA 84 004E20 BB C4 CC",
		want: []Message{audio(0, []byte{0xAA}), audio(20_000, []byte{0xBB}), audio(40_000, []byte{0xCC})}},
	{name: "a delta after type 0 and 3",
		hex:  "04 000017 000001 08 01000000 AA C4 BB 84 000001 CC C4 DD",
		want: []Message{audio(23, []byte{0xAA}), audio(46, []byte{0xBB}), audio(47, []byte{0xCC}), audio(48, []byte{0xDD})}},
	{name: "backward delta on a shared csid",
		hex: "04 0003E8 000001 09 01000000 AA 44 FFFFFF 000001 08 FFFFFFEC BB 44 000015 000001 09 CC",
		want: []Message{
			video(1000, []byte{0xAA}), audio(980, []byte{0xBB}), video(1001, []byte{0xCC})}},
	{name: "time wraps",
		hex:  "04 FFFFFF 000001 08 01000000 FFFFFFF0 AA 84 000020 BB",
		want: []Message{audio(0xFFFFFFF0, []byte{0xAA}), audio(0x10, []byte{0xBB})}},
	{name: "type 1 first", hex: "42 000005 000004 05 002625A0",
		want: []Message{{Type: TypeWindowAckSize, Timestamp: 5, Body: []byte{0, 0x26, 0x25, 0xA0}}}},

	{name: "FFFFFE is not extended", hex: "06 FFFFFE 000001 09 01000000 AA", want: []Message{video(0xFFFFFE, body(0xAA, 1))}},
	{name: "FFFFFF is extended", hex: "06 FFFFFF 000001 09 01000000 00FFFFFF AA", want: []Message{video(0xFFFFFF, body(0xAA, 1))}},
	{name: "80000000 extended", hex: "06 FFFFFF 000001 09 01000000 80000000 AA", want: []Message{video(1<<31, body(0xAA, 1))}},
	{name: "a small time extended", hex: "06 FFFFFF 000001 09 01000000 00000007 AA", want: []Message{video(7, body(0xAA, 1))}},
	{name: "delta FFFFFE", hex: "06 000005 000001 09 01000000 AA 86 FFFFFE BB",
		want: []Message{video(5, body(0xAA, 1)), video(0x1000003, body(0xBB, 1))}},
	{name: "delta FFFFFF extended", hex: "06 000005 000001 09 01000000 AA 86 FFFFFF 00FFFFFF BB",
		want: []Message{video(5, body(0xAA, 1)), video(0x1000004, body(0xBB, 1))}},
	{name: "delta 80000000 extended, with a new length", hex: "06 000005 000001 09 01000000 AA 46 FFFFFF 000002 09 80000000 BBBB",
		want: []Message{video(5, body(0xAA, 1)), video(0x80000005, body(0xBB, 2))}},
	{name: "V18 repeated", hex: "06 FFFFFF 0000C8 09 01000000 01000000 AA*128 C6 01000000 AA*72",
		want: []Message{video(1<<24, body(0xAA, 200))}},
	{name: "V18 omitted", hex: "06 FFFFFF 0000C8 09 01000000 01000000 AA*128 C6 AA*72",
		want: []Message{video(1<<24, body(0xAA, 200))}},
	{name: "V18 omitted, one byte left", hex: "06 FFFFFF 000081 09 01000000 01000000 AA*128 C6 AA",
		want: []Message{video(1<<24, body(0xAA, 129))}},
	{name: "V18 omitted, three bytes left that begin like the timestamp", hex: "06 FFFFFF 000083 09 01000000 01000000 AA*128 C6 0100AA",
		want: []Message{video(1<<24, append(body(0xAA, 128), 1, 0, 0xAA))}},
	{name: "V18 omitted, one byte left of a repeated header", hex: "06 FFFFFF 000001 09 01000000 01000000 AA C6 BB",
		want: []Message{video(1<<24, body(0xAA, 1)), video(1<<24, body(0xBB, 1))}, quirks: 1},
	{name: "extended delta repeated by new messages",
		hex: "06 000005 000001 09 01000000 AA 86 FFFFFF 01000000 BB C6 01000000 CC C6 01000000 DD",
		want: []Message{video(5, body(0xAA, 1)), video(0x1000005, body(0xBB, 1)),
			video(0x2000005, body(0xCC, 1)), video(0x3000005, body(0xDD, 1))}},
	{name: "extended delta omitted by new messages",
		hex: "06 000005 000001 09 01000000 AA 86 FFFFFF 01000000 BB C6 CC C6 DD C6 01",
		want: []Message{video(5, body(0xAA, 1)), video(0x1000005, body(0xBB, 1)),
			video(0x2000005, body(0xCC, 1)), video(0x3000005, body(0xDD, 1)), video(0x4000005, body(1, 1))}},
	{name: "the absolute time repeated after an extended delta",
		hex:  "06 000005 000001 09 01000000 AA 46 FFFFFF 000081 09 01000000 BB*128 C6 01000005 BB",
		want: []Message{video(5, body(0xAA, 1)), video(0x1000005, body(0xBB, 129))}},
	{name: "no extended timestamp after a plain one",
		hex:  "06 FFFFFF 000081 09 01000000 01000000 AA*128 C6 01000000 AA 86 000001 BB*128 C6 BB",
		want: []Message{video(1<<24, body(0xAA, 129)), video(1<<24+1, body(0xBB, 129))}},
	{name: "two differences settle that nothing is repeated",
		hex: "06 FFFFFF 000081 09 01000000 01000000 AA*128 C6 AA" +
			" 06 FFFFFF 000081 09 01000000 01000000 AA*128 C6 AA" +
			" 06 FFFFFF 000085 09 01000000 01000000 AA*128 C6 01000000 AA",
		want: []Message{video(1<<24, body(0xAA, 129)), video(1<<24, body(0xAA, 129)),
			video(1<<24, append(body(0xAA, 128), 1, 0, 0, 0, 0xAA))}},
	{name: "two repetitions settle that four bytes are skipped",
		hex: "06 FFFFFF 000081 09 01000000 01000000 AA*128 C6 01000000 AA" +
			" 06 FFFFFF 000081 09 01000000 01000000 AA*128 C6 01000000 AA" +
			" 06 FFFFFF 000081 09 01000000 01000000 AA*128 C6 FFFFFFFF AA",
		want: []Message{video(1<<24, body(0xAA, 129)), video(1<<24, body(0xAA, 129)), video(1<<24, body(0xAA, 129))}},
	{name: "a rest like the timestamp, more follows",
		hex: "06 FFFFFF 000082 09 01000000 01000000 AA*128 C6 0100" +
			" 04 000007 000001 08 01000000 BB",
		want: []Message{video(1<<24, append(body(0xAA, 128), 1, 0)), audio(7, body(0xBB, 1))}},
	{name: "a rest like the timestamp at the end",
		hex:  "06 FFFFFF 000082 09 01000000 01000000 AA*128 C6 0100",
		want: []Message{video(1<<24, append(body(0xAA, 128), 1, 0))}},
	{name: "an empty message of type 3 after an extended one",
		hex:  "06 FFFFFF 000000 09 01000000 01000000 C6 01000000",
		want: []Message{video(1<<24, nil), video(1<<24, nil)}, quirks: 1},

	{name: "three messages interleaved",
		hex: "04 000001 000082 08 01000000 AA*128  06 000002 000101 09 01000000 BB*128  05 000003 000083 12 01000000 CC*128" +
			" C6 BB*128 C4 AA*2 C5 CC*3 C6 BB",
		want: []Message{audio(1, body(0xAA, 130)),
			{Type: TypeDataAMF0, StreamID: 1, Timestamp: 3, Body: body(0xCC, 131)}, video(2, body(0xBB, 257))}},
	{name: "a control message between chunks",
		hex: "06 000002 000081 09 01000000 BB*128 02 000000 000004 05 00000000 00100000 C6 BB",
		want: []Message{{Type: TypeWindowAckSize, Body: []byte{0, 0x10, 0, 0}},
			video(2, body(0xBB, 129))}},
	{name: "type 0 with the same length goes on",
		hex:  "06 000002 000082 09 01000000 BB*128 06 000002 000082 09 01000000 BB*2",
		want: []Message{video(2, body(0xBB, 130))}},
	{name: "type 1 with the same length goes on",
		hex:  "06 000002 000082 09 01000000 BB*128 46 000000 000082 09 BB*2",
		want: []Message{video(2, body(0xBB, 130))}},
	{name: "type 2 goes on",
		hex:  "06 000002 000082 09 01000000 BB*128 86 000000 BB*2",
		want: []Message{video(2, body(0xBB, 130))}},
	{name: "extended type 0 goes on",
		hex:  "06 FFFFFF 000082 09 01000000 01000000 BB*128 06 FFFFFF 000082 09 01000000 01000000 BB*2",
		want: []Message{video(1<<24, body(0xBB, 130))}},
	{name: "another length begins anew",
		hex:  "06 000002 000082 09 01000000 BB*128 06 000003 000001 09 01000000 CC",
		want: []Message{video(3, body(0xCC, 1))}, quirks: 1},
	{name: "another type begins anew, from the time of what was dropped",
		hex:  "04 000002 000082 09 01000000 BB*128 44 000003 000082 08 CC*128 C4 CC*2",
		want: []Message{audio(5, body(0xCC, 130))}, quirks: 1},
	{name: "what begins anew leaves other chunk streams alone",
		hex:  "04 000001 000082 08 01000000 AA*128 06 000002 000082 09 01000000 BB*128 06 000003 000001 09 01000000 CC C4 AA*2",
		want: []Message{video(3, body(0xCC, 1)), audio(1, body(0xAA, 130))}, quirks: 1},

	{name: "empty audio, video and data",
		hex: "04 000001 000000 08 01000000 06 000002 000000 09 01000000 05 000003 000000 12 01000000 C4 86 000005",
		want: []Message{audio(1, nil), video(2, nil), {Type: TypeDataAMF0, StreamID: 1, Timestamp: 3},
			audio(2, nil), video(7, nil)}},
	{name: "exactly one and two chunks",
		hex:  "04 000001 000080 08 01000000 AA*128 44 000001 000100 08 BB*128 C4 BB*128 C4 CC*128 C4 CC*128",
		want: []Message{audio(1, body(0xAA, 128)), audio(2, body(0xBB, 256)), audio(3, body(0xCC, 256))}},
	{name: "unknown types and shared objects",
		hex: "03 000000 000001 07 00000000 AA 03 000000 000001 10 00000000 BB 03 000000 000001 13 00000000 CC 03 000000 000000 FF 00000000 03 000000 000001 00 00000000 DD",
		want: []Message{{Type: 7, Body: body(0xAA, 1)}, {Type: 16, Body: body(0xBB, 1)}, {Type: 19, Body: body(0xCC, 1)},
			{Type: 255}, {Type: 0, Body: body(0xDD, 1)}}},

	{name: "chunk size before anything else, OBS",
		hex: "02 000000 000004 01 00000000 00001000 03 000000 000200 14 00000000 AA*512",
		want: []Message{{Type: TypeSetChunkSize, Body: []byte{0, 0, 0x10, 0}},
			{Type: TypeCommandAMF0, Body: body(0xAA, 512)}}},
	{name: "chunk size within a message",
		hex: "06 000002 000300 09 01000000 BB*128 02 000000 000004 01 00000000 00000100 C6 BB*256 02 000000 000004 01 00000000 00000080 C6 BB*128 C6 BB*128 C6 BB*128",
		want: []Message{{Type: TypeSetChunkSize, Body: []byte{0, 0, 1, 0}}, {Type: TypeSetChunkSize, Body: []byte{0, 0, 0, 128}},
			video(2, body(0xBB, 768))}},
	{name: "chunk size 7FFFFFFF",
		hex: "02 000000 000004 01 00000000 7FFFFFFF 06 000000 000400 09 01000000 BB*1024",
		want: []Message{{Type: TypeSetChunkSize, Body: []byte{0x7F, 0xFF, 0xFF, 0xFF}},
			video(0, body(0xBB, 1024))}},
	{name: "chunk size on another csid and stream",
		hex: "07 000009 000004 01 05000000 00000100 04 000000 000100 08 01000000 AA*256",
		want: []Message{{Type: TypeSetChunkSize, StreamID: 5, Timestamp: 9, Body: []byte{0, 0, 1, 0}},
			audio(0, body(0xAA, 256))}},

	{name: "V19 abort on one csid",
		hex: "06 000002 000082 09 01000000 BB*128 04 000001 000082 08 01000000 AA*128" +
			" 02 000000 000004 02 00000000 00000006 46 000003 000001 09 CC C4 AA*2",
		want: []Message{{Type: TypeAbort, Body: []byte{0, 0, 0, 6}}, video(5, body(0xCC, 1)), audio(1, body(0xAA, 130))}},
	{name: "type 3 after an abort begins a message",
		hex: "06 000002 000082 09 01000000 BB*128 02 000000 000004 02 00000000 00000006 C6 CC*128 C6 CC*2",
		want: []Message{{Type: TypeAbort, Body: []byte{0, 0, 0, 6}},
			video(4, body(0xCC, 130))}},
	{name: "abort on csid 320",
		hex:  "010001 000002 000082 09 01000000 BB*128 02 000000 000004 02 00000000 00000140 410001 000003 000001 09 CC",
		want: []Message{{Type: TypeAbort, Body: []byte{0, 0, 1, 0x40}}, video(5, body(0xCC, 1))}},
	{name: "abort of nothing, of an unknown csid and of itself",
		hex: "02 000000 000004 02 00000000 00000006 02 000000 000004 02 00000000 00000002 04 000001 000001 08 01000000 AA",
		want: []Message{{Type: TypeAbort, Body: []byte{0, 0, 0, 6}}, {Type: TypeAbort, Body: []byte{0, 0, 0, 2}},
			audio(1, body(0xAA, 1))}},

	{name: "unknown and short user control events",
		hex: "02 000000 000006 04 00000000 FFFF 00000001 02 000000 000000 04 00000000 02 000000 000001 04 00000000 00 02 000000 000005 04 00000000 0006 010203",
		want: []Message{{Type: TypeUserControl, Body: []byte{0xFF, 0xFF, 0, 0, 0, 1}}, {Type: TypeUserControl},
			{Type: TypeUserControl, Body: []byte{0}}, {Type: TypeUserControl, Body: []byte{0, 6, 1, 2, 3}}}},
	{name: "an acknowledgement of anything",
		hex:  "02 000000 000004 03 00000000 FFFFFFFF",
		want: []Message{{Type: TypeAck, Body: []byte{0xFF, 0xFF, 0xFF, 0xFF}}}},

	{name: "V21 aggregate",
		hex: "06 0003E8 000023 16 01000000" +
			" 09 000002 001388 00 000000 AABB 0000000D  08 000003 0013B0 00 000000 CCDDEE 0000000E",
		want: []Message{video(1000, []byte{0xAA, 0xBB}), audio(1040, []byte{0xCC, 0xDD, 0xEE})}},
	{name: "aggregate with extended times, without the last back pointer",
		hex: "06 0003E8 00001C 16 01000000" +
			" 09 000001 FFFFFF 00 000000 AA 0000000C  08 000001 000001 01 000009 BB",
		want: []Message{video(1000, []byte{0xAA}), audio(1002, []byte{0xBB})}},
	{name: "aggregate with a step back and wrong back pointers",
		hex: "06 000000 000020 16 01000000" +
			" 09 000001 000064 00 000000 AA FFFFFFFF  08 000001 000050 00 000000 BB 00000000",
		want: []Message{video(0, []byte{0xAA}), audio(0xFFFFFFEC, []byte{0xBB})}},
	{name: "aggregate, last record cut",
		hex: "06 0003E8 00001E 16 01000000" +
			" 09 000002 001388 00 000000 AABB 0000000D  08 000003 0013B0 00 000000 CCDD",
		want: []Message{video(1000, []byte{0xAA, 0xBB})}, quirks: 1},
	{name: "aggregate, last header cut",
		hex: "06 0003E8 000013 16 01000000" +
			" 09 000002 001388 00 000000 AABB 0000000D  0800",
		want: []Message{video(1000, []byte{0xAA, 0xBB})}, quirks: 1},
	{name: "aggregate whose first record lies about its length",
		hex:  "06 0003E8 00000F 16 01000000 09 FFFFFF 001388 00 000000 AABBCCDD 04 000007 000001 08 01000000 AA",
		want: []Message{audio(7, body(0xAA, 1))}, quirks: 1},
	{name: "aggregate within an aggregate: left out, and its time is the first",
		hex: "06 0003E8 000030 16 01000000" +
			" 16 000010 001388 00 000000 09 000001 000000 00 000000 AA 0000000C 0000001B  08 000002 0013B0 00 000000 CCDD 0000000D",
		want: []Message{audio(1040, []byte{0xCC, 0xDD})}, quirks: 1},
	{name: "control messages within an aggregate are left out",
		hex: "06 0003E8 000023 16 01000000" +
			" 01 000004 000000 00 000000 00000001 0000000F  08 000001 000000 00 000000 CC 0000000C  04 000007 000100 08 01000000 AA*128 C4 AA*128",
		want: []Message{audio(1000, []byte{0xCC}), audio(7, body(0xAA, 256))}, quirks: 1},
	{name: "aggregate of one empty record without its back pointer",
		hex: "06 000001 00000B 16 01000000 08 000000 000005 00 000000", want: []Message{audio(1, nil)}},
	{name: "empty aggregate, empty records",
		hex: "06 000001 000000 16 01000000 06 000002 00001E 16 01000000" +
			" 08 000000 000005 00 000000 0000000B 09 000000 000005 00 000000 0000000B",
		want: []Message{audio(2, nil), video(2, nil)}},
	{name: "messages after an aggregate, on its chunk stream",
		hex: "06 0003E8 000010 16 01000000 09 000001 001388 00 000000 AA 0000000C 46 000005 000001 09 BB",
		want: []Message{video(1000, []byte{0xAA}),
			video(1005, []byte{0xBB})}},
}

func TestReadMessage(t *testing.T) {
	deliveries := []struct {
		name   string
		reader func([]byte) io.Reader
	}{
		{"whole", func(b []byte) io.Reader { return bytes.NewReader(b) }},
		{"bytes", func(b []byte) io.Reader { return iotest.OneByteReader(bytes.NewReader(b)) }},
		{"halves", func(b []byte) io.Reader { return iotest.HalfReader(bytes.NewReader(b)) }},
		{"end with the data", func(b []byte) io.Reader { return iotest.DataErrReader(bytes.NewReader(b)) }},
	}
	for _, tt := range wire {
		for _, d := range deliveries {
			t.Run(tt.name+"/"+d.name, func(t *testing.T) {
				b := unhex(t, tt.hex)
				c, _ := newReader(d.reader(b))
				got, err := readAll(c)
				if err != io.EOF {
					t.Errorf("error %v, want EOF", err)
				}
				equal(t, got, tt.want)
				if c.Quirks() != tt.quirks {
					t.Errorf("%d quirks, want %d", c.Quirks(), tt.quirks)
				}
				if c.Received() != uint64(len(b)) {
					t.Errorf("received %d, want %d", c.Received(), len(b))
				}
				if c.reserved != 0 {
					t.Errorf("%d bytes still reserved", c.reserved)
				}
			})
		}
	}
}

// A message comes as soon as its last byte is there. Only a rest that looks like
// the beginning of a timestamp has to wait for what follows it.
func TestReadMessageDoesNotWait(t *testing.T) {
	for _, tt := range wire {
		if strings.HasPrefix(tt.name, "a rest like the timestamp") {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newReader(starving(unhex(t, tt.hex)))
			got, err := readAll(c)
			if err != errStarved {
				t.Errorf("error %v, want none before the last message", err)
			}
			equal(t, got, tt.want)
		})
	}
}

// The same through a pipe, whose reader blocks for good where it waits for bytes
// that do not come; synctest reports that.
func TestReadMessageFromPipe(t *testing.T) {
	for _, tt := range wire {
		if !strings.Contains(tt.hex, "FFFFFF") || strings.HasPrefix(tt.name, "a rest like the timestamp") {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			synctest.Test(t, func(t *testing.T) {
				r, w := io.Pipe()
				go func() {
					for i := range b {
						w.Write(b[i : i+1])
					}
				}()
				c, _ := newReader(r)
				for _, want := range tt.want {
					got, err := c.ReadMessage()
					if err != nil {
						t.Fatal(err)
					}
					equal(t, got, want)
				}
				r.Close()
			})
		})
	}
}

func TestAmbiguousTimestampWaits(t *testing.T) {
	b := unhex(t, "06 FFFFFF 000082 09 01000000 01000000 AA*128 C6 0100")
	c, _ := newReader(starving(b))
	if got, err := readAll(c); err != errStarved || len(got) > 0 {
		t.Fatalf("%d messages and %v, want to wait", len(got), err)
	}
	// A rest that is whole and equal counts as the timestamp.
	b = unhex(t, "06 FFFFFF 000084 09 01000000 01000000 AA*128 C6 01000000 BB*4")
	c, _ = newReader(starving(b))
	got, err := readAll(c)
	if err != errStarved {
		t.Fatal(err)
	}
	equal(t, got, []Message{video(1<<24, append(body(0xAA, 128), 0xBB, 0xBB, 0xBB, 0xBB))})
}

// TestExtendedTimestamp sends messages with extended times whose last chunk is
// empty to five bytes long, from senders of both kinds.
func TestExtendedTimestamp(t *testing.T) {
	for _, chunkSize := range []int{128, 4096, 65536} {
		for tail := range 6 {
			for _, stamp := range []uint32{0xFFFFFF, 1 << 24, 1 << 31, 1<<32 - 1} {
				for _, omit := range []bool{false, true} {
					name := fmt.Sprintf("chunk %d tail %d stamp %x omit %v", chunkSize, tail, stamp, omit)
					testExtended(t, name, chunkSize, tail, stamp, omit)
				}
			}
		}
	}
}

func testExtended(t *testing.T, name string, chunkSize, tail int, stamp uint32, omit bool) {
	s := sender{chunkSize: chunkSize, omit: omit, streams: map[uint32]*sent{}}
	s.out = AppendMessage(s.out, controlMessage(TypeSetChunkSize, uint32(chunkSize)), defaultChunkSize)
	var want []Message
	for i := range 4 {
		m := video(stamp, body(0x55, chunkSize*min(i, 2)+tail))
		s.begin(6, m, 0)
		s.finish(6)
		want = append(want, m)
	}
	s.begin(6, video(2*stamp, body(0x66, chunkSize+tail)), 1)
	s.finish(6)
	want = append(want, video(2*stamp, body(0x66, chunkSize+tail)))

	c, _ := newReader(starving(s.out))
	got, err := readAll(c)
	if err != errStarved || len(got) == 0 {
		t.Fatalf("%s: %v", name, err)
	}
	equal(t, got[1:], want)
}

// Each prefix of the bytes gives the messages that it holds, and an end that is
// clean only between two messages.
func TestReadMessageCut(t *testing.T) {
	var b []byte
	borders := map[int]int{0: 0}
	for i, part := range []string{
		"02 000000 000004 01 00000000 00000100",
		"0005 000001 000101 08 01000000 AA*256 C005 AA",
		"06 FFFFFF 000104 09 01000000 01000000 BB*256 C6 01000000 BB*4",
		"010001 000001 000000 08 01000000",
		"86 FFFFFF 00000000 BB*256 C6 00000000 BB*4",
	} {
		b = append(b, unhex(t, part)...)
		borders[len(b)] = i + 1
	}
	whole := 0
	for n := range len(b) + 1 {
		c, _ := newReader(bytes.NewReader(b[:n]))
		got, err := readAll(c)
		count, border := borders[n]
		if border {
			whole = count
		}
		if len(got) != whole {
			t.Fatalf("%d bytes: %d messages, want %d", n, len(got), whole)
		}
		if want := map[bool]error{true: io.EOF, false: io.ErrUnexpectedEOF}[border]; err != want {
			t.Fatalf("%d bytes: error %v, want %v", n, err, want)
		}
	}
}

func TestReadMessageProtocolError(t *testing.T) {
	tests := []struct {
		name, hex, want string
	}{
		{"type 2 first", "84 000001", "rtmp: at byte 1: chunk stream 4 begins with a type-2 chunk, which needs an earlier one"},
		{"type 3 first", "C001", "rtmp: at byte 2: chunk stream 65 begins with a type-3 chunk, which needs an earlier one"},
		{"type 3 first on the last csid", "C1FFFF", "rtmp: at byte 3: chunk stream 65599 begins with a type-3 chunk, which needs an earlier one"},
		{"type 3 on csid 2", "C2", "rtmp: at byte 1: chunk stream 2 begins with a type-3 chunk, which needs an earlier one"},
		{"chunk size 0", "02 000000 000004 01 00000000 00000000", "rtmp: at byte 16: chunk size 0 is out of range 128..2147483647"},
		{"chunk size 1", "02 000000 000004 01 00000000 00000001", "rtmp: at byte 16: chunk size 1 is out of range 128..2147483647"},
		{"chunk size 127", "02 000000 000004 01 00000000 0000007F", "rtmp: at byte 16: chunk size 127 is out of range 128..2147483647"},
		{"chunk size 2^31", "02 000000 000004 01 00000000 80000000", "rtmp: at byte 16: chunk size 2147483648 is out of range 128..2147483647"},
		{"short chunk size", "02 000000 000003 01 00000000 001000", "rtmp: at byte 15: control message of type 1 has 3 bytes, want 4"},
		{"long command", "03 000000 100001 14 00000000", "rtmp: at byte 12: message of type 20 declares 1048577 bytes, at most 1048576 are allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := newReader(bytes.NewReader(unhex(t, tt.hex)))
			_, err := readAll(c)
			var violation *ProtocolError
			if !errors.As(err, &violation) || err.Error() != tt.want {
				t.Fatalf("error %v\nwant %s", err, tt.want)
			}
		})
	}
}

// Every error of the reader comes through.
func TestReadMessageReaderError(t *testing.T) {
	b := unhex(t, "0005 FFFFFF 000084 08 01000000 01000000 AA*128 C005 01000000 AA*4")
	for n := range len(b) {
		c, _ := newReader(io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(errStarved)))
		if got, err := readAll(c); err != errStarved || len(got) > 0 {
			t.Fatalf("after %d bytes: %d messages and %v", n, len(got), err)
		}
	}
}

// Media is allowed between two messages, without losing what is buffered.
func TestAllowMediaKeepsBuffered(t *testing.T) {
	var b []byte
	want := []Message{audio(1, body(1, 100)), video(2, body(2, 10_000)), audio(3, body(3, 100))}
	for _, m := range want {
		b = AppendMessage(b, m, defaultChunkSize)
	}
	c := NewConn(bytes.NewReader(b), io.Discard)
	first, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	c.AllowMedia()
	c.AllowMedia()
	rest, err := readAll(c)
	if err != io.EOF {
		t.Fatal(err)
	}
	equal(t, append([]Message{first}, rest...), want)
}

// A message that is kept keeps no other one alive.
func TestAggregateBodiesAreCopies(t *testing.T) {
	b := unhex(t, "06 0003E8 000023 16 01000000 09 000002 001388 00 000000 AABB 0000000D  08 000003 0013B0 00 000000 CCDDEE 0000000E")
	c, _ := newReader(bytes.NewReader(b))
	got, err := readAll(c)
	if err != io.EOF {
		t.Fatal(err)
	}
	for _, m := range got {
		if cap(m.Body) != len(m.Body) {
			t.Errorf("a body of %d bytes keeps %d", len(m.Body), cap(m.Body))
		}
	}
	if got[0].Frame(0); !slices.Equal(got[1].Body, []byte{0xCC, 0xDD, 0xEE}) {
		t.Error("the frame of one message changed another")
	}
}
