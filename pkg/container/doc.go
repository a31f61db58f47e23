// Package container is what every recording format shares: the file under a
// recording, findings about it, and plans that change it. Apply is the only code
// that changes a recording that already exists.
package container
