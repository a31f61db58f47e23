package rtmp

import (
	"bytes"
	"io"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
)

// Whatever comes, reading ends, holds no more than it may, and does not depend
// on the pieces in which it comes.
func FuzzReader(f *testing.F) {
	for _, tt := range wire {
		f.Add(unhex(f, tt.hex))
	}
	for _, tt := range golden {
		if tt.chunkSize == defaultChunkSize { // long seeds make the fuzzer slow
			f.Add(unhex(f, tt.hex))
		}
	}
	for _, tt := range controls {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, answers := newReader(bytes.NewReader(b))
		got := fuzzRead(t, c, len(b))
		again, answersAgain := newReader(iotest.OneByteReader(bytes.NewReader(b)))
		equal(t, fuzzRead(t, again, len(b)), got)
		equal(t, answersAgain.Bytes(), answers.Bytes())
		if answers.Len() > 2*len(b) {
			t.Fatalf("%d bytes of answers to %d", answers.Len(), len(b))
		}
	})
}

// fuzzRead reads to the first error and checks what is held at each step.
func fuzzRead(t *testing.T, c *Conn, size int) (messages []Message) {
	total := 0
	for {
		m, err := c.ReadMessage()
		reserved := 0
		for _, cs := range c.streams {
			reserved += cs.reserved()
			if cs.open && cs.received() > int(cs.length) {
				t.Fatalf("%d bytes of %d", cs.received(), cs.length)
			}
		}
		if reserved != c.reserved && err == nil || reserved > eagerTotal+maxCSIDs*smallBody+4*size || len(c.streams) > maxCSIDs {
			t.Fatalf("%d chunk streams hold %d bytes, %d are counted", len(c.streams), reserved, c.reserved)
		}
		if err != nil {
			if err == io.EOF && reserved > 0 {
				t.Fatalf("a clean end with %d bytes reserved", reserved)
			}
			return messages
		}
		if total += len(m.Body); total > size {
			t.Fatalf("bodies of %d bytes from %d", total, size)
		}
		messages = append(messages, m)
	}
}

// Names are safe: no element leads out of a directory, no byte garbles a log.
func FuzzName(f *testing.F) {
	for _, tt := range targets {
		f.Add(tt.app, tt.tcURL, tt.key)
	}
	for _, tt := range badTargets {
		f.Add(tt.app, tt.tcURL, tt.key)
	}
	f.Fuzz(func(t *testing.T, app, tcURL, key string) {
		target, err := ParseTarget(app, tcURL, key)
		if err != nil {
			return
		}
		if target.Name == "" || len(target.Name) > 512 {
			t.Fatalf("name of %d bytes", len(target.Name))
		}
		if strings.ContainsFunc(target.Name, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }) {
			t.Fatalf("%q has a control character", target.Name)
		}
		for p := range strings.SplitSeq(target.Name, "/") {
			if p == "" || p == "_definst_" {
				t.Fatalf("%q has the element %q", target.Name, p)
			}
		}
		for p := range strings.FieldsFuncSeq(target.Name, func(r rune) bool { return r == '/' || r == '\\' }) {
			if p == "." || p == ".." {
				t.Fatalf("%q has the element %q", target.Name, p)
			}
		}
		if len(target.Query) > maxParams {
			t.Fatalf("%d parameters", len(target.Query))
		}
		if _, err := url.ParseQuery(target.Query.Encode()); err != nil {
			t.Fatal(err)
		}
		ParseAddress(tcURL)
	})
}

// A command that was read can be written, and is the same when it is read again.
func FuzzCommand(f *testing.F) {
	for _, tt := range commands {
		f.Add(tt.kind == TypeCommandAMF3, unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, amf3 bool, b []byte) {
		m := Message{Type: TypeCommandAMF0, Body: b}
		if amf3 {
			m.Type = TypeCommandAMF3
		}
		cmd, err := ParseCommand(m)
		if err != nil {
			return
		}
		written := cmd.Message(0)
		again, err := ParseCommand(written)
		if err != nil {
			t.Fatal(err)
		}
		// Bytes, because cmp takes exponential time for nested values.
		equal(t, again.Message(0).Body, written.Body)
	})
}
