package flv

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

const fileHeader = "464C5601 05 00000009 00000000 "

// tagAt returns a tag with an empty body.
func tagAt(stamp uint32) string {
	return fmt.Sprintf("08 000000 %06x %02x 000000 0000000B", stamp&0xFFFFFF, stamp>>24)
}

func TestReader(t *testing.T) {
	data := unhex(fileHeader + "12 000001 000000 00 000000 05 0000000C" + "0F 000000 000005 00 000000 0000000B" +
		"09 000002 000006 00 ABCDEF 2701 0000000D" + "08 000003 000007 00 000000 AF0100 0000000E")
	r, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Tag{
		{TagScript, 0, 13, []byte{5}},
		{TagScriptAMF3, 5 * time.Millisecond, 29, nil},
		{TagVideo, 6 * time.Millisecond, 44, unhex("2701")}, // whatever its stream id
		{TagAudio, 7 * time.Millisecond, 61, unhex("AF0100")},
	} {
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	for range 2 {
		if _, err := r.Next(); err != io.EOF {
			t.Error(err)
		}
	}
}

// The 32 bits of a time are signed for some writers, and others drop the upper
// one: what counts is how far a tag is from the one before it.
func TestReaderTimes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		stamps []uint32
		want   []int64
	}{
		{"first tag late", []uint32{5000, 5040}, []int64{5000, 5040}},
		{"first tag at uptime", []uint32{0x3FFFFFFF, 0x40000000}, []int64{1<<30 - 1, 1 << 30}},
		{"first tag below 0", []uint32{0xFFFFFFFB, 0, 5}, []int64{-5, 0, 5}},
		{"first tag below 0, 31 bits", []uint32{0x7FFFFFFB, 0, 5}, []int64{-5, 0, 5}},
		{"across 2^24", []uint32{0xFFFFFF, 0x1000000}, []int64{1<<24 - 1, 1 << 24}},
		{"across 2^31 with 31 bits", []uint32{0x3FFFFFFF, 0x50000000, 0x60000000, 0x70000000, 0x7FFFFFFC, 4, 44}, []int64{4<<28 - 1, 5 << 28, 6 << 28, 7 << 28, 8<<28 - 4, 8<<28 + 4, 8<<28 + 44}},
		{"across 2^31 with 32 bits", []uint32{0x3FFFFFFF, 0x50000000, 0x60000000, 0x70000000, 0x7FFFFFFC, 0x80000004}, []int64{4<<28 - 1, 5 << 28, 6 << 28, 7 << 28, 8<<28 - 4, 8<<28 + 4}},
		{"across 2^32", []uint32{0xBFFFFFFF, 0xD0000000, 0xE0000000, 0xF0000000, 0xFFFFFFFC, 4}, []int64{4<<28 - 1, 5 << 28, 6 << 28, 7 << 28, 8<<28 - 4, 8<<28 + 4}},
		{"a wrong bit", []uint32{0, 40, 80 | 1<<30, 120, 160}, []int64{0, 40, 40, 120, 160}},
		{"a wrong bit once more", []uint32{0, 40 | 1<<30, 80, 120 | 1<<30, 160 + 3<<28, 200}, []int64{0, 0, 80, 80, 80, 200}},
		{"a step of days", []uint32{0, 40, 3 << 28, 3<<28 + 40, 3<<28 + 80}, []int64{0, 40, 40, 3<<28 + 40, 3<<28 + 80}},
		{"and back", []uint32{3 << 28, 0, 40, 80}, []int64{3 << 28, 3 << 28, 40, 80}},
		{"back and forth", []uint32{1000, 0, 1040, 1020}, []int64{1000, 0, 1040, 1020}},
	} {
		s := fileHeader
		for _, stamp := range tc.stamps {
			s += tagAt(stamp)
		}
		r, err := NewReader(bytes.NewReader(unhex(s)), int64(len(unhex(s))))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range tc.want {
			tag, err := r.Next()
			if err != nil || tag.Time != time.Duration(want)*time.Millisecond {
				t.Errorf("%s: tag %d at %v, want %d ms (%v)", tc.name, i, tag.Time, want, err)
			}
		}
	}
}

// Each error says where and what; Scan tells the same as a finding, and what to do.
func TestReaderErrors(t *testing.T) {
	tag := "08 000001 000000 00 000000 2F 0000000C" // from 13 to 29
	for _, tc := range []struct {
		name  string
		hex   string
		error string
		at    int64
		codes string
	}{
		{"empty", "", "flv: header at 0: file of 0 bytes, want at least 13", 0, "F02"},
		{"header cut", "464C5601 05 00000009 000000", "flv: header at 0: file of 12 bytes, want at least 13", 0, "F02"},
		{"signature", "464C5701 05 00000009 00000000" + tag, "flv: header at 0: signature 46 4c 57 01, want 46 4c 56 01", 0, "F02"},
		{"version", "464C5602 05 00000009 00000000", "flv: header at 0: signature 46 4c 56 02, want 46 4c 56 01", 0, "F02"},
		{"data offset in the header", "464C5601 05 00000008 00000000", "flv: header at 0: data offset 8 outside the file", 0, "F02"},
		{"data offset behind the file", "464C5601 05 0000000A 00000000", "flv: header at 0: data offset 10 outside the file", 0, "F02"},
		{"data offset of 4 GiB", "464C5601 05 FFFFFFFF 00000000", "flv: header at 0: data offset 4294967295 outside the file", 0, "F02"},
		{"no FLV", hex.EncodeToString([]byte("this is a text")), "flv: header at 0: signature 74 68 69 73, want 46 4c 56 01", 0, "F02 F04"},
		{"unknown type", fileHeader + tag + "0A 000001 000000 00 000000 2F 0000000C", "flv: tag at 29: type 10", 29, "F04"},
		{"zeros", fileHeader + strings.Repeat("00", 15), "flv: tag at 13: type 0", 13, "F04"},
		{"back pointer", fileHeader + "08 000001 000000 00 000000 2F 0000000B", "flv: tag at 13: back pointer 11, want 12", 13, "F07"},
		{"back pointer of zeros", fileHeader + "08 000001 000000 00 000000 2F 00000000", "flv: tag at 13: back pointer 0, want 12", 13, "F04"},
		{"tag header cut", fileHeader + tag + "08 000001 000000 00 0000", "flv: tag at 29: have 10 bytes, want 15: cut by the end of the file", 29, "F04"},
		{"tag cut behind its header", fileHeader + tag + "08 000001 000000 00 000000", "flv: tag at 29: have 11 bytes, want 16: cut by the end of the file", 29, "F04"},
		{"one byte of a tag", fileHeader + "08", "flv: tag at 13: have 1 bytes, want 15: cut by the end of the file", 13, "F04"},
		{"body cut", fileHeader + "08 FFFFFF 000000 00 000000 2F 0000000C", "flv: tag at 13: have 16 bytes, want 16777230: cut by the end of the file", 13, "F04"},
		{"back pointer cut", fileHeader + "08 000001 000000 00 000000 2F 000000", "flv: tag at 13: have 15 bytes, want 16: cut by the end of the file", 13, "F04"},
	} {
		data := unhex(tc.hex)
		err := walk(bytes.NewReader(data), int64(len(data)))
		var format *container.FormatError
		if !errors.As(err, &format) || err.Error() != tc.error || format.Offset != tc.at {
			t.Errorf("%s: got %v", tc.name, err)
		}
		_, findings := scan(t, bytesFile(data))
		if codesOf(findings) != tc.codes || findings[0].Text != tc.error || findings[0].Offset != tc.at || findings[0].Repair == "" {
			t.Errorf("%s: %+v", tc.name, findings)
		}
		if last := findings[len(findings)-1]; last.Code != "F02" && last.End != int64(len(data)) {
			t.Errorf("%s: ends at %d of %d", tc.name, last.End, len(data))
		}
	}
}

// walk reads all tags of a file and returns the error that ends it.
func walk(r io.ReaderAt, size int64) error {
	tags, err := NewReader(r, size)
	for err == nil {
		_, err = tags.Next()
	}
	return err
}

// What a file header has besides its 9 bytes is skipped.
func TestReaderDataOffset(t *testing.T) {
	data := unhex("464C5601 05 0000000C 08FFFF 00000000" + tagAt(40))
	r, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if tag, err := r.Next(); err != nil || tag.Offset != 16 || tag.Time != 40*time.Millisecond {
		t.Errorf("%+v, %v", tag, err)
	}
	x, findings := scan(t, bytesFile(data))
	if findings != nil || x.End != 31 || x.Tags != 1 {
		t.Errorf("%+v, %+v", x, findings)
	}
}

// Encrypted tags count as what they say they are, as their chain is whole.
func TestReaderFilter(t *testing.T) {
	data := unhex(fileHeader + "28 000000 000000 00 000000 0000000B")
	r, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if tag, err := r.Next(); err != nil || tag.Type != TagAudio {
		t.Errorf("%+v, %v", tag, err)
	}
}

// failingReader fails from an offset on.
type failingReader struct {
	data []byte
	from int64
	err  error
}

func (r failingReader) ReadAt(p []byte, at int64) (int, error) {
	n := copy(p, r.data[min(at, r.from):r.from])
	if n < len(p) {
		return n, r.err
	}
	return n, nil
}

// An error of the disk is none of the file.
func TestReaderDiskError(t *testing.T) {
	data := unhex(fileHeader + tagAt(0) + "08 000002 000000 00 000000 2F00 0000000D")
	for from := range int64(len(data)) {
		r := failingReader{data, from, errDisk}
		err := walk(r, int64(len(data)))
		var format *container.FormatError
		if !errors.Is(err, errDisk) || errors.As(err, &format) {
			t.Errorf("at %d: got %v", from, err)
		}
		if x, findings, err := Scan(r, int64(len(data))); !errors.Is(err, errDisk) || len(findings) > 0 || x.End > from {
			t.Errorf("at %d: %v, %+v, end %d", from, err, findings, x.End)
		}
	}
}

// A file that is shorter than it was said to be has what it has.
func TestReaderShorter(t *testing.T) {
	rec := record(t, longRun(), nil)
	for _, less := range []int64{0, 1, 7, 300, 20000, readAhead, 3 * readAhead} {
		f := bytesFile(rec.open[:max(0, rec.file.size()-less)])
		for _, more := range []int64{1, 10, 40000, readAhead, 3*readAhead + 1} {
			got, findings, err := Scan(f, f.size()+more)
			want, wantFindings := scan(t, f)
			if err != nil {
				t.Fatal(err)
			}
			sameIndex(t, "shorter", got, want)
			sameFindings(t, "shorter", findings, wantFindings)
			var format *container.FormatError
			if err := walk(f, f.size()+more); (err != io.EOF) != (len(findings) > 0) || err != io.EOF && !errors.As(err, &format) {
				t.Errorf("%d less, %d more: %v", less, more, err)
			}
		}
	}
}

// Files of other writers: metadata as it came from the publisher, in AMF3, more
// than once; flags that lie; bodies that nobody understands.
func TestScanForeign(t *testing.T) {
	metadata := func(rate any, date string) []byte {
		return amf.Append(nil, "onMetaData", amf.ECMAArray{{Key: "framerate", Value: rate}, {Key: "creationdate", Value: date}})
	}
	data := unhex("464C5601 00 00000009 00000000")
	data = appendTag(data, TagScript, 0, append(amf.Append(nil, "@setDataFrame"), metadata(0, "yesterday")...))
	data = appendTag(data, TagScriptAMF3, 0, append([]byte{0}, metadata("25", "2026-03-29T23:59:59Z")...))
	data = appendTag(data, TagScript, 0, metadata(50, "2027-01-01T00:00:00Z"))
	data = appendTag(data, TagScript, 0, []byte{0xFF})
	data = appendTag(data, TagVideo, 0, nil)
	data = appendTag(data, TagVideo, 0, unhex("90"))
	data = appendTag(data, TagAudio, 0, unhex("95 31 4F707573"))
	data = appendTag(data, TagVideo, time.Second, unhex("17 01 000000"+avcKey))
	x, findings := scan(t, bytesFile(data))
	want := Index{Index: container.Index{Created: someTime, End: int64(len(data))}, FrameRate: 25, Tags: 4, stride: 1, keys: 1,
		video:  trackInfo{seen: true, codec: media.H264, codecID: 7, frames: 1, first: time.Second, last: time.Second},
		points: []point{{time.Second, int64(len(data) - 15 - 5 - len(unhex(avcKey)))}}}
	sameIndex(t, "foreign", x, &want)
	sameFindings(t, "foreign", findings, nil)
}
