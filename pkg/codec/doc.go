// Package codec reads what a decoder must know before the first frame: decoder
// configuration records, parameter sets and the headers of frames. It answers
// a few questions and does no I/O:
//
//   - [ParseVideo] and [ParseAudio]: what does this sequence header describe?
//   - [FrameConfig]: what does a frame tell where there is no such header?
//   - [ParseFrameSize]: how large is the picture, where the configuration does
//     not say so (VP8, VP9)?
//   - [IsKey]: can a decoder start at this frame?
//   - [Audio.Samples] and [ParseSyncFrame]: how long does this sound last, and where
//     does its next frame begin?
//   - [AC3Record], [EAC3Record] and [AV1Sample]: what does a file keep of it?
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
// (AudioSpecificConfig), RFC 7845 (OpusHead), RFC 9639 (FLAC), ETSI TS 102 366 (dac3,
// dec3) and the first byte of an FLV body (PCM, G.711), in the forms that RTMP
// publishers send.
package codec
