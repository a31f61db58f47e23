// Package amf reads AMF0 and AMF3 values and writes AMF0, the encodings of RTMP
// commands and of FLV script data.
//
// [Parse] reads all values of a message, [ParseMessage3] those of the RTMP
// message types 15 and 17, and [ParseValue] a single one. [Append] writes; a
// value wrapped by [At] also tells where it landed, so that it can be patched in
// a file later. [Get], [String] and [Number] look into values the way encoders
// need it: many write an array for an object, or a string for a number.
//
// The Go types of the values:
//
//	nil           null
//	Undefined     undefined
//	bool          boolean
//	float64       number, AMF3 integer and double
//	string        string and long string
//	Object        anonymous object, in the order of the wire
//	ECMAArray     associative array, AMF3 dictionary
//	StrictArray   dense array, AMF3 vector
//	TypedObject   object of a named class
//	Date          date
//	XML           XML document
//	Unsupported   the value that the sender could not encode
//	[]byte        AMF3 byte array
//
// Input is never trusted. Limits ([MaxDepth] and its neighbours) are checked
// before memory is taken, a declared count reserves none, and what references
// repeat is charged as if it were written out, so that no small message stands
// for a huge value. A reference to a value that is not complete yet, which
// would make a cycle, reads as Undefined. Strings are the sender's bytes: they
// need not be UTF-8.
//
// Clauses are those of Adobe's "Action Message Format - AMF 0" (2007), cited as
// AMF0, and "AMF 3 Specification" (January 2013), cited as AMF3.
package amf
