//go:build unix

package peers

import "syscall"

// Freeze stops the program without ending it, as a network that dies does: its
// connections stay open and silent. Thaw lets it go on.
func (p *Process) Freeze() error { return p.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen program go on.
func (p *Process) Thaw() error { return p.Signal(syscall.SIGCONT) }
