// Package monitor tells monitoring programs over HTTP what serve is doing: whether
// it is alive, its metrics for Prometheus, and profiles of the process.
package monitor
