// Package bmff is our MP4 (ISO base media file format): while it is recorded an
// append-only log of fragments, closed a plain ftyp | mdat | moov file. One small
// write at the head of the file, the commit, turns the one into the other; no
// media is ever moved.
//
//	format.go    every constant and offset, with its clause
//	boxes.go     the init and the closing moov but for the sample tables
//	entry.go     sample entries: what a codec's configuration becomes
//	tables.go    the sample tables, streamed
//	fragment.go  a fragment: encoder and decoder
//	timeline.go  milliseconds of a publisher -> ticks of a track
//	writer.go    samples -> file
//	walk.go      bounded box headers
//	scan.go      file -> container.Index
//	finalize.go  index -> the edits that finish a file
//
// "BMFF n" in a comment is a clause of ISO/IEC 14496-12. docs/formats/hybrid-mp4.md
// has the byte tables.
package bmff
