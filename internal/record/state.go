package record

// State says in a word how a recording is doing.
type State string

// The states.
const (
	Waiting   State = "waiting"   // for a keyframe to begin with
	Recording State = "recording" // to Path
	Disabled  State = "disabled"  // because of Err; lack of room may pass
)

// State returns the state.
func (s *Status) State() State {
	switch {
	case s.Err != nil:
		return Disabled
	case s.Path == "":
		return Waiting
	}
	return Recording
}
