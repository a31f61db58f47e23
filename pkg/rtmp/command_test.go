package rtmp

import (
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/amf"
)

// commands are command messages and what they say. Those marked one-way are
// written in another form.
var commands = []struct {
	name   string
	kind   uint8
	hex    string
	want   Command
	oneWay bool
}{
	{"connect V2", TypeCommandAMF0, "02 0007 636F6E6E656374 00 3FF0000000000000 03 0003 617070 02 0004 6C697665 000009",
		Command{Name: "connect", Transaction: 1, Object: amf.Object{{Key: "app", Value: "live"}}}, false},
	{"createStream answer V20", TypeCommandAMF0, "02 0007 5F726573756C74 00 4010000000000000 05 00 3FF0000000000000",
		Command{Name: "_result", Transaction: 4, Args: []any{1.0}}, false},
	{"fractional transaction", TypeCommandAMF0, "02 0001 78 00 3FE0000000000000 05", Command{Name: "x", Transaction: 0.5}, false},
	{"publish", TypeCommandAMF0, "02 0007 7075626C697368 00 0000000000000000 05 02 0001 61 02 0004 6C697665",
		Command{Name: "publish", Args: []any{"a", "live"}}, false},
	{"AMF3 with a selector", TypeCommandAMF3, "00 02 0001 78 00 3FF0000000000000 05 11 0401", Command{Name: "x", Transaction: 1, Args: []any{1.0}}, true},
	{"AMF3 without a selector", TypeCommandAMF3, "02 0001 78 00 3FF0000000000000 05", Command{Name: "x", Transaction: 1}, true},
	{"name only", TypeCommandAMF0, "02 0001 78", Command{Name: "x"}, true},
	{"no object", TypeCommandAMF0, "02 0001 78 00 4000000000000000", Command{Name: "x", Transaction: 2}, true},
	{"empty name", TypeCommandAMF0, "02 0000 00 4000000000000000 05", Command{Transaction: 2}, false},
	{"transaction as a string", TypeCommandAMF0, "02 0001 78 02 0001 32 05", Command{Name: "x", Transaction: 2}, true},
	{"transaction that is no number", TypeCommandAMF0, "02 0001 78 05 05 05", Command{Name: "x", Args: []any{nil}}, true},
	{"transaction NaN", TypeCommandAMF0, "02 0001 78 00 7FF8000000000001 05", Command{Name: "x"}, true},
}

func TestCommand(t *testing.T) {
	for _, tt := range commands {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			got, err := ParseCommand(Message{Type: tt.kind, Body: b})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, got, tt.want)
			if !tt.oneWay {
				equal(t, tt.want.Message(7), Message{Type: TypeCommandAMF0, StreamID: 7, Body: b})
			}
		})
	}
}

func TestParseCommandError(t *testing.T) {
	tests := []struct{ name, hex, want string }{
		{"empty", "", "rtmp: command message: empty"},
		{"a number first", "00 3FF0000000000000", "rtmp: command message begins with float64, want a name"},
		{"null first", "05", "rtmp: command message begins with <nil>, want a name"},
		{"name cut", "02 0005 6162", "rtmp: command message: amf: string at 3: have 2 bytes, want 5"},
		{"unknown marker", "02 0001 78 FF", "rtmp: command message: amf: value at 4: unknown marker 0xff"},
	}
	for _, tt := range tests {
		for _, kind := range []uint8{TypeCommandAMF0, TypeCommandAMF3} {
			_, err := ParseCommand(Message{Type: kind, Body: unhex(t, tt.hex)})
			if err == nil || kind == TypeCommandAMF0 && err.Error() != tt.want {
				t.Errorf("%s: error %v\nwant %s", tt.name, err, tt.want)
			}
		}
	}
	if _, err := ParseCommand(Message{Type: TypeCommandAMF3, Body: []byte{0}}); err == nil {
		t.Error("a selector alone is a command")
	}
}

func TestArg(t *testing.T) {
	c := Command{Args: []any{nil, "b"}}
	for i, want := range []any{nil, "b", nil, nil} {
		if got := c.Arg(i); got != want {
			t.Errorf("argument %d is %v, want %v", i, got, want)
		}
	}
}

// The shapes that clients look for: an answer has an object and an argument even
// where both are null, a status has transaction 0 and an Object.
func TestAnswers(t *testing.T) {
	status := "02 0008 6F6E537461747573 00 0000000000000000 05 03" +
		" 0005 6C6576656C 02 0006 737461747573 0004 636F6465 02 0017 4E657453747265616D2E5075626C6973682E5374617274" +
		" 000B 6465736372697074696F6E 02 0002 6869 000009"
	tests := []struct {
		name    string
		message Message
		stream  uint32
		hex     string
	}{
		{"V20", Result(4, nil, 1).Message(0), 0, "02 0007 5F726573756C74 00 4010000000000000 05 00 3FF0000000000000"},
		{"nulls", Result(99, nil, nil).Message(0), 0, "02 0007 5F726573756C74 00 4058C00000000000 05 05"},
		{"no arguments", Result(0.5).Message(0), 0, "02 0007 5F726573756C74 00 3FE0000000000000 05"},
		{"objects", Result(1, amf.Object{}, amf.Object{}).Message(0), 0, "02 0007 5F726573756C74 00 3FF0000000000000 03 000009 03 000009"},
		{"status", OnStatus(3, StatusInfo(LevelStatus, CodePublishStart, "hi")), 3, status},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			equal(t, tt.message, Message{Type: TypeCommandAMF0, StreamID: tt.stream, Body: unhex(t, tt.hex)})
		})
	}
}

// Text of the peer's must not be lost or changed on its way.
func TestCommandKeepsLongAndOddStrings(t *testing.T) {
	want := Command{Name: "x", Transaction: 1, Object: amf.Object{{Key: "", Value: "\xFF\x00"}}, Args: []any{strings.Repeat("a", 70_000)}}
	got, err := ParseCommand(want.Message(0))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, want)
}
