package amf

import (
	"errors"
	"fmt"
)

// The kinds of an [Error], for errors.Is. An Error of none of them is malformed input.
var (
	ErrTruncated   = errors.New("amf: truncated")   // the input ends inside a value
	ErrLimit       = errors.New("amf: limit")       // a limit of this package is exceeded
	ErrUnsupported = errors.New("amf: unsupported") // valid, but of a type that is not read
)

// Error says what could not be read, and where.
type Error struct {
	What   string // the part that was being read
	Offset int    // of that part in the input
	Reason string
	kind   error
}

// Error returns, for example, "amf: string at 17: have 3 bytes, want 10".
func (e *Error) Error() string {
	return fmt.Sprintf("amf: %s at %d: %s", e.What, e.Offset, e.Reason)
}

// Unwrap returns ErrTruncated, ErrLimit, ErrUnsupported or nil.
func (e *Error) Unwrap() error { return e.kind }
