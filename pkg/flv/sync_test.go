package flv

import (
	"bytes"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/pkg/media"
)

// The tag, byte by byte, in the flush behind a sync; none without anything to write.
func TestMark(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{})
	flush := func() {
		t.Helper()
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	write := func(ms int64) {
		t.Helper()
		if err := (timedPacket{Packet: parse(t, media.Video, "17 01 000000"+avcKey), at: time.Duration(ms) * time.Millisecond}).writeTo(w); err != nil {
			t.Fatal(err)
		}
	}
	write(0)
	flush()
	first := f.size()
	w.Synced(first)
	flush()
	if f.size() != first {
		t.Fatal("a mark alone was written")
	}
	write(66051)
	before := w.Index().End
	flush()
	want := unhex("0F 000013 010203 00 000000" + // tag header: 66051 ms, as the tag before it, is 010203h
		"00 02 0006 6F6E53796E63") // AMF0 follows, "onSync"
	want = append(want, unhex("00 40E2")...) // a number: the first 16 bits of 36892 and more
	got := f.data[before:]
	if !bytes.HasPrefix(got, want) || !bytes.HasSuffix(got, unhex("0000001E")) || len(got) != 34 {
		t.Errorf("got\n% x, want\n% x", got, want)
	}
	write(66052)
	flush()
	x, findings := scan(t, f)
	if len(findings) > 0 || x.synced != first || w.Index().synced != first || x.End != f.size() || w.Index().End != f.size() || x.Tags != 3 {
		t.Errorf("synced up to %d, want %d; %+v, %+v", x.synced, first, findings, x)
	}
}

// Nothing else is a mark: a recorder writes no other bytes.
func TestMarkBytes(t *testing.T) {
	const at = 1 << 40
	for _, offset := range []int64{headSize, headSize + 1, at} {
		body := appendSyncBody(nil, offset)
		if got, ok := parseSync(Tag{Type: TagScriptAMF3, Offset: at, Body: body}); !ok || got != offset {
			t.Errorf("%d is read as %d", offset, got)
		}
		if _, ok := parseSync(Tag{Type: TagScript, Offset: at, Body: body}); ok {
			t.Error("one of type 18")
		}
		if _, ok := parseSync(Tag{Type: TagScriptAMF3, Offset: offset - 1, Body: body}); ok {
			t.Error("one of what is behind it")
		}
		for i := range len(body) - 8 { // the number may be another one
			body[i] ^= 1
			if _, ok := parseSync(Tag{Type: TagScriptAMF3, Offset: at, Body: body}); ok {
				t.Errorf("one with another byte %d", i)
			}
			body[i] ^= 1
		}
	}
	for _, offset := range []int64{-1, 0, headSize - 1} {
		if _, ok := parseSync(Tag{Type: TagScriptAMF3, Offset: at, Body: appendSyncBody(nil, offset)}); ok {
			t.Errorf("%d is none", offset)
		}
	}
}

// What a mark covers stays as it was published, though it looks as a power cut leaves
// it; behind the mark that is cut.
func TestMarkedIsTrusted(t *testing.T) {
	zeros := string(bytes.Repeat([]byte("00"), 2000))
	broken := "27 01 000000 00000009 41"
	for _, synced := range []bool{true, false} {
		f := &memFile{}
		w := NewWriter(f, Options{})
		for i, body := range []string{"17 01 000000" + avcKey, "17 01 000000" + zeros, broken, "17 01 000000" + avcKey} {
			if i == 3 && synced {
				w.Synced(w.Written())
			}
			if err := (timedPacket{Packet: parse(t, media.Video, body), at: time.Duration(i) * time.Second}).writeTo(w); err != nil {
				t.Fatal(err)
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		x, findings := scan(t, f)
		if want := map[bool]int{true: 4, false: 2}[synced]; x.Tags != want || (len(findings) == 0) != synced {
			t.Errorf("synced %v: %d tags, want %d: %+v", synced, x.Tags, want, findings)
		}
		if y, findings, err := Rescan(f, f.size()); err != nil || y.Tags != 4 || len(findings) > 0 {
			t.Errorf("written with the power on: %d tags, %+v, %v", y.Tags, findings, err)
		}
	}
}

// Silence is no damage: PCM that is zeros is kept, as sound that nothing proves.
func TestSilenceIsKept(t *testing.T) {
	f := &memFile{}
	w := NewWriter(f, Options{})
	const frames = 20
	for i := range frames {
		body := "3e" + string(bytes.Repeat([]byte("00"), 2000))
		if err := (timedPacket{Packet: parse(t, media.Audio, body), at: time.Duration(i) * 20 * time.Millisecond}).writeTo(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	x, findings := scan(t, f)
	if x.Tags != frames || len(findings) > 0 {
		t.Errorf("%d tags of %d: %+v", x.Tags, frames, findings)
	}
	if note := x.unprovenNote(); len(note) != 1 || note[0].Code != "F51" {
		t.Errorf("what nothing proves: %+v", note)
	}
}
