package amf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// u29 encodes n in four bytes.
func u29(n int) []byte {
	return []byte{0x80 | byte(n>>22), 0x80 | byte(n>>15), 0x80 | byte(n>>8), byte(n)}
}

// nest returns n strict arrays in each other around inner.
func nest(n int, inner string) []byte {
	return append(bytes.Repeat([]byte{markerStrictArray, 0, 0, 0, 1}, n), inner...)
}

// array returns the start of a strict array of n values.
func array(n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{markerStrictArray}, uint32(n))
}

// nest3 is nest in AMF3.
func nest3(n int, inner string) []byte {
	return slices.Concat([]byte{markerAMF3}, bytes.Repeat([]byte{marker3Array, 3, 1}, n), []byte(inner))
}

// text3 returns an AMF3 string, XML or byte array of n bytes.
func text3(marker byte, n int) []byte {
	return slices.Concat([]byte{markerAMF3, marker}, u29(n<<1|1), make([]byte, n))
}

// references returns n empty objects and a reference to index.
func references(n, index int) []byte {
	b := bytes.Repeat([]byte{markerObject, 0, 0, markerObjectEnd}, n)
	return binary.BigEndian.AppendUint16(append(b, markerReference), uint16(index))
}

// references3 returns n values of AMF3, each as given by item, and a reference.
func references3(n int, item string, marker byte, header int) []byte {
	b := bytes.Repeat([]byte(item), n)
	return append(append(b, markerAMF3, marker), u29(header)...)
}

// sealed returns an AMF3 object with n sealed names and no values.
func sealed(n int) []byte {
	b := append([]byte{markerAMF3, marker3Object}, u29(n<<4|3)...)
	return append(append(b, 1), bytes.Repeat([]byte{1}, n)...)
}

// repeated returns a string of n bytes that references use so often that
// together they repeat total bytes.
func repeated(n, total int) []byte {
	return append(text3(marker3String, n), bytes.Repeat([]byte{markerAMF3, marker3String, 0}, total/n)...)
}

// keyOf returns two AMF3 values: a string of n bytes, and one that uses it as a key.
func keyOf(n int, rest ...byte) []byte {
	return append(append(text3(marker3String, n), markerAMF3), rest...)
}

// times returns b and then n times s.
func times(b []byte, s string, n int) []byte {
	return append(slices.Clip(b), strings.Repeat(s, n)...)
}

func TestLimits(t *testing.T) {
	dynamic := []byte{marker3Object, 0x0B, 1, 0, marker3Null, 1}
	dictionary := []byte{marker3Dictionary, 3, 0, marker3String, 0, marker3Null}
	longString := string(Append(nil, strings.Repeat("a", MaxRepeated)))
	xml, byteArray := text3(marker3XML, MaxRepeated), text3(marker3ByteArray, MaxRepeated)
	half := strings.Repeat("a", MaxRepeated/32)
	typed := Append(nil, TypedObject{half, Object{{half, nil}}})
	traits := slices.Concat([]byte{0x11, 0x0A, 0x13}, u29(len(half)<<1|1), []byte(half), u29(len(half)<<1|1), []byte(half), []byte{1})
	refer, refer3, another := "\x07\x00\x00", "\x11\x0C\x00", "\x11\x0A\x01\x01"
	for _, c := range []struct {
		name     string
		at, past []byte
	}{
		{"depth", nest(MaxDepth, "\x05"), nest(MaxDepth+1, "\x05")},
		{"depth, AMF3", nest3(MaxDepth, "\x01"), nest3(MaxDepth+1, "\x01")},
		{"depth, AMF3 leaf", nest3(MaxDepth, "\x08\x01\x00\x00\x00\x00\x00\x00\x00\x00"), nest3(MaxDepth, "\x09\x01\x01")},
		{"depth, AMF3 in AMF0", nest(MaxDepth-1, string(nest3(1, "\x01"))), nest(MaxDepth, string(nest3(1, "\x01")))},
		{"depth, by reference", append([]byte{3, 0, 0, 9}, nest(MaxDepth-1, "\x07\x00\x00")...),
			append([]byte{3, 0, 0, 9}, nest(MaxDepth, "\x07\x00\x00")...)},
		{"elements", bytes.Repeat([]byte{5}, MaxElements), bytes.Repeat([]byte{5}, MaxElements+1)},
		{"elements, nested", append(array(MaxElements-1), bytes.Repeat([]byte{5}, MaxElements-1)...),
			append(array(MaxElements), bytes.Repeat([]byte{5}, MaxElements)...)},
		{"elements, byte arrays", times(array(MaxElements-1), "\x11\x0C\x01", MaxElements-1),
			times(array(MaxElements), "\x11\x0C\x01", MaxElements)},
		{"elements, vector", slices.Concat([]byte{0x11, 0x0D}, u29((MaxElements-1)<<1|1), make([]byte, 1+4*(MaxElements-1))),
			slices.Concat([]byte{0x11, 0x0D}, u29(MaxElements<<1|1), make([]byte, 1+4*MaxElements))},
		{"elements, sealed", append(sealed(MaxElements-1), bytes.Repeat([]byte{1}, MaxElements-1)...), sealed(MaxElements)},
		{"long string", Append(nil, strings.Repeat("a", MaxLongString)), Append(nil, strings.Repeat("a", MaxLongString+1))},
		{"XML", Append(nil, XML(make([]byte, MaxLongString))), Append(nil, XML(make([]byte, MaxLongString+1)))},
		{"AMF3 string", text3(marker3String, MaxLongString), text3(marker3String, MaxLongString+1)},
		{"AMF3 XML", text3(marker3XML, MaxLongString), text3(marker3XML, MaxLongString+1)},
		{"AMF3 byte array", text3(marker3ByteArray, MaxLongString), text3(marker3ByteArray, MaxLongString+1)},
		{"AMF3 key", keyOf(MaxString, dynamic...), keyOf(MaxString+1, dynamic...)},
		{"AMF3 dictionary key", keyOf(MaxString, dictionary...), keyOf(MaxString+1, dictionary...)},
		{"references", references(MaxReferences+1, MaxReferences-1), references(MaxReferences+1, MaxReferences)},
		{"references, AMF3", references3(MaxReferences+1, "\x11\x09\x01\x01", marker3Array, (MaxReferences-1)<<1),
			references3(MaxReferences+1, "\x11\x09\x01\x01", marker3Array, MaxReferences<<1)},
		{"references, strings", references3(MaxReferences+1, "\x11\x06\x03a", marker3String, (MaxReferences-1)<<1),
			references3(MaxReferences+1, "\x11\x06\x03a", marker3String, MaxReferences<<1)},
		{"references, traits", references3(MaxReferences+1, "\x11\x0A\x03\x01", marker3Object, (MaxReferences-1)<<2|1),
			references3(MaxReferences+1, "\x11\x0A\x03\x01", marker3Object, MaxReferences<<2|1)},
		{"repeated strings", repeated(1024, MaxRepeated), repeated(1024, MaxRepeated+1024)},
		{"repeated long string", times(nest(1, longString), refer, 1), times(nest(1, longString), refer, 2)},
		{"repeated XML", times(xml, refer3, 1), times(xml, refer3, 2)},
		{"repeated byte array", times(byteArray, refer3, 1), times(byteArray, refer3, 2)},
		{"repeated class and key", times(typed, refer, 16), times(typed, refer, 17)},
		{"repeated traits", times(traits, another, 16), times(traits, another, 17)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse(c.at); err != nil {
				t.Errorf("at the limit: %v", err)
			}
			values, err := Parse(c.past)
			if !errors.Is(err, ErrLimit) {
				t.Errorf("past the limit: %v", err)
			}
			Append(nil, values...)
		})
	}
}

// References double a value at each step: 2^1000 values in 12 kB.
func TestReferencesDoNotMultiply(t *testing.T) {
	b := Append(nil, StrictArray{nil})
	for i := range byte(250) {
		b = append(b, markerStrictArray, 0, 0, 0, 2, markerReference, 0, i, markerReference, 0, i)
	}
	values, err := Parse(b)
	if !errors.Is(err, ErrLimit) {
		t.Errorf("error %v, want %v", err, ErrLimit)
	}
	if n := len(Append(nil, values...)); n > 8*MaxElements {
		t.Errorf("%d bytes stand for %d", len(b), n)
	}
}

// 70,000 levels are too many for a stack; of objects what came before is kept.
func TestDeepNesting(t *testing.T) {
	const levels = 70_000
	for name, b := range map[string][]byte{
		"objects":       bytes.Repeat([]byte{markerObject, 0, 1, 'a'}, levels),
		"strict arrays": nest(levels, "\x05"),
		"ECMA arrays":   bytes.Repeat([]byte{markerECMAArray, 0, 0, 0, 1, 0, 1, 'a'}, levels),
		"AMF3 arrays":   nest3(levels, "\x01"),
		"AMF3 objects":  append([]byte{markerAMF3}, bytes.Repeat([]byte{marker3Object, 0x0B, 1, 3, 'a'}, levels)...),
	} {
		values, err := Parse(b)
		if !errors.Is(err, ErrLimit) || name == "objects" && len(values) != 1 {
			t.Errorf("%s: %d values, %v", name, len(values), err)
		}
	}
}

// Declared lengths and counts of any size cost nothing.
func TestDeclaredSizesAllocateNothing(t *testing.T) {
	const allowed = 64 << 10
	for name, s := range map[string]string{
		"long string":       "0C FFFFFFFF 61",
		"XML":               "0F FFFFFFFF 61",
		"strict array":      "0A FFFFFFFF 05",
		"ECMA array":        "08 FFFFFFFF 0001 61 05",
		"AMF3 string":       "11 06 FFFFFFFF 61",
		"AMF3 byte array":   "11 0C FFFFFFFF 61",
		"AMF3 array":        "11 09 FFFFFFFF 01 01",
		"AMF3 vector":       "11 0F FFFFFFFF 00",
		"AMF3 dictionary":   "11 11 FFFFFFFF 00",
		"AMF3 sealed names": "11 0A FFFFFFF3 01 01",
	} {
		b := unhex(t, s)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(b)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > allowed {
			t.Errorf("%s: %d bytes allocated, allowed %d", name, n, allowed)
		}
	}
}
