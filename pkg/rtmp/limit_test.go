package rtmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// fullHeaderOf is a type-0 header with one byte of basic header.
func fullHeaderOf(csid, kind byte, length int) []byte {
	h := make([]byte, fullHeader)
	h[0] = csid
	putUint24(h[4:], uint32(length))
	h[7], h[8] = kind, 1
	return h
}

func isViolation(err error, want string) bool {
	var violation *ProtocolError
	return errors.As(err, &violation) && strings.Contains(err.Error(), want)
}

// A message at its limit is read, one that declares a byte more is refused before
// its body.
func TestMessageLimits(t *testing.T) {
	tests := []struct {
		name  string
		kind  byte
		early bool
		limit int
	}{
		{"audio", TypeAudio, false, 1 << 20},
		{"video", TypeVideo, false, 1<<24 - 1},
		{"command", TypeCommandAMF0, false, 1 << 20},
		{"AMF3 command", TypeCommandAMF3, false, 1 << 20},
		{"data", TypeDataAMF0, false, 1 << 20},
		{"AMF3 data", TypeDataAMF3, false, 1 << 20},
		{"aggregate", TypeAggregate, false, 1<<24 - 1},
		{"unknown", 99, false, 1 << 20},
		{"command before media is allowed", TypeCommandAMF0, true, 64 << 10},
		{"video before media is allowed", TypeVideo, true, 64 << 10},
		{"aggregate before media is allowed", TypeAggregate, true, 64 << 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := func(length int, r io.Reader) *Conn {
				c := NewConn(io.MultiReader(bytes.NewReader(fullHeaderOf(6, tt.kind, length)), r), io.Discard)
				if !tt.early {
					c.AllowMedia()
				}
				c.inChunk = maxChunkSize
				return c
			}
			got, err := readAll(conn(tt.limit, bytes.NewReader(make([]byte, tt.limit))))
			if err != io.EOF || len(got) == 0 || tt.kind != TypeAggregate && len(got[0].Body) != tt.limit {
				t.Errorf("at the limit: %d messages, %v", len(got), err)
			}
			if tt.limit == 1<<24-1 {
				return // three bytes cannot declare more
			}
			want := fmt.Sprintf("declares %d bytes, at most %d are allowed", tt.limit+1, tt.limit)
			if _, err := conn(tt.limit+1, nil).ReadMessage(); !isViolation(err, want) {
				t.Errorf("past the limit: %v", err)
			}
		})
	}
}

// A type-3 chunk that begins a message declares its length too.
func TestMessageLimitOfRepeatedHeader(t *testing.T) {
	b := AppendMessage(nil, video(0, make([]byte, maxEarly)), defaultChunkSize)
	c := NewConn(io.MultiReader(bytes.NewReader(b), bytes.NewReader([]byte{0x46, 0, 0, 0, 1, 0, 1, 9})), io.Discard)
	if _, err := readAll(c); !isViolation(err, "declares 65537 bytes") {
		t.Error(err)
	}
}

func TestChunkSizeLimits(t *testing.T) {
	for size, ok := range map[uint32]bool{0: false, 1: false, 127: false, 128: true, 129: true, 1<<24 - 1: true, 1 << 24: true,
		1<<31 - 1: true, 1 << 31: false, 1<<32 - 1: false} {
		b := AppendMessage(nil, controlMessage(TypeSetChunkSize, size), defaultChunkSize)
		c, _ := newReader(bytes.NewReader(b))
		_, err := c.ReadMessage()
		if ok && (err != nil || c.inChunk != min(size, maxChunkSize)) {
			t.Errorf("%d: chunk size %d, %v", size, c.inChunk, err)
		}
		if !ok && (!isViolation(err, "out of range") || c.inChunk != defaultChunkSize) {
			t.Errorf("%d: chunk size %d, %v", size, c.inChunk, err)
		}
	}
}

// basicHeader encodes a type-0 or type-3 basic header in three bytes.
func basicHeader(format byte, csid int) []byte {
	return []byte{format<<6 | 1, byte(csid - 64), byte((csid - 64) >> 8)}
}

// begun is the first chunk of a message that goes on.
func begun(csid, length int) []byte {
	b := append(basicHeader(0, csid), fullHeaderOf(0, TypeVideo, length)[1:]...)
	return append(b, make([]byte, defaultChunkSize)...)
}

// 64 chunk streams may have a message unfinished, one more may not.
func TestChunkStreamLimit(t *testing.T) {
	var b []byte
	for i := range maxCSIDs {
		b = append(b, begun(64+i, defaultChunkSize+1)...)
	}
	for i := range maxCSIDs {
		b = append(append(b, basicHeader(3, 64+i)...), 0xAA)
	}
	c, _ := newReader(bytes.NewReader(b))
	if got, err := readAll(c); err != io.EOF || len(got) != maxCSIDs {
		t.Errorf("%d messages, %v", len(got), err)
	}

	b = append(b[:maxCSIDs*len(begun(64, 0))], begun(64+maxCSIDs, defaultChunkSize+1)...)
	c, _ = newReader(bytes.NewReader(b))
	if got, err := readAll(c); !isViolation(err, "more than 64 chunk streams with unfinished messages") || len(got) != 0 {
		t.Errorf("one more: %d messages, %v", len(got), err)
	}
}

// Idle chunk streams are forgotten, the least recently used one first, and never
// one with a message unfinished.
func TestIdleChunkStreamsAreForgotten(t *testing.T) {
	b := begun(64, defaultChunkSize+1)
	whole := func(csid int) { b = append(b, append(basicHeader(0, csid), fullHeaderOf(0, TypeAudio, 0)[1:]...)...) }
	for csid := 65; csid < 64+maxCSIDs; csid++ {
		whole(csid)
	}
	whole(65)  // so that 66 is the oldest
	whole(999) // takes its place
	b = append(b, basicHeader(3, 65)...)
	b = append(b, basicHeader(3, 67)...)
	b = append(append(b, basicHeader(3, 64)...), 0xAA)
	c, _ := newReader(bytes.NewReader(append(b, basicHeader(3, 66)...)))
	got, err := readAll(c)
	if !isViolation(err, "chunk stream 66 begins with a type-3 chunk") || len(got) != maxCSIDs-1+2+3 {
		t.Errorf("%d messages, %v", len(got), err)
	}
	if len(c.streams) != maxCSIDs {
		t.Errorf("%d chunk streams are remembered", len(c.streams))
	}
}

// All 65536 chunk streams in turn are no burden.
func TestManyChunkStreams(t *testing.T) {
	var b []byte
	for csid := 64; csid < 64+1<<16; csid += 13 {
		b = append(b, append(basicHeader(0, csid), fullHeaderOf(0, TypeAudio, 0)[1:]...)...)
	}
	c, _ := newReader(bytes.NewReader(b))
	if _, err := readAll(c); err != io.EOF || len(c.streams) != maxCSIDs {
		t.Errorf("%d chunk streams are remembered, %v", len(c.streams), err)
	}
}

// Messages of 16 MiB begun on all 65536 chunk streams end the connection before they
// cost anything.
func TestManyDeclaredMessages(t *testing.T) {
	var b []byte
	for csid := 64; csid < 64+1<<16; csid++ {
		b = append(b, begun(csid, maxVideo)...)
	}
	c, _ := newReader(bytes.NewReader(b))
	n := allocated(func() {
		if _, err := readAll(c); !isViolation(err, "more than 64 chunk streams with unfinished messages") {
			t.Error(err)
		}
	})
	if n > 1<<20 {
		t.Errorf("allocated %d bytes", n)
	}
}

// Room for 32 MiB of unfinished messages is given, no byte more: neither at once
// nor as a message grows.
func TestPartialLimit(t *testing.T) {
	for _, tt := range []struct {
		lengths []int
		ok      bool
	}{
		{[]int{maxVideo, maxVideo, 2}, true},
		{[]int{maxVideo, maxVideo, 3}, false},
		{[]int{maxVideo, maxVideo - 64<<10, 128 << 10}, false},
	} {
		var b []byte
		for i, n := range tt.lengths {
			b = append(append(b, fullHeaderOf(byte(4+i), TypeVideo, n)...), make([]byte, min(n, maxVideo-128<<10))...)
		}
		c, _ := newReader(bytes.NewReader(b[:len(b)-1]))
		c.inChunk = maxVideo - 128<<10
		_, err := readAll(c)
		if tt.ok && err != io.ErrUnexpectedEOF || !tt.ok && !isViolation(err, "unfinished messages take more than 33554432 bytes") {
			t.Errorf("messages of %d bytes: %v", tt.lengths, err)
		}
	}
}

// Before media is allowed unfinished messages may take 256 KiB, no byte more.
func TestEarlyPartialLimit(t *testing.T) {
	var b []byte
	for i := range earlyPartial / maxEarly {
		b = append(append(b, fullHeaderOf(byte(3+i), TypeVideo, maxEarly)...), make([]byte, maxEarly-1)...)
	}
	read := func(rest ...byte) error {
		c := NewConn(bytes.NewReader(append(b[:len(b):len(b)], rest...)), io.Discard)
		c.inChunk = maxEarly - 1
		_, err := readAll(c)
		return err
	}
	if err := read(3<<6 | 3); err != io.ErrUnexpectedEOF {
		t.Errorf("at the limit: %v", err)
	}
	if err := read(fullHeaderOf(20, TypeVideo, 1)...); !isViolation(err, "unfinished messages take more than 262144 bytes") {
		t.Errorf("past the limit: %v", err)
	}
}

func TestAggregateLimits(t *testing.T) {
	record := func(kind byte, size int) []byte {
		b := make([]byte, 11+size+4)
		b[0] = kind
		putUint24(b[1:], uint32(size))
		return b
	}
	read := func(body []byte) int {
		t.Helper()
		c, _ := newReader(bytes.NewReader(AppendMessage(nil, Message{Type: TypeAggregate, Body: body}, maxChunkSize)))
		c.inChunk = maxChunkSize
		got, err := readAll(c)
		if err != io.EOF {
			t.Fatal(err)
		}
		return len(got)
	}
	if n := read(bytes.Repeat(record(TypeAudio, 0), maxRecords)); n != maxRecords {
		t.Errorf("%d messages of %d", n, maxRecords)
	}
	if n := read(bytes.Repeat(record(TypeAudio, 0), maxRecords+1)); n != maxRecords {
		t.Errorf("%d messages of one more than %d", n, maxRecords)
	}
	if n := read(record(TypeAudio, maxAudio)); n != 1 {
		t.Error("a record at the limit was left out")
	}
	if n := read(append(record(TypeAudio, maxAudio+1), record(TypeVideo, maxAudio+1)...)); n != 1 {
		t.Errorf("%d messages, want the video only", n)
	}
	// Endless records of nothing that counts.
	if n := read(bytes.Repeat(record(TypeAggregate, 0), 1<<20)); n != 0 {
		t.Errorf("%d messages of nested aggregates", n)
	}
}

func TestNameLimits(t *testing.T) {
	params := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("p%d=", i))
		}
		return strings.Join(out, "&")
	}
	tests := []struct {
		name            string
		app, tcURL, key string
		want            string
	}{
		{"name at the limit", "live", "", strings.Repeat("a", maxName-5), ""},
		{"name past the limit", "live", "", strings.Repeat("a", maxName-4), "stream name of 513 bytes, at most 512 are allowed"},
		{"slashes do not count", strings.Repeat("/", 1000), "", "a", ""},
		{"query at the limit", "live", "", "a?" + strings.Repeat("a", maxQuery), ""},
		{"query past the limit", "live", "", "a?" + strings.Repeat("a", maxQuery+1), "query of 4097 bytes, at most 4096 are allowed"},
		{"query of the application past the limit", "live?" + strings.Repeat("a", maxQuery+1), "", "a", "query of 4097 bytes"},
		{"query of the URL past the limit", "live", "rtmp://h/?" + strings.Repeat("a", maxQuery+1), "a", "query of 4097 bytes"},
		{"parameters at the limit", "live", "", "a?" + params(maxParams), ""},
		{"parameters past the limit", "live", "", "a?" + params(maxParams+1), "query of 65 parameters, at most 64 are allowed"},
		{"parameters of all fields past the limit", "live?x=", "", "a?" + params(maxParams), "query of 65 parameters"},
	}
	for _, tt := range tests {
		_, err := ParseTarget(tt.app, tt.tcURL, tt.key)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// allocated returns the bytes that f allocates, garbage included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What a peer declares costs nothing until it sends it.
func TestDeclaredLengthsAllocateNothing(t *testing.T) {
	var streams []byte
	for i := range maxCSIDs {
		streams = append(streams, begun(64+i, maxVideo)...)
	}
	// A peer that has sent large messages is not trusted with more of them at once.
	var proven []byte
	for i := range maxCSIDs {
		proven = append(proven, begun(64+i, defaultChunkSize)...)
	}
	chunkSize := binary.BigEndian.AppendUint32(fullHeaderOf(2, TypeSetChunkSize, 4), 1<<31-1)
	tests := []struct {
		name  string
		bytes []byte
		limit uint64
		setUp func(*Conn)
	}{
		{"a message of 16 MiB", fullHeaderOf(6, TypeVideo, maxVideo), 1 << 20, nil},
		{"a chunk of 2 GiB", chunkSize, 1 << 20, nil},
		{"a chunk of 2 GiB with a message of 16 MiB", append(chunkSize, fullHeaderOf(6, TypeVideo, maxVideo)...), 1 << 20, nil},
		{"64 messages of 16 MiB", streams, 1 << 20, nil},
		{"64 messages of 16 MiB after others of 16 MiB", append(proven, streams...), 1 << 20, func(c *Conn) {
			for i := range maxCSIDs {
				c.streams[uint32(64+i)] = &chunkStream{id: uint32(64 + i), largest: maxVideo}
			}
		}},
	}
	for _, tt := range tests {
		c, _ := newReader(bytes.NewReader(tt.bytes))
		if tt.setUp != nil {
			tt.setUp(c)
		}
		n := allocated(func() {
			if _, err := readAll(c); err != io.EOF && err != io.ErrUnexpectedEOF {
				t.Errorf("%s: %v", tt.name, err)
			}
		})
		if n > tt.limit {
			t.Errorf("%s: allocated %d bytes, at most %d are fair", tt.name, n, tt.limit)
		}
	}
}

// An aggregate, the worst amplifier, allocates a small multiple of its bytes.
func TestAggregateMemory(t *testing.T) {
	b := AppendMessage(nil, Message{Type: TypeAggregate, Body: make([]byte, 1<<20)}, defaultChunkSize)
	c, _ := newReader(bytes.NewReader(b))
	if n := allocated(func() { readAll(c) }); n > 8<<20 {
		t.Errorf("allocated %d bytes for an aggregate of %d", n, len(b))
	}
}
