// Package live relays: it holds the one thing that the goroutines of a stream
// share, a ring of packets.
//
// A publisher appends to the ring and is never held up. A viewer and a recorder
// are equals: each owns a [Cursor] and pulls at its own pace. Whoever falls
// behind what the ring keeps gets a counted gap and goes on at a keyframe. A viewer that
// keeps up lends its cursor to the stream's fan, see [Cursor.Follow]: to wake a goroutine
// for every viewer and frame costs more than the rest of the work.
//
// Packets become visible to cursors at flush points, a video frame with the audio
// before it, so that a frame costs one wake-up a reader and not one a message.
package live
