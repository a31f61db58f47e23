package amf

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	for _, c := range golden {
		t.Run(c.name, func(t *testing.T) {
			want := append([]byte("dst"), unhex(t, c.hex)...)
			if got := Append([]byte("dst"), c.values...); !bytes.Equal(got, want) {
				t.Errorf("got  % x\nwant % x", got[:min(len(got), 80)], want[:min(len(want), 80)])
			}
		})
	}
}

func TestAppendIntegers(t *testing.T) {
	got := Append(nil, -1, uint32(math.MaxUint32))
	if want := Append(nil, -1.0, 4294967295.0); !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func TestAppendStringLengths(t *testing.T) {
	short, long := strings.Repeat("a", MaxString), strings.Repeat("a", MaxString+1)
	if b := Append(nil, short); b[0] != markerString {
		t.Errorf("%d bytes have marker %#x", len(short), b[0])
	}
	if b := Append(nil, long); b[0] != markerLongString {
		t.Errorf("%d bytes have marker %#x", len(long), b[0])
	}
	object := Object{{short, TypedObject{Class: short}}}
	v, _, err := ParseValue(Append(nil, object))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, []any{v}, []any{object})
}

func TestAt(t *testing.T) {
	var object, duration, last int
	b := Append([]byte("0123"), "onMetaData",
		At(ECMAArray{{"x", nil}, {"duration", At(0.0, &duration)}}, &object),
		StrictArray{true, At(XML("x"), &last)})

	if b[object] != markerECMAArray || b[duration] != markerNumber || b[last] != markerXML {
		t.Fatalf("offsets %d, %d, %d in % x", object, duration, last, b)
	}
	binary.BigEndian.PutUint64(b[duration+1:], math.Float64bits(12.5))
	values, err := Parse(b[4:])
	if err != nil {
		t.Fatal(err)
	}
	equal(t, values, []any{"onMetaData", ECMAArray{{"x", nil}, {"duration", 12.5}}, StrictArray{true, XML("x")}})
}

func TestAppendPanics(t *testing.T) {
	long := strings.Repeat("a", MaxString+1)
	for name, v := range map[string]any{
		"type":       int64(1),
		"nested":     Object{{"a", map[string]any{}}},
		"key":        Object{{long, nil}},
		"class":      TypedObject{Class: long},
		"byte array": make([]byte, MaxLongString+1),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if s, _ := recover().(string); !strings.HasPrefix(s, "amf: internal error: ") {
					t.Errorf("panic %q", s)
				}
			}()
			Append(nil, v)
		})
	}
}
