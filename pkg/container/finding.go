package container

import "fmt"

// Severity orders findings. A recording without an Error or a Warning is whole.
type Severity uint8

// The severities.
const (
	Note Severity = iota
	Warning
	Error
)

// String returns "note", "warning" or "error".
func (s Severity) String() string { return [...]string{"note", "warning", "error"}[s] }

// Finding is one thing that a scan or a check found in a recording.
type Finding struct {
	Code     string // stable: F04, M20; see docs/formats
	Severity Severity
	Offset   int64 // first byte it is about
	End      int64 // and the one after the last
	Text     string
	Repair   string // what fix does about it; empty if there is nothing to do
}

// FormatError says what is wrong at a place of a file or of a message body.
type FormatError struct {
	Format    string // "flv"
	Structure string // "tag", "video body"
	Offset    int64
	Reason    string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%s: %s at %d: %s", e.Format, e.Structure, e.Offset, e.Reason)
}
