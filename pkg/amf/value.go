package amf

// Undefined is the undefined value (AMF0 2.8, AMF3 3.2).
type Undefined struct{}

// Unsupported stands for a value that the sender could not encode (AMF0 2.15).
type Unsupported struct{}

// Property is one key of an object or associative array with its value.
type Property struct {
	Key   string
	Value any
}

// Object is an anonymous object (AMF0 2.5). Keys keep their order and may repeat.
type Object []Property

// ECMAArray is an associative array (AMF0 2.10), the usual form of onMetaData.
type ECMAArray []Property

// StrictArray is an array with the indices 0 to len-1 (AMF0 2.12).
type StrictArray []any

// TypedObject is an object of a named class (AMF0 2.18).
type TypedObject struct {
	Class  string
	Object Object
}

// Date is a point in time (AMF0 2.13).
type Date struct {
	Milliseconds float64 // since 1970-01-01 00:00 UTC
	Zone         int16   // reserved by the specification; some encoders put minutes here
}

// XML is the text of an XML document (AMF0 2.17).
type XML string

// properties returns the keys and values of v, or nil where v has no keys.
func properties(v any) []Property {
	switch v := v.(type) {
	case Object:
		return v
	case ECMAArray:
		return v
	case TypedObject:
		return v.Object
	}
	return nil
}
