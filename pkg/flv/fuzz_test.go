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
		_ = CheckConfigs(p)
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

// Whatever a file holds, what is whole of it can be copied, and what begins with a
// head of ours can be finished in place, for good.
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
	f.Add(true, append(appendTag(nil, TagVideo, 0, unhex("17 01 000000"+avcKey)), appendTag(nil, TagScriptAMF3, 7, appendDropBody(nil, someDrop))...))
	f.Add(true, appendTag(nil, TagScript, 0, amf.Append(nil, "onMetaData",
		amf.ECMAArray{{Key: "framerate", Value: 30.0}, {Key: "creationdate", Value: "2026-03-29T23:59:59Z"}})))
	f.Add(false, unhex("464C5601 05 0000000C 08FFFF 00000000"+tagAt(40)))
	// A head of the right size that is read at once. It is written anew anyway.
	head := appendTag(unhex(fileHeader), TagScript, 0, bytes.Repeat([]byte{0xFF}, scriptSize))
	for _, tags := range damagedSeeds(f) {
		f.Add(true, tags)
		f.Add(false, append(unhex(fileHeader), tags...))
	}
	f.Fuzz(func(t *testing.T, ours bool, data []byte) {
		if ours {
			data = append(slices.Clone(head), data...)
		}
		x, findings := scan(t, bytesFile(data))
		checkFindings(t, x, findings, data)
		checkCopy(t, x, data)
		if x.Ours {
			checkFinish(t, data)
		}
	})
}

// Several damages in one file: four bytes tell what happens where.
func FuzzDamage(f *testing.F) {
	rec := record(f, runs[9], nil)
	for _, ops := range []string{"", "0100000A", "01010020 02028003", "03012304 00020401 01008010", "0400400C 03004001", "05004000 0100FF7F"} {
		f.Add(unhex(ops))
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		data := slices.Clone(rec.open)
		for ; len(ops) >= 4 && len(data) > headSize; ops = ops[4:] {
			data = damageOne(data, ops)
		}
		x, findings := scan(t, bytesFile(data))
		checkFindings(t, x, findings, data)
		checkCopy(t, x, data)
		if x.Ours {
			checkFinish(t, data)
		}
	})
}

// damageOne does one thing to a file, most of it near its tags.
func damageOne(data, op []byte) []byte {
	at := (headSize - 64 + int(op[1])<<8 + int(op[2])) % len(data)
	n := min(int(op[3]), len(data)-at)
	junk := make([]byte, n)
	for i := range junk {
		junk[i] = op[0] * byte(i)
	}
	switch op[0] % 6 {
	case 0:
		data[at] ^= 1 << (n % 8)
	case 1:
		clear(data[at : at+n])
	case 2:
		copy(data[at:], junk)
	case 3:
		data = slices.Delete(data, at, at+n)
	case 4:
		data = slices.Insert(data, at, junk...)
	case 5: // what is there is written once more, elsewhere
		from := (at * 7) % (len(data) - n)
		copy(data[at:at+n], slices.Clone(data[from:from+n]))
	}
	return data
}

// damagedSeeds are tags with damage among them.
func damagedSeeds(f *testing.F) (seeds [][]byte) {
	var tags []byte
	for _, p := range (run{bodies: runs[0].bodies[:8]}).packets(f) {
		tags = appendTag(tags, tagType(p.Kind), p.at, p.Body)
	}
	first := minTag + len(unhex(runs[0].bodies[0].hex))
	hole := slices.Clone(tags)
	clear(hole[first+2 : first+9])
	pointer := slices.Clone(tags)
	pointer[first-1]++
	note := &memFile{data: make([]byte, 60)}
	apply(f, setAside(0, 60), note)
	return [][]byte{hole, pointer, slices.Insert(slices.Clone(tags), first, 1, 2, 3), slices.Delete(slices.Clone(tags), first, first+5),
		slices.Concat(tags, note.data, tags), tags[:len(tags)-2]}
}

func checkFindings(t *testing.T, x *Index, findings []container.Finding, data []byte) {
	size := int64(len(data))
	if x.End > size+backPointer || int64(x.Tags) > size/minTag+1 {
		t.Fatalf("%d tags up to %d of %d bytes", x.Tags, x.End, size)
	}
	if worst(findings) == container.Note && x.End != size {
		t.Fatalf("nothing is wrong, but %d of %d bytes are whole", x.End, size)
	}
	at := int64(0)
	for _, f := range findings {
		if f.Offset < at || f.End < f.Offset || f.End > size {
			t.Fatalf("%+v", findings)
		}
		if f.Code != "F02" {
			at = f.End
		}
	}
}

// checkCopy fails if a copy is not whole.
func checkCopy(t *testing.T, x *Index, data []byte) {
	if x.Tags == 0 {
		return
	}
	dst, src := &memFile{}, bytesFile(data)
	if err := Copy(dst, src, src.size(), x); err != nil {
		t.Fatal(err)
	}
	y, findings := scan(t, dst)
	if findings = append(findings, Check(y)...); len(findings) > 0 || !y.Ours || y.Tags > x.Tags+len(x.repairs) {
		t.Fatalf("the copy: %d tags of %d, %+v", y.Tags, x.Tags, findings)
	}
}

// checkFinish fails if finishing a file leaves something to do, or ends differently
// after a crash.
func checkFinish(t *testing.T, data []byte) {
	file := bytesFile(data)
	x := finish(t, file)
	if x.immovable {
		sameBytes(t, "immovable", file.data, data)
		return
	}
	y, findings := scan(t, file)
	if findings = append(findings, Check(y)...); worst(findings) > container.Note {
		t.Fatalf("finished: %+v", findings)
	}
	if rate := x.frameRate(); rate > 0 && y.frameRate() != rate {
		t.Errorf("%v frames a second, finished %v", rate, y.frameRate())
	}
	x.FrameRate = y.FrameRate // it may be measured by now
	x.End = max(x.End, headSize)
	sameIndex(t, "finished", y, x)
	checkCrashes(t, "finished", data, file.data)
}
