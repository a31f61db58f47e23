package container

import "errors"

// ErrLocked says that another process or recorder holds a recording.
var ErrLocked = errors.New("the recording is in use")
