package amf

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// golden pairs values with their bytes, in both directions. The fuzzer starts
// from the same cases.
var golden = []struct {
	name   string
	hex    string
	values []any
}{
	{"number", "00 3FF8000000000000", []any{1.5}},
	{"number NaN", "00 7FF8000000000001", []any{math.Float64frombits(0x7FF8000000000001)}},
	{"boolean", "01 00  01 01", []any{false, true}},
	{"string", "02 0003 616263  02 0000", []any{"abc", ""}},
	{"string not UTF-8", "02 0002 FF00", []any{"\xff\x00"}},
	{"object", "03 0001 61 05 0001 62 02 0001 63 000009",
		[]any{Object{{"a", nil}, {"b", "c"}}}},
	{"object keeps order and repeated keys", "03 0001 7A 05 0001 61 06 0001 7A 0101 000009",
		[]any{Object{{"z", nil}, {"a", Undefined{}}, {"z", true}}}},
	{"object with an empty key", "03 0000 05 000009", []any{Object{{"", nil}}}},
	{"null", "05", []any{nil}},
	{"undefined", "06", []any{Undefined{}}},
	{"ECMA array V3", "08 00000000 000009", []any{ECMAArray(nil)}},
	{"ECMA array", "08 00000001 0001 61 0101 000009", []any{ECMAArray{{"a", true}}}},
	{"strict array", "0A 00000003 05 0100 0A00000000", []any{StrictArray{nil, false, StrictArray(nil)}}},
	{"date", "0B 4278000000000000 FFC4", []any{Date{Milliseconds: 1.5 * (1 << 40), Zone: -60}}},
	{"long string", "0C 00010000" + strings.Repeat("61", 1<<16), []any{strings.Repeat("a", 1<<16)}},
	{"unsupported", "0D", []any{Unsupported{}}},
	{"XML", "0F 00000004 3C612F3E", []any{XML("<a/>")}},
	{"typed object", "10 0003 412E42 0001 78 00 4000000000000000 000009",
		[]any{TypedObject{"A.B", Object{{"x", 2.0}}}}},
	{"byte array", "11 0C 80808005 6869", []any{[]byte("hi")}},
	{"connect V2", "02 0007 636F6E6E656374 00 3FF0000000000000 03 0003 617070 02 0004 6C697665 000009",
		[]any{"connect", 1.0, Object{{"app", "live"}}}},
	{"createStream answer V20", "02 0007 5F726573756C74 00 4010000000000000 05 00 3FF0000000000000",
		[]any{"_result", 4.0, nil, 1.0}},
	{"nested", "08 00000001 0001 6B 03 0005 74696D6573 0A 00000002 00 0000000000000000 00 4000000000000000 000009 000009",
		[]any{ECMAArray{{"k", Object{{"times", StrictArray{0.0, 2.0}}}}}}},
}

// tolerated are bytes that are read but would be written in another way.
var tolerated = []struct {
	name   string
	hex    string
	values []any
}{
	{"empty", "", nil},
	{"boolean of another value", "01 07", []any{true}},
	{"short text in a long string", "0C 00000001 61", []any{"a"}},
	{"ECMA count too high", "08 00000014 0001 61 05 000009 05", []any{ECMAArray{{"a", nil}}, nil}},
	{"ECMA count too low", "08 00000000 0001 61 05 000009", []any{ECMAArray{{"a", nil}}}},
	{"ECMA count of 4 GiB", "08 FFFFFFFF 000009", []any{ECMAArray(nil)}},

	{"reference to an object", "03 0001 61 0101 000009 07 0000",
		[]any{Object{{"a", true}}, Object{{"a", true}}}},
	{"references count objects from the outside in", "0A 00000002 03 000009 08 00000000 000009 07 0002 07 0000",
		[]any{StrictArray{Object(nil), ECMAArray(nil)}, ECMAArray(nil), StrictArray{Object(nil), ECMAArray(nil)}}},
	{"reference to a typed object", "10 0001 41 000009 0A 00000001 07 0000",
		[]any{TypedObject{Class: "A"}, StrictArray{TypedObject{Class: "A"}}}},
	{"cycle", "03 0001 61 07 0000 000009", []any{Object{{"a", Undefined{}}}}},
	{"cycle of two", "0A 00000001 03 0001 61 07 0000 000009 07 0001",
		[]any{StrictArray{Object{{"a", Undefined{}}}}, Object{{"a", Undefined{}}}}},
}

// amf3 are AMF3 values, each behind the AMF0 marker.
var amf3 = []struct {
	name   string
	hex    string
	values []any
}{
	{"simple", "11 00 11 01 11 02 11 03", []any{Undefined{}, nil, false, true}},
	{"integers", "11 0400 11 047F 11 048100 11 04BFFFFFFF 11 04C0808000 11 04FFFFFFFF",
		[]any{0.0, 127.0, 128.0, 1<<28 - 1.0, -1 << 28 * 1.0, -1.0}},
	{"integer of 22 bits", "11 04FFFF7F", []any{1<<21 - 1.0}},
	{"double", "11 05 3FF8000000000000", []any{1.5}},
	{"string references skip the empty one", "11 06 05 6869 11 06 01 11 06 03 61 11 06 02 11 06 00",
		[]any{"hi", "", "a", "a", "hi"}},
	{"XML document, XML", "11 07 09 3C612F3E 11 0B 09 3C622F3E 11 0B 00",
		[]any{XML("<a/>"), XML("<b/>"), XML("<a/>")}},
	{"date", "11 08 01 4000000000000000 11 08 00", []any{Date{Milliseconds: 2}, Date{Milliseconds: 2}}},
	{"byte array", "11 0C 05 6869 11 0C 00 11 0C 01", []any{[]byte("hi"), []byte("hi"), []byte{}}},
	{"dense array", "11 09 05 01 0401 0603 61", []any{StrictArray{1.0, "a"}}},
	{"array with names", "11 09 03 03 61 0401 01 0402", []any{ECMAArray{{"a", 1.0}, {"0", 2.0}}}},
	{"array that holds itself", "11 09 03 01 0900 11 0900", []any{StrictArray{Undefined{}}, StrictArray{Undefined{}}}},
	{"dynamic object", "11 0A 0B 01 03 61 0401 03 62 03 01", []any{Object{{"a", 1.0}, {"b", true}}}},
	{"sealed object", "11 0A 23 07 412E42 03 61 03 62 0401 0402",
		[]any{TypedObject{"A.B", Object{{"a", 1.0}, {"b", 2.0}}}}},
	{"traits by reference", "11 0A 13 03 41 03 61 0401 11 0A 01 0402 11 0A 00 11 0A 02",
		[]any{
			TypedObject{"A", Object{{"a", 1.0}}}, TypedObject{"A", Object{{"a", 2.0}}},
			TypedObject{"A", Object{{"a", 1.0}}}, TypedObject{"A", Object{{"a", 2.0}}},
		}},
	{"sealed and dynamic", "11 0A 1B 03 41 03 61 0401 02 0402 01",
		[]any{TypedObject{"A", Object{{"a", 1.0}, {"a", 2.0}}}}},
	{"vector of int", "11 0D 05 00 FFFFFFFF 00000002", []any{StrictArray{-1.0, 2.0}}},
	{"vector of uint", "11 0E 03 01 FFFFFFFF", []any{StrictArray{1<<32 - 1.0}}},
	{"vector of double", "11 0F 03 00 3FF8000000000000 11 0F 00", []any{StrictArray{1.5}, StrictArray{1.5}}},
	{"vector of objects", "11 10 05 00 03 41 01 0600", []any{StrictArray{nil, "A"}}},
	{"dictionary", "11 11 07 00 0603 61 01 0404 03 03 02", []any{ECMAArray{{"a", nil}, {"4", true}, {"true", false}}}},
	{"tables last for the message", "11 06 03 61 0A 00000001 11 06 00", []any{"a", StrictArray{"a"}}},
	{"tables of AMF0 and AMF3 are apart", "03 000009 11 09 01 01 07 0000 11 09 00",
		[]any{Object(nil), StrictArray(nil), Object(nil), StrictArray(nil)}},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// equal compares lists of values.
func equal(t testing.TB, got, want []any) {
	t.Helper()
	if !same(StrictArray(got), StrictArray(want)) {
		t.Errorf("(-want +got)\n%s", cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()))
	}
}

// same compares numbers by their bits, so that NaN equals itself, and takes no
// elements and nil for the same. (cmp.Diff alone needs exponential time for the depth.)
func same(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Float64bits(a) == math.Float64bits(b)
	case Date:
		b, ok := b.(Date)
		return ok && same(a.Milliseconds, b.Milliseconds) && a.Zone == b.Zone
	case []byte:
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	case Object:
		b, ok := b.(Object)
		return ok && slices.EqualFunc(a, b, sameProperty)
	case ECMAArray:
		b, ok := b.(ECMAArray)
		return ok && slices.EqualFunc(a, b, sameProperty)
	case StrictArray:
		b, ok := b.(StrictArray)
		return ok && slices.EqualFunc(a, b, same)
	case TypedObject:
		b, ok := b.(TypedObject)
		return ok && a.Class == b.Class && same(a.Object, b.Object)
	}
	return a == b
}

func sameProperty(a, b Property) bool { return a.Key == b.Key && same(a.Value, b.Value) }
