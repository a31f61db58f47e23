package bmff

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
)

// The bytes of a drop in a mark and in the closing moov, and what inspect says of it.
func TestDropBytes(t *testing.T) {
	m := &memory{}
	w := newWriter(t, m)
	write(t, w, sample(0))
	drop := container.Drop{At: 66051*time.Millisecond + 999, Length: 4 * time.Second, Video: 120, Audio: 172}
	// Two in a row are one.
	for _, d := range []container.Drop{drop, {At: 70051 * time.Millisecond, Length: time.Second, Video: 1}} {
		if err := w.Drop(d); err != nil {
			t.Fatal(err)
		}
	}
	at := w.Written()
	write(t, w, sample(1))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := container.Drop{Offset: at, At: 66051 * time.Millisecond, Length: 5 * time.Second, Video: 121, Audio: 172}
	entry := "0000000000010203" + "00001388" + "00000079" + "000000ac" // ms, ms, frames, frames
	in := func(b []byte) bool { return strings.Contains(hex.EncodeToString(b), entry) }
	mark := bytes.Index(m.b[at:], uuidFragment[:])
	if mark < 0 || !in(m.b[at+int64(mark):at+int64(mark+16+markSize+dropSize)]) || in(m.b[:at]) {
		t.Error("the mark of the second fragment does not tell of the drop")
	}
	box := bytes.Index(m.b, uuidDrops[:])
	if box < 0 || !in(m.b[box+16+8:box+16+dropEntry]) {
		t.Error("the closing moov does not tell of the drop")
	}
	x, findings := scan(t, m.b)
	if len(findings) > 0 || !slices.Equal(x.Drops, []container.Drop{want}) {
		t.Errorf("%+v, want %+v; %+v", x.Drops, want, findings)
	}
	noted := container.Finding{Code: "M50", Severity: container.Note, Offset: at, End: at,
		Text: "noted by the recorder: the disk was too slow, 5.000 s are missing here, 121 frames of video and 172 of audio"}
	if got, err := Check(x, m); err != nil || !slices.Contains(got, noted) {
		t.Errorf("%+v, %v, want %+v", got, err, noted)
	}
}

// A file that holds nothing has no place for a drop.
func TestDropInEmptyFile(t *testing.T) {
	m := &memory{}
	w := newWriter(t, m)
	if err := w.Drop(dropAfter(1)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil || len(m.b) > 0 {
		t.Errorf("%d bytes, %v", len(m.b), err)
	}
}
