package peers

import "errors"

// Freeze would stop the program without ending it; Windows has no signal for it.
func (p *Process) Freeze() error { return errors.ErrUnsupported }

// Thaw would let a frozen program go on.
func (p *Process) Thaw() error { return errors.ErrUnsupported }
