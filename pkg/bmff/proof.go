package bmff

import (
	"bytes"
	"hash/crc32"
	"io"

	"github.com/rtmptool/rtmptool/pkg/container"
)

const (
	// maxPending is how many fragments wait for a later one to prove them before
	// they are read to prove themselves.
	maxPending = 4096
	// proofFactor and proofExtra bound what is read to prove fragments: a file that
	// is made of false ones must not be read a thousand times.
	proofFactor = 4
	proofExtra  = 64 << 20
	proofBuffer = 256 << 10
)

// prove settles everything that is pending.
func (s *scanner) prove() { s.settle(true) }

// settle takes the pending fragments that were synced; all of them after reading
// the others, if it must.
func (s *scanner) settle(all bool) {
	n := 0
	for ; n < len(s.pending); n++ {
		f := s.pending[n]
		if f.end > s.synced {
			if !all {
				break
			}
			if !s.intact(f) {
				s.find("M46", container.Warning, f.offset, f.end, "a fragment that was not synced does not match its CRC")
				s.free = append(s.free, f)
				continue
			}
		}
		s.take(f)
	}
	s.pending = append(s.pending[:0], s.pending[n:]...)
}

// intact compares a fragment with its CRC.
func (s *scanner) intact(f *fragment) bool {
	if s.budget -= f.end - f.offset; s.budget < 0 {
		return false
	}
	sum, ok := uint32(0), true
	part := func(from, to int64) {
		if ok {
			sum, ok = s.checksum(sum, from, to)
		}
	}
	part(f.offset, f.crcAt)
	sum = crc32.Update(sum, castagnoli(), make([]byte, 4))
	part(f.crcAt+4, f.offset+f.moof)
	part(f.data, f.end)
	return ok && sum == f.crc
}

// checksum goes on with a CRC over a range of the file.
func (s *scanner) checksum(sum uint32, from, to int64) (uint32, bool) {
	if s.buf == nil {
		s.buf = make([]byte, min(proofBuffer, s.window.size))
	}
	for from < to {
		n, err := s.window.r.ReadAt(s.buf[:min(int64(len(s.buf)), to-from)], from)
		if n == 0 {
			if err != io.EOF {
				s.window.fail(from, to-from, err)
			}
			return 0, false
		}
		sum = crc32.Update(sum, castagnoli(), s.buf[:n])
		from += int64(n)
	}
	return sum, true
}

// resync looks for the next fragment of this file that its CRC proves. The file id
// keeps what only looks like one, in the media of a publisher, from being taken.
// Those of other makers have neither: there the boxes prove it.
func (s *scanner) resync(from int64) (int64, bool) {
	if !s.header.ours && isOpenHead(s.window.at(0, headSize)) {
		return 0, false // it is ours, and the id is lost
	}
	const step = 1 << 20
	buf := make([]byte, min(step, s.window.size-from))
	for at := from; at < s.window.size && s.budget >= 0; at += step - boxHeader {
		n, err := s.window.r.ReadAt(buf[:min(int64(len(buf)), s.window.size-at)], at)
		if err != nil && err != io.EOF {
			s.window.fail(at, int64(len(buf)), err)
			return 0, false
		}
		for i := 0; ; {
			j := bytes.Index(buf[i:n], []byte("moof"))
			if j < 0 {
				break
			}
			i += j + 4
			if candidate := at + int64(i) - boxHeader; candidate >= from && s.proven(candidate) {
				return candidate, true
			}
		}
	}
	return 0, false
}

// proven reports whether an intact fragment begins there.
func (s *scanner) proven(at int64) bool {
	b, err := s.window.box(at, s.window.size)
	if err != nil {
		return false
	}
	if s.budget -= min(b.size, maxMoof); s.budget < 0 {
		return false
	}
	f, _, _ := s.fragment(at)
	if f == nil {
		return false
	}
	s.free = append(s.free, f)
	if !s.header.ours {
		return f.rows > 0 && s.boxFollows(f.end)
	}
	return s.intact(f)
}

// boxFollows: the file ends there, or goes on with a box that may follow a fragment.
func (s *scanner) boxFollows(at int64) bool {
	if at == s.window.size {
		return true
	}
	head := s.window.at(at, boxHeader)
	return len(head) == boxHeader && (string(head[4:]) == "moof" || knownBox(string(head[4:])))
}
