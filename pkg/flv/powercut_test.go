package flv

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/container/powercut"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Whatever a power cut leaves of a file that is recorded and closed: every tag that
// was synced is there, none that is not as it was written, and it is mended for good.
func TestPowerCut(t *testing.T) {
	short := run{name: "a few tags", flush: 2, options: Options{Created: someTime}, bodies: []timedBody{
		video(0, "17 00 000000"+avcC720), audio(0, "AF 00 1190"), video(0, "17 01 000000"+nals("65"+noise(1, 600))), audio(3, "AF 01"+noise(2, 1100))}}
	sound := run{name: "large frames of sound", flush: 3, options: Options{Created: someTime},
		bodies: frames([]timedBody{audio(0, "AF 00 1190")}, 40, 1, always(""), always(""), "AF 01"+noise(3, 1500))}
	for _, r := range []run{short, runs[0], runs[3], runs[9], sound, longRun()} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			d, marks := onDisk(t, r)
			tags := tagList(t, d.Bytes())
			for s := range d.States(rand.New(rand.NewPCG(8, 9)), 60/thin(1)+2) {
				survives(t, s, tags, d.Bytes())
				marked(t, s, marks)
			}
		})
	}
}

// onDisk records a run with a sync now and then, and closes it. It returns the syncs of
// which a mark that was synced tells: up to where, and from which epoch on.
func onDisk(t *testing.T, r run) (d *powercut.Disk, marks []int64) {
	t.Helper()
	d = &powercut.Disk{}
	w := NewWriter(d, r.options)
	for i, p := range r.packets(t) {
		if err := p.writeTo(w); err != nil {
			t.Fatal(err)
		}
		if r.flushAt(i) {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if i%16 == 1 {
			marks = append(marks, w.Index().synced)
			until := w.Written()
			if err := d.Sync(); err != nil {
				t.Fatal(err)
			}
			w.Synced(until)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return d, marks
}

// survives checks what is left after a cut against the tags that were written, and the
// file that was closed.
func survives(t *testing.T, s powercut.State, tags []listed, closed []byte) {
	t.Helper()
	f := bytesFile(s.Data)
	x, findings := scan(t, f)
	findings = append(findings, Check(x)...)
	found := tagList(t, s.Data)
	for _, tag := range tags {
		if tag.end <= s.Durable && !slices.Contains(found, tag) {
			t.Fatalf("%s: the tag at %d..%d was synced and is lost: %+v", s.How, tag.offset, tag.end, findings)
		}
	}
	for _, tag := range found {
		if !slices.Contains(tags, tag) {
			t.Fatalf("%s: the tag at %d..%d is not as it was written: %+v", s.How, tag.offset, tag.end, findings)
		}
	}
	if strings.Contains(codesOf(findings), "F41") {
		t.Fatalf("%s: the head speaks of media that is not there: %+v", s.How, findings)
	}
	if Finished(f, f.size()) {
		sameBytes(t, s.How+": finished", s.Data, closed)
		return
	}
	if !x.Ours { // nothing of the head is there
		if x.Tags > 0 {
			testCopied(t, damage{name: s.How, data: s.Data}, x, found)
		}
		return
	}
	if finish(t, f); x.immovable {
		t.Fatalf("%s: cannot be mended", s.How)
	}
	y, left := scan(t, f)
	if left = append(left, Check(y)...); worst(left) > container.Note {
		t.Fatalf("%s: mended: %+v", s.How, left)
	}
	if mended := tagList(t, f.data); !slices.Equal(mended, found) {
		t.Fatalf("%s: mending changed the tags", s.How)
	}
	if s.Durable == int64(len(closed)) {
		sameBytes(t, s.How+": mended after all was synced", f.data, closed)
	}
}

// marked checks that frames without NAL units which are kept behind the last sync are
// named, and no more of what was synced than up to the mark that tells so.
func marked(t *testing.T, s powercut.State, marks []int64) {
	t.Helper()
	x, _ := scan(t, bytesFile(s.Data))
	if !x.Ours || x.claims.size > 0 {
		return
	}
	synced := int64(0)
	if s.Epoch > 0 {
		synced = marks[min(s.Epoch, len(marks))-1]
	}
	var note container.Finding
	if all := Check(x); len(all) > 0 {
		note = all[slices.IndexFunc(append(all, container.Finding{Code: "F51"}), func(f container.Finding) bool { return f.Code == "F51" })%len(all)]
	}
	for _, tag := range tagList(t, s.Data) {
		p, err := classify(tag.kind, []byte(tag.body))
		if err != nil || p.Role != media.Frame || codec.HasUnits(p.Codec) {
			continue
		}
		in := note.Code == "F51" && tag.offset >= note.Offset && tag.end <= note.End
		if tag.offset >= s.Durable && !in || tag.end <= synced && in {
			t.Fatalf("%s: the frame at %d..%d is named: %v; %+v, marked up to %d", s.How, tag.offset, tag.end, in, note, synced)
		}
	}
}

// A head of which only some sectors were written is none of a finished file, wherever
// it is torn, and however long the list of keyframes is.
func TestTornHead(t *testing.T) {
	for _, r := range runs {
		rec := record(t, r, nil)
		closed := rec.file.data
		for i := 0; i < headSize; i += sector {
			end := min(i+sector, headSize)
			for how, torn := range map[string][]byte{
				"up to":   slices.Concat(closed[:i], rec.open[i:headSize]),
				"from":    slices.Concat(rec.open[:i], closed[i:headSize]),
				"without": slices.Concat(closed[:i], rec.open[i:end], closed[end:headSize]),
				"only":    slices.Concat(rec.open[:i], closed[i:end], rec.open[end:headSize]),
			} {
				f := bytesFile(slices.Concat(torn, closed[headSize:]))
				name := fmt.Sprintf("%s: the new head %s the sector at %d", r.name, how, i)
				if same := bytes.Equal(f.data, closed); Finished(f, f.size()) != same {
					t.Fatalf("%s: finished: %v", name, !same)
				}
				if !r.long || i < 8*sector {
					finish(t, f)
					sameBytes(t, name, f.data, closed)
				}
			}
		}
	}
}

// Mending is cut too, at every write and sync: mended again, the file has the same
// bytes.
func TestPowerCutWhileMending(t *testing.T) {
	for _, r := range []run{runs[0], longRun()} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, r, nil)
			tags := tagList(t, rec.open)
			data := rec.open[:len(rec.open)-20]
			for _, at := range []int64{headSize, tags[9].offset, tags[20].offset, tags[21].end - 4, tags[33].offset + 1} {
				data = overwrite("", data, int(at), bytes.Repeat([]byte{0xA5}, 40)).data
			}
			x, _ := scan(t, bytesFile(data))
			d := powercut.NewDisk(data)
			if err := Finalize(x, int64(len(data))).Apply(d); err != nil {
				t.Fatal(err)
			}
			for s := range d.States(rand.New(rand.NewPCG(10, 11)), 200/thin(1)) {
				f := bytesFile(s.Data)
				finish(t, f)
				sameBytes(t, s.How, f.data, d.Bytes())
			}
		})
	}
}
