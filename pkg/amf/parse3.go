package amf

import (
	"bytes"
	"fmt"
	"strconv"
)

// inlined is the lowest bit of a U29 header: the value follows, rather than
// being a reference (AMF3 3.8 to 3.16).
const inlined = 1

// value3 reads one AMF3 value (AMF3 3.1).
func (d *decoder) value3() any {
	at := d.off
	marker := d.u8("AMF3 value")
	d.element(at)
	switch marker {
	case marker3Undefined:
		return Undefined{}
	case marker3Null:
		return nil
	case marker3False:
		return false
	case marker3True:
		return true
	case marker3Integer: // 29 bits, signed
		return float64(int32(d.u29("integer")<<3) >> 3)
	case marker3Double:
		return d.double("double")
	case marker3String:
		return d.string3("string", MaxLongString)
	}
	if marker > marker3Dictionary {
		d.fail("AMF3 value", at, nil, "unknown marker %#02x", marker)
	}
	return d.complex3(marker, at)
}

// complex3 reads what follows the marker of a value that a reference can name.
func (d *decoder) complex3(marker byte, at int) (v any) {
	header := d.u29("AMF3 value")
	if d.err != nil {
		return nil
	}
	n := header >> 1
	if header&inlined == 0 {
		return d.resolve(d.objects, n, at)
	}
	index := d.objects.reserve()
	switch marker {
	case marker3Date:
		v = Date{Milliseconds: d.double("date")}
	case marker3XML, marker3XMLDocument:
		v = XML(d.text("XML", n, MaxLongString))
	case marker3ByteArray:
		v = bytes.Clone(d.text("byte array", n, MaxLongString))
	default:
		if !d.enter("object", at) {
			return nil
		}
		v = d.container3(marker, n, at)
		d.depth--
	}
	d.objects.complete(index, v)
	return v
}

// container3 reads the object or array whose header, less its lowest bit, is n.
func (d *decoder) container3(marker byte, n uint32, at int) any {
	switch marker {
	case marker3Array:
		return d.array3(n)
	case marker3Object:
		return d.object3(n, at)
	case marker3Dictionary:
		return d.dictionary3(n)
	}
	return d.vector3(marker, n)
}

// array3 reads an array: named values up to an empty name, then n values with
// the indices 0 to n-1 (AMF3 3.11).
func (d *decoder) array3(n uint32) any {
	named := d.pairs3(nil)
	var dense StrictArray
	for ; n > 0 && d.err == nil; n-- {
		if v := d.value3(); d.keep(v) {
			dense = append(dense, v)
		}
	}
	if len(named) == 0 {
		return dense
	}
	for i, v := range dense {
		named = append(named, Property{Key: strconv.Itoa(i), Value: v})
	}
	return ECMAArray(named)
}

// pairs3 appends names and values up to an empty name to pairs.
func (d *decoder) pairs3(pairs []Property) []Property {
	for {
		key := d.string3("key", MaxString)
		if key == "" {
			return pairs
		}
		if v := d.value3(); d.keep(v) {
			pairs = append(pairs, Property{Key: key, Value: v})
		}
	}
}

// vector3 reads a vector of n values of one type (AMF3 3.15).
func (d *decoder) vector3(marker byte, n uint32) (array StrictArray) {
	d.u8("vector") // whether its length is fixed
	if marker == marker3VectorObject {
		d.string3("class name", MaxString)
	}
	for ; n > 0 && d.err == nil; n-- {
		if v := d.component3(marker); d.keep(v) {
			array = append(array, v)
		}
	}
	return array
}

// component3 reads one value of a vector.
func (d *decoder) component3(marker byte) any {
	if marker == marker3VectorObject {
		return d.value3()
	}
	d.element(d.off)
	switch marker {
	case marker3VectorInt:
		return float64(int32(d.u32("vector")))
	case marker3VectorUint:
		return float64(d.u32("vector"))
	default:
		return d.double("vector")
	}
}

// dictionary3 reads n pairs of a key and a value (AMF3 3.16). Keys may be of any
// type; simple ones become text.
func (d *decoder) dictionary3(n uint32) (array ECMAArray) {
	d.u8("dictionary") // whether its keys are weak
	for ; n > 0 && d.err == nil; n-- {
		at := d.off
		var key string
		switch k := d.value3().(type) {
		case string, float64, bool:
			key = fmt.Sprint(k)
		default:
			d.fail("dictionary key", at, ErrUnsupported, "not a string, number or boolean")
		}
		if len(key) > MaxString {
			d.fail("dictionary key", at, ErrLimit, "%d bytes, limit %d", len(key), MaxString)
		}
		if v := d.value3(); d.keep(v) {
			array = append(array, Property{Key: key, Value: v})
		}
	}
	return array
}

// string3 reads a string or a reference to one (AMF3 1.3.2).
func (d *decoder) string3(what string, limit uint32) string {
	at := d.off
	header := d.u29(what)
	n := header >> 1
	if header&inlined != 0 {
		s := string(d.text(what, n, limit))
		if s != "" && len(d.strings) < MaxReferences { // "" is never sent by reference
			d.strings = append(d.strings, s)
		}
		return s
	}
	if d.err != nil || !d.known(n, len(d.strings), at) {
		return ""
	}
	s := d.strings[n]
	if len(s) > int(limit) {
		d.fail(what, at, ErrLimit, "%d bytes, limit %d", len(s), limit)
	}
	if d.repeatBytes(len(s), at); d.err != nil {
		return ""
	}
	return s
}
