//go:build !linux

package record

import "os"

// diskFile is a recording on a real disk. Room cannot be reserved here.
type diskFile struct{ *os.File }
