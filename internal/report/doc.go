// Package report shows what is known of recordings: as text for people, and as
// JSON with a version for programs (docs/formats/inspect-json.md).
package report
