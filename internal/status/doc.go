// Package status shows people what serve is doing: a greeting, a line a stream
// that is kept up to date on a terminal, and a log line a minute elsewhere. A
// service manager hears it in its own words.
package status
