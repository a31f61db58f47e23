package amf

// Parse reads the values that b holds, one after another to its end. With an
// error it also returns the values completed before; if the error is inside an
// object or array, what that holds so far is the last one.
func Parse(b []byte) ([]any, error) {
	d := decoder{b: b}
	return d.values()
}

// ParseMessage3 reads the values of an RTMP message of type 15 or 17. A format
// selector stands in front of them; some clients leave it out.
func ParseMessage3(b []byte) ([]any, error) {
	d := decoder{b: b}
	if len(b) > 0 && b[0] == formatAMF0 {
		d.off = 1
	}
	return d.values()
}

// ParseValue reads the value at the start of b and returns how many bytes it
// took. With an error v is nil, or what an object or array holds so far.
func ParseValue(b []byte) (v any, n int, err error) {
	d := decoder{b: b}
	if v = d.value(); !d.keep(v) {
		v = nil
	}
	return v, d.off, d.err
}

// values reads values up to the end of the message.
func (d *decoder) values() ([]any, error) {
	var values []any
	for d.err == nil && d.off < len(d.b) {
		if v := d.value(); d.keep(v) {
			values = append(values, v)
		}
	}
	return values, d.err
}

// value reads one AMF0 value (AMF0 2.1).
func (d *decoder) value() any {
	at := d.off
	marker := d.u8("value")
	if marker != markerAMF3 { // else value3 counts it
		d.element(at)
	}
	switch marker {
	case markerNumber:
		return d.double("number")
	case markerBoolean:
		return d.u8("boolean") != 0
	case markerString:
		return d.shortString("string")
	case markerNull:
		return nil
	case markerUndefined:
		return Undefined{}
	case markerReference:
		return d.resolve(d.references, uint32(d.u16("reference")), at)
	case markerDate:
		return Date{Milliseconds: d.double("date"), Zone: int16(d.u16("date zone"))}
	case markerLongString:
		return string(d.longText("long string"))
	case markerUnsupported:
		return Unsupported{}
	case markerXML:
		return XML(d.longText("XML"))
	case markerAMF3:
		return d.value3()
	case markerObject, markerECMAArray, markerStrictArray, markerTypedObject:
		return d.container(marker, at)
	case markerMovieClip, markerRecordSet: // reserved: AMF0 2.6, 2.16
		d.fail("value", at, ErrUnsupported, "reserved marker %#02x", marker)
	default:
		d.fail("value", at, nil, "unknown marker %#02x", marker)
	}
	return nil
}

// container reads what follows the marker of an object or array, the values
// that references can name (AMF0 2.9).
func (d *decoder) container(marker byte, at int) (v any) {
	if !d.enter("object", at) {
		return nil
	}
	index := d.references.reserve()
	switch marker {
	case markerObject:
		v = Object(d.pairs())
	case markerECMAArray:
		d.u32("array count") // a hint: encoders write 0, or always 20
		v = ECMAArray(d.pairs())
	case markerTypedObject:
		v = TypedObject{Class: d.shortString("class name"), Object: d.pairs()}
	case markerStrictArray:
		v = d.array(d.u32("array count"))
	}
	d.references.complete(index, v)
	d.depth--
	return v
}

// pairs reads keys and values up to the object end: an empty key and 09 (AMF0
// 2.11). An empty key in front of any other marker is a key.
func (d *decoder) pairs() (pairs []Property) {
	for d.err == nil {
		key := d.shortString("key")
		if key == "" && d.off < len(d.b) && d.b[d.off] == markerObjectEnd {
			d.off++
			break
		}
		if v := d.value(); d.keep(v) {
			pairs = append(pairs, Property{Key: key, Value: v})
		}
	}
	return pairs
}

// array reads n values. Each takes a byte at least, so a false count ends with
// the input.
func (d *decoder) array(n uint32) (array StrictArray) {
	for ; n > 0 && d.err == nil; n-- {
		if v := d.value(); d.keep(v) {
			array = append(array, v)
		}
	}
	return array
}

// shortString reads a string with 16 bits of length (AMF0 1.3.1).
func (d *decoder) shortString(what string) string {
	return string(d.take(what, uint32(d.u16(what))))
}

// longText reads bytes with 32 bits of length (AMF0 1.3.1).
func (d *decoder) longText(what string) []byte {
	return d.text(what, d.u32(what), MaxLongString)
}
