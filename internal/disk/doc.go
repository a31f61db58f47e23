// Package disk is what recordings ask of the file system beside files: how much
// room there is, and that a directory survives a power cut.
package disk
