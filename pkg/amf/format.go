package amf

// The limits of one message. A message at a limit is read, one past it is not.
const (
	// MaxDepth is how many objects and arrays may be nested.
	MaxDepth = 32
	// MaxElements is how many values a message may hold, nested ones included.
	MaxElements = 4096
	// MaxString is the length of a key, class name or AMF0 short string in
	// bytes: what its 16 bits can say.
	MaxString = 1<<16 - 1
	// MaxLongString is the length of a long string, AMF3 string, XML document
	// or byte array in bytes.
	MaxLongString = 1 << 20
	// MaxReferences is how many entries of a reference table can be referred to.
	MaxReferences = 1024
	// MaxRepeated is how many bytes of strings references may repeat.
	MaxRepeated = 1 << 20
)

// AMF0 type markers (AMF0 2.1).
const (
	markerNumber      = 0x00
	markerBoolean     = 0x01
	markerString      = 0x02
	markerObject      = 0x03
	markerMovieClip   = 0x04
	markerNull        = 0x05
	markerUndefined   = 0x06
	markerReference   = 0x07
	markerECMAArray   = 0x08
	markerObjectEnd   = 0x09
	markerStrictArray = 0x0A
	markerDate        = 0x0B
	markerLongString  = 0x0C
	markerUnsupported = 0x0D
	markerRecordSet   = 0x0E
	markerXML         = 0x0F
	markerTypedObject = 0x10
	markerAMF3        = 0x11 // the next value is AMF3 (AMF0 3.1)
)

// AMF3 type markers (AMF3 3.1).
const (
	marker3Undefined    = 0x00
	marker3Null         = 0x01
	marker3False        = 0x02
	marker3True         = 0x03
	marker3Integer      = 0x04
	marker3Double       = 0x05
	marker3String       = 0x06
	marker3XMLDocument  = 0x07
	marker3Date         = 0x08
	marker3Array        = 0x09
	marker3Object       = 0x0A
	marker3XML          = 0x0B
	marker3ByteArray    = 0x0C
	marker3VectorInt    = 0x0D
	marker3VectorUint   = 0x0E
	marker3VectorDouble = 0x0F
	marker3VectorObject = 0x10
	marker3Dictionary   = 0x11
)

// formatAMF0 in front of the values of RTMP message types 15 and 17 says that
// they begin as AMF0.
const formatAMF0 = 0x00
