// Package codec reads what a decoder must know before the first frame: decoder
// configuration records, parameter sets and the headers of frames. It answers
// three questions and does no I/O:
//
//   - [ParseVideo] and [ParseAudio]: what does this sequence header describe?
//   - [ParseFrameSize]: how large is the picture, where the configuration does
//     not say so (VP8, VP9)?
//   - [IsKey]: can a decoder start at this frame?
//
// Parameter sets and most headers are decoded by mediacommon; this package walks
// the records around them and keeps every length within what is there. No input
// makes it panic, and [MaxConfig] bounds its work. Errors name the structure, the
// field and the byte:
//
//	codec: avcC: SPS 0 at 8: have 3 bytes, want 25
//
// The records are those of ISO/IEC 14496-15 (avcC, hvcC, vvcC), the AV1 and VP
// codec ISO media file format bindings (av1C, vpcC), ISO/IEC 14496-3
// (AudioSpecificConfig), RFC 7845 (OpusHead) and RFC 9639 (FLAC), in the forms
// that RTMP publishers send.
package codec
