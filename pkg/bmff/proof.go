package bmff

import (
	"bytes"
	"hash/crc32"
	"io"
	"iter"

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
		unsynced := f.end > s.synced
		if unsynced && !all {
			break
		}
		if unsynced || n+1 < len(s.pending) && f.startsAfter(s.pending[n+1]) {
			if !s.intact(f) {
				s.find("M46", container.Warning, f.unit, f.end, "a fragment that was not synced, or whose times step back, does not match its CRC")
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
	for at := range s.boxes(from, []byte("moof")) {
		if s.proven(at) {
			return at, true
		}
	}
	return 0, false
}

// boxes yields where behind an offset a box of a kind may begin, for uuid with the uuid.
func (s *scanner) boxes(from int64, kind []byte) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		const step = 1 << 20
		buf := make([]byte, max(0, min(step, s.window.size-from)))
		for at := from; at < s.window.size && s.budget >= 0; at += step - uuidHeader {
			n, err := s.window.r.ReadAt(buf[:min(int64(len(buf)), s.window.size-at)], at)
			if err != nil && err != io.EOF {
				s.window.fail(at, int64(len(buf)), err)
				return
			}
			for i := 0; ; {
				j := bytes.Index(buf[i:n], kind)
				if j < 0 {
					break
				}
				i += j + len(kind)
				if b := at + int64(i-len(kind)) - 4; b >= from && !yield(b) {
					return
				}
			}
		}
	}
}

// initCopy takes the tracks from the copy of the init moov that its CRC proves.
func (s *scanner) initCopy() bool {
	for at := range s.boxes(headSize, append([]byte("uuid"), uuidInit[:]...)) {
		outer, err := s.window.box(at, s.window.size)
		if err != nil || outer.size > maxInit {
			continue
		}
		if s.budget -= outer.size; s.budget < 0 {
			return false
		}
		b, all, ok := s.window.whole(at+uuidHeader, "moov", maxInit)
		if !ok || b.end() != outer.end() || !summed(all) {
			continue
		}
		if h, err := parseMoov(all[b.header:]); err == nil && h.fragmented && h.ours {
			s.findings = nil // what was found without it
			s.begin(h)
			s.index.End = headSize + b.size
			s.find("M02", container.Error, headSize, s.index.End, "the init moov is damaged: its copy counts")
			return true
		}
	}
	return false
}

// orphans counts the intact fragments of a file where nothing tells what is in them.
func (s *scanner) orphans() {
	restore := s.kept()
	s.anonymous([16]byte{})
	s.anyID = true
	count, size, end := 0, int64(0), int64(0)
	for at := range s.boxes(headSize, []byte("moof")) {
		if at < end || !s.proven(at) {
			continue
		}
		f := s.free[len(s.free)-1] // as it was proven
		count, size, end = count+1, size+f.end-f.data, f.end
	}
	restore()
	if count > 0 {
		s.index.Ours, s.orphaned = true, true
		s.findings = nil
		s.find("M03", container.Error, 0, s.window.size, "the description of the tracks is damaged: %d fragments with %d bytes of samples are intact, but nothing tells what is in them", count, size)
	}
}

// anonymous lets fragments be read whatever their tracks are.
func (s *scanner) anonymous(fileID [16]byte) {
	h := header{ours: true, fileID: fileID}
	for i := range maxTracks {
		h.tracks = append(h.tracks, &headerTrack{detail: detail{number: uint32(i + 1)}})
	}
	s.begin(h)
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
		return f.rows > 0 && !f.cut && s.boxFollows(f.end)
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
