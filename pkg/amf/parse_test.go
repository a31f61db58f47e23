package amf

import (
	"errors"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tables := range [][]struct {
		name   string
		hex    string
		values []any
	}{golden, tolerated, amf3} {
		for _, c := range tables {
			t.Run(c.name, func(t *testing.T) {
				values, err := Parse(unhex(t, c.hex))
				if err != nil {
					t.Fatal(err)
				}
				equal(t, values, c.values)
			})
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		hex    string
		values []any
		kind   error
		text   string
	}{
		{"string cut", "05 02 000A 616263", []any{nil}, ErrTruncated,
			"amf: string at 4: have 3 bytes, want 10"},
		{"number cut", "05 00 3FF0", []any{nil}, ErrTruncated, "amf: number at 2: have 2 bytes, want 8"},
		{"object without its end", "03 0001 61 05", []any{Object{{"a", nil}}}, ErrTruncated,
			"amf: key at 5: have 0 bytes, want 2"},
		{"object end cut", "03 0001 61 05 0000", []any{Object{{"a", nil}}}, ErrTruncated,
			"amf: value at 7: have 0 bytes, want 1"},
		{"object not closed in front of another value", "03 0001 61 05 02 0001 62", []any{Object{{"a", nil}}},
			ErrTruncated, "amf: key at 7: have 2 bytes, want 512"},
		{"object cut in a value", "05 03 0001 61 05 0001 62 02", []any{nil, Object{{"a", nil}}}, ErrTruncated,
			"amf: string at 10: have 0 bytes, want 2"},
		{"nested arrays cut", "08 00000001 0001 61 0A 00000003 05", []any{ECMAArray{{"a", StrictArray{nil}}}},
			ErrTruncated, "amf: value at 14: have 0 bytes, want 1"},
		{"typed object cut", "10 0001 41 0001 61 05", []any{TypedObject{"A", Object{{"a", nil}}}}, ErrTruncated,
			"amf: key at 8: have 0 bytes, want 2"},
		{"metadata with a bad value", "08 00000002 0001 61 05 0001 62 FF", []any{ECMAArray{{"a", nil}}}, nil,
			"amf: value at 12: unknown marker 0xff"},
		{"movie clip", "05 04", []any{nil}, ErrUnsupported, "amf: value at 1: reserved marker 0x04"},
		{"record set", "0E", nil, ErrUnsupported, "amf: value at 0: reserved marker 0x0e"},
		{"lone object end", "09", nil, nil, "amf: value at 0: unknown marker 0x09"},
		{"reference to nothing", "07 0000", nil, nil, "amf: reference at 0: index 0 of 0"},
		{"time code of FFmpeg", "AABBCCDD", nil, nil, "amf: value at 0: unknown marker 0xaa"},

		{"AMF3 marker alone", "11", nil, ErrTruncated, "amf: AMF3 value at 1: have 0 bytes, want 1"},
		{"AMF3 unknown marker", "11 12", nil, nil, "amf: AMF3 value at 1: unknown marker 0x12"},
		{"AMF3 string cut", "11 06 07 61", nil, ErrTruncated, "amf: string at 3: have 1 bytes, want 3"},
		{"AMF3 no such string", "11 06 02", nil, nil, "amf: reference at 2: index 1 of 0"},
		{"AMF3 no such object", "11 0A 02", nil, nil, "amf: reference at 1: index 1 of 0"},
		{"AMF3 no such traits", "11 0A 01", []any{Object(nil)}, nil, "amf: reference at 1: index 0 of 0"},
		{"AMF3 externalizable", "11 0A 07 03 41 0401", []any{TypedObject{Class: "A"}}, ErrUnsupported,
			`amf: object at 1: externalizable class "A"`},
		{"AMF3 object cut", "11 0A 0B 01 03 61 0401 03 62", []any{Object{{"a", 1.0}}}, ErrTruncated,
			"amf: AMF3 value at 10: have 0 bytes, want 1"},
		{"AMF3 array cut", "11 09 07 01 0401", []any{StrictArray{1.0}}, ErrTruncated,
			"amf: AMF3 value at 6: have 0 bytes, want 1"},
		{"AMF3 dictionary with an object for a key", "11 11 03 00 0900 01", []any{ECMAArray(nil)}, ErrUnsupported,
			"amf: dictionary key at 4: not a string, number or boolean"},
	} {
		t.Run(c.name, func(t *testing.T) {
			values, err := Parse(unhex(t, c.hex))
			if err == nil || err.Error() != c.text {
				t.Errorf("error %v, want %s", err, c.text)
			}
			for _, kind := range []error{ErrTruncated, ErrLimit, ErrUnsupported} {
				if errors.Is(err, kind) != (kind == c.kind) {
					t.Errorf("error is %v: %v", kind, !(kind == c.kind))
				}
			}
			equal(t, values, c.values)
		})
	}
}

// Every cut keeps the values in front of it, and of an object in the cut the
// properties that are whole.
func TestParseCut(t *testing.T) {
	whole := []any{"onMetaData", 1.0, ECMAArray{{"width", 640.0}, {"codec", "avc1"}, {"list", StrictArray{nil, true}}}, Date{}}
	var ends []int
	var b []byte
	for _, v := range whole {
		b = Append(b, v)
		ends = append(ends, len(b))
	}
	for n := range b {
		values, err := Parse(b[:n])
		done := 0
		for done < len(ends) && ends[done] <= n {
			done++
		}
		if start := append([]int{0}, ends...)[done]; n == start {
			if err != nil {
				t.Errorf("cut at %d, between values: %v", n, err)
			}
		} else if !errors.Is(err, ErrTruncated) {
			t.Errorf("cut at %d: error %v, want %v", n, err, ErrTruncated)
		}
		if len(values) < done {
			t.Fatalf("cut at %d: %d values, want %d", n, len(values), done)
		}
		equal(t, values[:done], whole[:done])
		if rest := values[done:]; len(rest) > 0 {
			array := rest[0].(ECMAArray)
			n := min(len(array), 2) // the third may be cut in itself
			equal(t, []any{array[:n]}, []any{whole[2].(ECMAArray)[:n]})
		}
	}
}

func TestCutNeverPanics(t *testing.T) {
	for _, seed := range seeds(t) {
		if len(seed) > 4096 {
			continue
		}
		for n := range seed {
			values, _ := Parse(seed[:n])
			Append(nil, values...)
		}
	}
}

func TestParseValue(t *testing.T) {
	v, n, err := ParseValue(unhex(t, "02 0002 6869 05"))
	if v != "hi" || n != 5 || err != nil {
		t.Errorf("%v, %d, %v", v, n, err)
	}
	if v, _, err = ParseValue(nil); v != nil || !errors.Is(err, ErrTruncated) {
		t.Errorf("nothing: %v, %v", v, err)
	}
	if v, _, err = ParseValue([]byte{0, 1}); v != nil || !errors.Is(err, ErrTruncated) {
		t.Errorf("cut number: %v, %v", v, err)
	}
	v, _, err = ParseValue(unhex(t, "03 0001 61 05"))
	equal(t, []any{v}, []any{Object{{"a", nil}}})
	if !errors.Is(err, ErrTruncated) {
		t.Errorf("cut object: %v", err)
	}
}

func TestParseMessage3(t *testing.T) {
	want := []any{"play", 0.0, nil, "a"}
	for name, s := range map[string]string{
		"selector":    "00 02 0004 706C6179 00 0000000000000000 05 11 06 03 61",
		"no selector": "02 0004 706C6179 00 0000000000000000 11 01 02 0001 61",
	} {
		values, err := ParseMessage3(unhex(t, s))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		equal(t, values, want)
	}
	for _, b := range [][]byte{nil, {formatAMF0}} {
		if values, err := ParseMessage3(b); len(values) != 0 || err != nil {
			t.Errorf("% x: %v, %v", b, values, err)
		}
	}
	_, err := ParseMessage3(unhex(t, "00 05 01"))
	if want := "amf: boolean at 3: have 0 bytes, want 1"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
