package flv

import (
	"bytes"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// A body that is taken has samples that agree with its packet, and its header can
// be written again.
func FuzzParse(f *testing.F) {
	add := func(k media.Kind, body []byte) { f.Add(uint8(k), body) }
	for _, tc := range slices.Concat(golden, tolerated) {
		if len(tc.hex) < 1<<12 {
			add(tc.header.Kind, unhex(tc.hex))
		}
	}
	for _, tc := range malformed {
		add(tc.kind, unhex(tc.hex))
	}
	add(media.Data, amf.Append(nil, "@setDataFrame", "onMetaData", amf.ECMAArray{{Key: "framerate", Value: "25"}}))
	tags := [...]uint8{TagScript, media.Audio: TagAudio, media.Video: TagVideo, media.Data: TagScript}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		p, err := Parse(tags[int(kind)%len(tags)], body)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Body, body) || p.Key && (p.Kind != media.Video || p.Role != media.Frame) {
			t.Errorf("%+v", p)
		}
		Config(p)
		if p.Kind == media.Data {
			StripDataFrame(body)
			FrameRate(body)
			return
		}
		checkSamples(t, p)
		if len(body) > 0 {
			checkHeader(t, p.Kind, body)
		}
	})
}

func checkSamples(t *testing.T, p *media.Packet) {
	n := 0
	for s := range Samples(p) {
		if n == 0 && (s.Codec != p.Codec || s.Track != p.Track || s.Key != p.Key) {
			t.Errorf("packet %+v, first sample %+v", p, s)
		}
		if s.Kind != p.Kind || len(s.Data) >= len(p.Body) {
			t.Errorf("packet %+v, sample %+v", p, s)
		}
		n++
	}
	if (n > 0) != (p.Role == media.Frame) || n > maxTracks {
		t.Errorf("packet %+v has %d samples", p, n)
	}
}

func checkHeader(t *testing.T, kind media.Kind, body []byte) {
	h, err := ParseHeader(kind, body)
	if err != nil {
		t.Fatal(err)
	}
	again := h.Append(nil)
	h2, err := ParseHeader(kind, again)
	if err != nil || h2.Size != len(again) {
		t.Errorf("%+v, written and read: %+v, %v", h, h2, err)
	}
	if h2.Size = h.Size; h2 != h {
		t.Errorf("%+v, written and read: %+v", h, h2)
	}
	extended := h.Enhanced && PacketType(body[0]&15) == modEx
	unusedTime := !h.Enhanced && kind == media.Video && h.hasLegacyType() && h.Type != CodedFrames
	if !extended && !unusedTime && !bytes.Equal(again, body[:h.Size]) {
		t.Errorf("% x, written and read: % x", body[:h.Size], again)
	}
}

// What a scan calls whole is whole; and what begins with a head of ours can be
// finished without touching the tags behind it.
func FuzzScan(f *testing.F) {
	for _, r := range runs {
		r.bodies = r.bodies[:min(len(r.bodies), 8)]
		var tags []byte
		for _, p := range r.packets(f) {
			tags = appendTag(tags, tagType(p.Kind), p.at, p.Body)
		}
		f.Add(true, tags)
		f.Add(false, append(unhex(fileHeader), tags...))
	}
	f.Add(true, appendTag(nil, TagScript, 0, amf.Append(nil, "onMetaData",
		amf.ECMAArray{{Key: "framerate", Value: 30.0}, {Key: "creationdate", Value: "2026-03-29T23:59:59Z"}})))
	f.Add(false, unhex("464C5601 05 0000000C 08FFFF 00000000"+tagAt(40)))
	// A head of the right size that is read at once. It is written anew anyway.
	head := appendTag(unhex(fileHeader), TagScript, 0, bytes.Repeat([]byte{0xFF}, scriptSize))
	f.Fuzz(func(t *testing.T, ours bool, data []byte) {
		if ours {
			data = append(slices.Clone(head), data...)
		}
		x, findings := Scan(bytes.NewReader(data), int64(len(data)))
		checkFindings(t, x, findings, data)
		if ours {
			checkFinish(t, x, data)
		}
	})
}

func checkFindings(t *testing.T, x Index, findings []container.Finding, data []byte) {
	size := int64(len(data))
	whole := x.End == size && size > 0
	if x.End > size || (len(findings) == 0) != whole || len(findings) > 1 || int64(x.Tags) > size/(tagHeaderSize+backPointer) {
		t.Fatalf("%d tags up to %d of %d bytes, %+v", x.Tags, x.End, size, findings)
	}
	if x.End == 0 {
		return // not even a file header
	}
	if !whole && (findings[0].Offset != x.End || findings[0].End != size) {
		t.Errorf("whole up to %d of %d bytes, %+v", x.End, size, findings)
	}
	y, findings := Scan(bytes.NewReader(data[:x.End]), x.End)
	sameIndex(t, "up to the finding", y, x)
	sameFindings(t, "up to the finding", findings, nil)
}

func checkFinish(t *testing.T, x Index, data []byte) {
	file := bytesFile(data)
	apply(t, Finalize(&x, file.size()), file)
	y, findings := Scan(file, file.size())
	sameFindings(t, "finished", findings, nil)
	if rate := x.frameRate(); rate > 0 && y.frameRate() != rate {
		t.Errorf("%v frames a second, finished %v", rate, y.frameRate())
	}
	x.FrameRate = y.FrameRate // it may be measured by now
	sameIndex(t, "finished", y, x)
	if !bytes.Equal(file.data[headSize:], data[headSize:x.End]) {
		t.Error("the tags are not what they were")
	}
	once := slices.Clone(file.data)
	apply(t, Finalize(&y, file.size()), file)
	sameBytes(t, "finished twice", file.data, once)
}
