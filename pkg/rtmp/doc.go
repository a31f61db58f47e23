// Package rtmp is the wire of RTMP 1.0: handshake, chunk streams, messages and
// commands, in the server's and in the client's role. It knows no stream and no
// file, starts no goroutine and asks no clock.
//
// A [Conn] turns bytes into [Message] values and back. It applies and answers
// the protocol control messages itself (chunk size, abort, acknowledgement,
// window, ping) and hands every message on to its reader.
//
//	handshake.go  C0..C2 and S0..S2, simple and digest
//	reader.go     chunks -> messages
//	frame.go      messages -> chunks, encoded once for any number of receivers
//	conn.go       one connection: both directions and protocol control
//	command.go    AMF commands and status objects
//	name.go       application, instance, key and query -> one stream name
//	client.go     the client's side of connect, publish and play
//
// "RTMP n.n" in a comment is a clause of Adobe's RTMP 1.0 specification of
// December 2012.
package rtmp
