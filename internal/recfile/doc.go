// Package recfile opens any recording by its first bytes and says what it is, what
// is wrong with it and what would mend it, for inspect, fix and the recovery at
// the start of serve. The formats themselves are in pkg/flv and pkg/bmff.
package recfile
