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
//	scan.go      file -> index
//	finalize.go  index -> the edits that finish a file
//
// "FLV" in a comment is Adobe's Flash Video File Format Specification 10.1,
// annex E; "E-RTMP" is Enhanced RTMP v2 of the Veovera Software Organization.
package flv
