// Package status tells what serve is doing: people by a greeting, a line a stream
// that is kept up to date on a terminal and a log line a minute elsewhere, machines
// by a file, a service manager in its own words. All of it comes from the snapshots
// of one [Sampler].
package status
