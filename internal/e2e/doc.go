// Package e2e tests the built program with real peers: FFmpeg, GStreamer and
// rtmpdump publish, watch and judge what was recorded. It has no code of its own.
//
// RTMPTOOL_BIN names a program to test instead of one built from this checkout.
// RTMPTOOL_KILLS is how often the server is killed, RTMPTOOL_SEED repeats the moments
// of an earlier run. RTMPTOOL_LONG=1 runs what takes minutes, and more cases of a kind. RTMPTOOL_RACE=1 builds it with the race detector and runs one real-time test.
package e2e
