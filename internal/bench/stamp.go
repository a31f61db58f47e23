package bench

import "time"

// A stamp is coded in bytes of 0x80 and above, so that no server sees a start code in it
// or puts an emulation prevention byte there, and stands at the start of a NAL unit's
// payload, which servers that take streams apart pass on as well.
//
//	0..3    mark
//	4..9    when the frame was due, in us since the run began, 7 bits a byte
//	10..14  number of the frame, from 0
const stampSize = 15

const stampMark = "\xf1\xe2\xd3\xc4"

type stamp struct {
	due   time.Duration
	frame uint64
}

func (s stamp) put(b []byte) {
	copy(b, stampMark)
	put7(b[4:10], uint64(s.due.Microseconds()))
	put7(b[10:15], s.frame)
}

// readStamp reads the stamp at the start of b.
func readStamp(b []byte) (s stamp, ok bool) {
	if len(b) < stampSize || string(b[:4]) != stampMark {
		return stamp{}, false
	}
	return stamp{time.Duration(get7(b[4:10])) * time.Microsecond, get7(b[10:15])}, true
}

func put7(b []byte, v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = 0x80 | byte(v&0x7f)
		v >>= 7
	}
}

func get7(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<7 | uint64(c&0x7f)
	}
	return v
}
