package bench

import "time"

// A stamp is coded in bytes of 0x80 and above, so that no server sees a start code in it
// or puts an emulation prevention byte there, and stands at the start of a NAL unit's
// payload, which servers that take streams apart pass on as well.
//
//	0..3    mark
//	4..7    the run, a random number, 7 bits a byte as all that follows
//	8..13   when the frame was due, in us since the run began
//	14..18  number of the frame, from 0
const stampSize = 19

const stampMark = "\xf1\xe2\xd3\xc4"

// stamp has a time by the clock of its run, which others cannot compare with theirs.
type stamp struct {
	run   uint32 // below maxRun
	due   time.Duration
	frame uint64
}

const maxRun = 1 << 28

func (s stamp) put(b []byte) {
	copy(b, stampMark)
	put7(b[4:8], uint64(s.run))
	put7(b[8:14], uint64(s.due.Microseconds()))
	put7(b[14:19], s.frame)
}

// readStamp reads the stamp at the start of b.
func readStamp(b []byte) (s stamp, ok bool) {
	if len(b) < stampSize || string(b[:4]) != stampMark {
		return stamp{}, false
	}
	return stamp{uint32(get7(b[4:8])), time.Duration(get7(b[8:14])) * time.Microsecond, get7(b[14:19])}, true
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
