package flv

import (
	"bytes"
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
		{TagScriptAMF3, 5 * time.Millisecond, 29, []byte{}},
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
		{"across 2^31 with 31 bits", []uint32{0x3FFFFFFF, 0x7FFFFFFE, 1, 41}, []int64{1<<30 - 1, 1<<31 - 2, 1<<31 + 1, 1<<31 + 41}},
		{"across 2^31 with 32 bits", []uint32{0x3FFFFFFF, 0x7FFFFFFE, 0x80000001}, []int64{1<<30 - 1, 1<<31 - 2, 1<<31 + 1}},
		{"across 2^32", []uint32{0x3FFFFFFF, 0x7FFFFFFE, 0xBFFFFFFD, 0xFFFFFFFC, 4}, []int64{1<<30 - 1, 1<<31 - 2, 3<<30 - 3, 1<<32 - 4, 1<<32 + 4}},
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

// Each error says where and what; Scan tells the same as a finding.
func TestReaderErrors(t *testing.T) {
	whole := "08 000001 000000 00 000000 2F 0000000C" // from 13 to 29
	for _, tc := range []struct {
		name  string
		hex   string
		error string
		at    int64
		code  string
	}{
		{"empty", "", "flv: header at 0: file of 0 bytes, want at least 13", 0, "F02"},
		{"header cut", "464C5601 05 00000009 000000", "flv: header at 0: file of 12 bytes, want at least 13", 0, "F02"},
		{"signature", "464C5701 05 00000009 00000000" + whole, "flv: header at 0: signature 46 4c 57 01, want 46 4c 56 01", 0, "F02"},
		{"version", "464C5602 05 00000009 00000000", "flv: header at 0: signature 46 4c 56 02, want 46 4c 56 01", 0, "F02"},
		{"data offset in the header", "464C5601 05 00000008 00000000", "flv: header at 5: data offset 8 outside the file", 5, "F02"},
		{"data offset behind the file", "464C5601 05 0000000A 00000000", "flv: header at 5: data offset 10 outside the file", 5, "F02"},
		{"data offset of 4 GiB", "464C5601 05 FFFFFFFF 00000000", "flv: header at 5: data offset 4294967295 outside the file", 5, "F02"},
		{"unknown type", fileHeader + whole + "0A 000001 000000 00 000000 2F 0000000C", "flv: tag at 29: type 10", 29, "F05"},
		{"zeros", fileHeader + strings.Repeat("00", 15), "flv: tag at 13: type 0", 13, "F05"},
		{"back pointer", fileHeader + "08 000001 000000 00 000000 2F 0000000B", "flv: tag at 13: back pointer 11, want 12", 13, "F05"},
		{"tag header cut", fileHeader + whole + "08 000001 000000 00 000000", "flv: tag at 29: have 11 bytes, want 15: cut by the end of the file", 29, "F04"},
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
		if torn := tc.code == "F04"; errors.Is(err, ErrTorn) != torn {
			t.Errorf("%s: torn is %v", tc.name, !torn)
		}
		want := container.Finding{Code: tc.code, Severity: container.Error, Offset: tc.at, End: int64(len(data)), Text: tc.error}
		if tc.code == "F02" {
			want.Offset, want.End = 0, min(want.End, headerSize)
		}
		_, findings := Scan(bytes.NewReader(data), int64(len(data)))
		sameFindings(t, tc.name, findings, []container.Finding{want})
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
	x, findings := Scan(bytes.NewReader(data), int64(len(data)))
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

// An error of the disk is none of the file. A file that ends before its size does
// so by error too.
func TestReaderDiskError(t *testing.T) {
	data := unhex(fileHeader + tagAt(0) + "08 000002 000000 00 000000 2F00 0000000D")
	for from := range int64(len(data)) {
		for _, tc := range []struct{ err, want error }{{errDisk, errDisk}, {io.EOF, io.ErrUnexpectedEOF}} {
			r := failingReader{data, from, tc.err}
			err := walk(r, int64(len(data)))
			var format *container.FormatError
			if !errors.Is(err, tc.want) || errors.As(err, &format) {
				t.Errorf("%v at %d: got %v", tc.err, from, err)
			}
			x, findings := Scan(r, int64(len(data)))
			if len(findings) != 1 || findings[0].Text != tc.want.Error() || x.End > from {
				t.Errorf("%v at %d: %+v, end %d", tc.err, from, findings, x.End)
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
	x, findings := Scan(bytes.NewReader(data), int64(len(data)))
	want := Index{Created: someTime, FrameRate: 25, Tags: 4, End: int64(len(data)), stride: 1, keys: 1,
		video:  trackInfo{seen: true, codec: media.H264, codecID: 7, frames: 1, first: time.Second, last: time.Second},
		points: []point{{time.Second, int64(len(data) - 15 - 5 - len(unhex(avcKey)))}}}
	sameIndex(t, "foreign", x, want)
	sameFindings(t, "foreign", findings, nil)
}
