// Package record writes published streams to disk. A [Recorder] is a cursor on a
// stream that feeds a file writer, in a goroutine of its own: whatever happens to
// the disk, the stream's publisher and viewers do not notice.
package record
