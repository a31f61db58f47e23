// Package bench is a load generator for any RTMP server: publishers with a stamp in
// each video frame, players that read it, and what the server's process used
// meanwhile.
//
// A publisher works by the clock (an open loop): a frame that a slow server holds up
// does not hold up the next one's stamp, so that no wait is left out. One player in ten,
// and of each stream one at least, reads messages and their stamps. The others count bytes,
// and on Linux have the system throw them away unread, so that the generator costs little
// beside the server; they acknowledge about once a second, and answer no ping in particular.
package bench
