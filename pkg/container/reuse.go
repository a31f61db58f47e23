package container

// maxReused is more than a flush of most streams takes, in bytes.
const maxReused = 64 << 10

// Reuse empties a buffer that was written, to be filled again. One that is as large as a
// disk that stood still has made it is given up.
func Reuse(buf []byte) []byte {
	if cap(buf) > maxReused {
		return nil
	}
	return buf[:0]
}
