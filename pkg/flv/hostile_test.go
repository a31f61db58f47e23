package flv

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// countingReader counts what is read.
type countingReader struct {
	*bytes.Reader
	total int64
}

func (r *countingReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := r.Reader.ReadAt(p, at)
	r.total += int64(n)
	return n, err
}

// A file that looks like tags everywhere is read a few times, not at each of them,
// and nothing of it is cut off that was not looked at.
func TestFalseStarts(t *testing.T) {
	headers := bytes.Repeat(unhex("09090909 09090909 000000 000000 000000 00"), 20_000)
	nested := []byte{0xFF}
	for len(nested) < 1<<20 {
		tag := append([]byte{TagAudio, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2F}, nested...)
		if len(nested) > 1<<10 { // as many as fit
			tag = append([]byte{TagAudio, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x2F}, nested[:1<<10]...)
		}
		size := len(tag) - tagHeaderSize
		tag[2], tag[3] = byte(size>>8), byte(size)
		nested = append(nested, append(binary.BigEndian.AppendUint32(tag, uint32(tagHeaderSize+size)), 0xFF)...)
	}
	for name, junk := range map[string][]byte{"headers": headers, "tags without a next one": nested} {
		for _, ours := range []bool{false, true} {
			data := append(unhex(fileHeader), 0xFF)
			if ours {
				data = (&Index{}).appendHead(nil)
				data = append(data, 0xFF)
			}
			data = append(data, junk...)
			r := &countingReader{Reader: bytes.NewReader(data)}
			size := int64(len(data))
			x, findings, err := Scan(r, size)
			if err != nil || r.total > proofFactor*size+proofExtra+10*size {
				t.Errorf("%s: %d bytes read of %d, %v", name, r.total, size, err)
			}
			last := findings[len(findings)-1]
			if last.End != size || x.immovable != (last.Code == "F05") {
				t.Errorf("%s: immovable %v, %+v", name, x.immovable, last)
			}
		}
	}
}

// More damage than is taken note of leaves a file that is copied, with all that is
// whole.
func TestMuchDamage(t *testing.T) {
	tag := appendTag(nil, TagAudio, 0, unhex("2F"+mp3Frame))
	island := slices.Concat(tag, tag, bytes.Repeat([]byte{0xA5}, minTag))
	n := maxRepairs/3 + 1 // edits of a note
	data := slices.Concat((&Index{}).appendHead(nil), bytes.Repeat(island, n), tag)
	f := bytesFile(data)
	x, findings := scan(t, f)
	if !x.immovable || x.Tags != 2*n+1 || len(findings) != n || Finalize(x, f.size()) != nil {
		t.Fatalf("%d tags, %d findings, immovable %v", x.Tags, len(findings), x.immovable)
	}
	dst := &memFile{}
	if err := Copy(dst, f, f.size(), x); err != nil {
		t.Fatal(err)
	}
	if y, findings := scan(t, dst); len(findings) > 0 || y.Tags != 2*n+1 {
		t.Errorf("the copy has %d tags, %v", y.Tags, findings)
	}
}
