// Package flv is the grammar of FLV: the bodies of audio and video messages,
// legacy and Enhanced RTMP, which are also the bodies of FLV tags, and the file
// made of such tags.
//
//	format.go    every constant, with its clause
//	body.go      the header of a body: Header, ParseHeader, Append
//	packet.go    body -> media.Packet (Parse) and media.Sample (Samples)
//	script.go    onMetaData and the keyframe index
//	index.go     what is known of a file: filled by Writer, rebuilt by Scan
//	writer.go    packets -> file
//	tag.go       a tag where it stands; Reader. window.go, clock.go: its bytes and its time
//	scan.go      file -> index; table.go: the samples
//	head.go      header and onMetaData of a file, damaged or not
//	proof.go     where tags go on behind damage
//	damage.go    what is wrong with a tag, and what mends it
//	note.go      the tag that holds what was damaged
//	check.go     index -> findings; verify.go: those of the media
//	finalize.go  index -> the edits that finish a file
//	copy.go      what is whole of anybody's file -> a file of ours
//
// "FLV" in a comment is Adobe's Flash Video File Format Specification 10.1,
// annex E; "E-RTMP" is Enhanced RTMP v2 of the Veovera Software Organization.
package flv
