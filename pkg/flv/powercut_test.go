package flv

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/container/powercut"
)

// Whatever a power cut leaves of a file that is recorded and closed: every tag that
// was synced is there, and it is mended for good.
func TestPowerCut(t *testing.T) {
	for _, r := range []run{runs[0], runs[9], longRun()} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			d := &powercut.Disk{}
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
				if i%16 == 15 {
					if err := d.Sync(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			tags := tagList(t, d.Bytes())
			for s := range d.States(rand.New(rand.NewPCG(8, 9)), 80/thin(1)) {
				survives(t, s, tags)
			}
		})
	}
}

func survives(t *testing.T, s powercut.State, tags []listed) {
	t.Helper()
	found := tagList(t, s.Data)
	for _, tag := range tags {
		if tag.end <= s.Durable && !slices.Contains(found, tag) {
			_, findings := scan(t, bytesFile(s.Data))
			t.Fatalf("%s: the tag at %d..%d was synced and is lost: %+v", s.How, tag.offset, tag.end, findings)
		}
	}
	f := bytesFile(s.Data)
	if x, _ := scan(t, f); !x.Ours { // nothing of the head is there
		if x.Tags > 0 {
			testCopied(t, damage{name: s.How, data: s.Data}, x, found)
		}
		return
	}
	if x := finish(t, f); x.immovable {
		t.Fatalf("%s: cannot be mended", s.How)
	}
	y, findings := scan(t, f)
	if findings = append(findings, Check(y)...); worst(findings) > container.Note {
		t.Fatalf("%s: mended: %+v", s.How, findings)
	}
	if mended := tagList(t, f.data); !slices.Equal(mended, found) {
		t.Fatalf("%s: mending changed the tags", s.How)
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
