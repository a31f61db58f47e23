// Package server accepts RTMP connections and runs their sessions: it joins
// pkg/rtmp, pkg/flv, internal/live and internal/record.
//
// A session has one goroutine that reads. It answers commands and publishes what
// a publisher sends; every stream that is played has one more, which pulls from
// the stream's ring and writes. While a viewer keeps up, the ring's side writes for it.
//
//	server.go   listeners, limits, shutdown
//	session.go  one connection: its phases and its message streams
//	command.go  one method a command
//	access.go   who may publish or play
//	secure.go   TLS
//	publish.go  the life of a message, up to the ring
//	play.go     from the ring to a viewer
//	socket_*.go writes and reads of a connection, with and without waiting
//	clock.go    publishers' timestamps -> the stream's time
package server
