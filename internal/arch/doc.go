// Package arch has no code: its tests hold the project to its architecture, the
// direction of imports and the rules for pkg/ (docs/ARCHITECTURE.md).
package arch
