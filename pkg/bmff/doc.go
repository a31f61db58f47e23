// Package bmff is our MP4 (ISO base media file format): while it is recorded an
// append-only log of fragments, closed a plain ftyp | mdat | moov file. One small
// write at the head of the file, the commit, turns the one into the other; no
// media is ever moved.
//
//	format.go      every constant and offset, with its clause
//	timeline.go    milliseconds of a publisher -> ticks of a track
//	writer.go      samples -> file
//	reserve.go     room on the disk for the end of a file
//	fragment.go    the encoder of a fragment; moof.go: its decoder
//	boxes.go       the init and the closing moov but for the sample tables; moov.go: their decoder
//	entry.go       sample entries: what a codec's configuration becomes; describe.go: back again
//	tables.go      the sample tables, streamed; decode.go: their decoder
//	walk.go        bounded box headers
//	scan.go        file -> Index; fragments.go, proof.go: from the fragments, and which of them count
//	check.go       Index -> what a player may stumble over; verify.go: what has changed in the media
//	finalize.go    Index -> the edits that finish a file
//	copy.go        anybody's file -> a plain one
//
// "BMFF n" in a comment is a clause of ISO/IEC 14496-12. docs/formats/hybrid-mp4.md
// has the byte tables.
package bmff
