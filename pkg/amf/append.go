package amf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// located is a value that reports where it is encoded.
type located struct {
	value any
	off   *int
}

// At wraps v for [Append], which then stores in *off where v begins in the slice
// it returns. v begins with its marker: the eight bytes of a number are at *off+1.
func At(v any, off *int) any { return located{v, off} }

// Append encodes values as AMF0 at the end of dst. Besides the types that
// [Parse] returns it takes int and uint32 as numbers. It panics for any other
// type, and for keys and class names longer than [MaxString].
func Append(dst []byte, values ...any) []byte {
	for _, v := range values {
		dst = appendValue(dst, v)
	}
	return dst
}

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case located:
		*v.off = len(dst)
		return appendValue(dst, v.value)
	case nil:
		return append(dst, markerNull)
	case Undefined:
		return append(dst, markerUndefined)
	case Unsupported:
		return append(dst, markerUnsupported)
	case bool:
		if v {
			return append(dst, markerBoolean, 1)
		}
		return append(dst, markerBoolean, 0)
	case float64:
		return appendDouble(append(dst, markerNumber), v)
	case int:
		return appendDouble(append(dst, markerNumber), float64(v))
	case uint32:
		return appendDouble(append(dst, markerNumber), float64(v))
	case string:
		if len(v) > MaxString {
			return appendLong(append(dst, markerLongString), v)
		}
		return appendShort(append(dst, markerString), v)
	case XML:
		return appendLong(append(dst, markerXML), string(v))
	case Date:
		dst = appendDouble(append(dst, markerDate), v.Milliseconds)
		return binary.BigEndian.AppendUint16(dst, uint16(v.Zone))
	case []byte:
		return appendByteArray(dst, v)
	}
	return appendContainer(dst, v)
}

func appendContainer(dst []byte, v any) []byte {
	switch v := v.(type) {
	case Object:
		return appendPairs(append(dst, markerObject), v)
	case ECMAArray:
		dst = binary.BigEndian.AppendUint32(append(dst, markerECMAArray), uint32(len(v)))
		return appendPairs(dst, v)
	case StrictArray:
		dst = binary.BigEndian.AppendUint32(append(dst, markerStrictArray), uint32(len(v)))
		return Append(dst, v...)
	case TypedObject:
		dst = appendShort(append(dst, markerTypedObject), v.Class)
		return appendPairs(dst, v.Object)
	}
	panic(fmt.Sprintf("amf: internal error: cannot encode a %T", v))
}

// appendPairs encodes keys and values, and the object end (AMF0 2.11).
func appendPairs(dst []byte, pairs []Property) []byte {
	for _, p := range pairs {
		dst = appendValue(appendShort(dst, p.Key), p.Value)
	}
	return append(dst, 0, 0, markerObjectEnd)
}

func appendDouble(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
}

// appendShort encodes a string with 16 bits of length (AMF0 1.3.1).
func appendShort(dst []byte, s string) []byte {
	if len(s) > MaxString {
		panic(fmt.Sprintf("amf: internal error: key or class name of %d bytes", len(s)))
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

// appendLong encodes a string with 32 bits of length (AMF0 1.3.1).
func appendLong(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}

// AppendLongString appends the marker and the length of an AMF0 long string of n
// bytes, which are the caller's to append (AMF0 2.14).
func AppendLongString(dst []byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, markerLongString), n)
}

// appendByteArray encodes b as AMF3 (3.14): AMF0 has no such type. Four bytes
// for the length are allowed where fewer would do.
func appendByteArray(dst, b []byte) []byte {
	if len(b) > MaxLongString {
		panic(fmt.Sprintf("amf: internal error: byte array of %d bytes", len(b)))
	}
	n := uint32(len(b))<<1 | inlined
	dst = append(dst, markerAMF3, marker3ByteArray,
		0x80|byte(n>>22), 0x80|byte(n>>15), 0x80|byte(n>>8), byte(n))
	return append(dst, b...)
}
