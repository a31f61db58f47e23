package rtmp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"testing"
	"testing/iotest"
)

// golden are messages and their bytes, in both directions.
var golden = []struct {
	name      string
	message   Message
	chunkSize int
	hex       string
}{
	{"audio on csid 4", audio(1, []byte{0xAF, 1, 2}), 128, "04 000001 000003 08 01000000 AF0102"},
	{"video on csid 6", video(0xFFFFFE, []byte{0x17}), 128, "06 FFFFFE 000001 09 01000000 17"},
	{"data on csid 5", Message{Type: TypeDataAMF0, StreamID: 1, Body: []byte{5}}, 128, "05 000000 000001 12 01000000 05"},
	{"AMF3 data on csid 5", Message{Type: TypeDataAMF3, StreamID: 1, Body: []byte{0, 5}}, 128, "05 000000 000002 0F 01000000 0005"},
	{"command on csid 3", Message{Type: TypeCommandAMF0, Body: []byte{5}}, 128, "03 000000 000001 14 00000000 05"},
	{"AMF3 command on csid 3", Message{Type: TypeCommandAMF3, Body: []byte{0, 5}}, 128, "03 000000 000002 11 00000000 0005"},
	{"stream id little endian", Message{Type: TypeAudio, StreamID: 0x04030201, Body: []byte{1}}, 128, "04 000000 000001 08 01020304 01"},
	{"empty", audio(5, nil), 128, "04 000005 000000 08 01000000"},
	{"empty, extended", audio(1<<24, nil), 128, "04 FFFFFF 000000 08 01000000 01000000"},
	{"exactly a chunk", audio(5, body(0xAA, 128)), 128, "04 000005 000080 08 01000000 AA*128"},
	{"a chunk and a byte", audio(5, body(0xAA, 129)), 128, "04 000005 000081 08 01000000 AA*128 C4 AA"},
	{"two chunks", audio(5, body(0xAA, 256)), 128, "04 000005 000100 08 01000000 AA*128 C4 AA*128"},
	{"three chunks", video(5, body(0xAA, 257)), 128, "06 000005 000101 09 01000000 AA*128 C6 AA*128 C6 AA"},
	{"FFFFFF", video(0xFFFFFF, []byte{0x17}), 128, "06 FFFFFF 000001 09 01000000 00FFFFFF 17"},
	{"V18", video(1<<24, body(0xAA, 200)), 128, "06 FFFFFF 0000C8 09 01000000 01000000 AA*128 C6 01000000 AA*72"},
	{"80000000", video(1<<31, body(0xAA, 130)), 128, "06 FFFFFF 000082 09 01000000 80000000 AA*128 C6 80000000 AA*2"},
	{"largest chunks of ours", video(7, body(0xAA, 65537)), ChunkSize, "06 000007 010001 09 01000000 AA*65536 C6 AA"},
}

func TestAppendMessage(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			equal(t, AppendMessage([]byte("kept"), tt.message, tt.chunkSize), append([]byte("kept"), b...))

			c, _ := newReader(starving(b))
			c.inChunk = uint32(tt.chunkSize)
			m, err := c.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			equal(t, m, tt.message)
		})
	}
}

// frameBytes puts a frame together as a connection would write it.
func frameBytes(frame []byte) []byte { return bytes.Join(AppendChunks(nil, frame), nil) }

// A frame has the bytes of AppendMessage, at any time and for any stream.
func TestFrame(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 129, 65535, 65536, 65537, 65540, 131072, 131073, 300_000} {
		for _, stamp := range []uint32{0, 0xFFFFFE, 0xFFFFFF, 1 << 24, 1 << 31, 1<<32 - 1} {
			for _, kind := range []uint8{TypeAudio, TypeVideo, TypeDataAMF0} {
				m := Message{Type: kind, StreamID: 1, Timestamp: 12345, Body: body(0x5A, n)}
				frame := m.Frame(stamp)
				m.Timestamp = stamp
				if !bytes.Equal(frameBytes(frame), AppendMessage(nil, m, ChunkSize)) {
					t.Fatalf("frame of %d bytes of type %d at %x differs", n, kind, stamp)
				}
				m.StreamID = 0x01020304
				other := Retarget(frame, m.StreamID)
				if !bytes.Equal(frameBytes(other), AppendMessage(nil, m, ChunkSize)) {
					t.Fatalf("retargeted frame of %d bytes of type %d at %x differs", n, kind, stamp)
				}
				m.StreamID = 1
				if !bytes.Equal(frameBytes(frame), AppendMessage(nil, m, ChunkSize)) {
					t.Fatal("Retarget changed the frame")
				}
			}
		}
	}
}

// A message that was read is framed where it is, whatever was framed before.
func TestFrameInPlace(t *testing.T) {
	m := readOne(t, video(5, body(0xAA, 100_000)))
	for _, stamp := range []uint32{1 << 24, 7} {
		frame := m.Frame(stamp)
		if &frame[headroom] != &m.Body[0] {
			t.Fatal("the body was copied")
		}
		want := AppendMessage(nil, video(stamp, m.Body), ChunkSize)
		if !bytes.Equal(frameBytes(frame), want) {
			t.Fatalf("frame at %x differs", stamp)
		}
	}
}

// A body that is no longer the one that was read is what counts.
func TestFrameOfChangedBody(t *testing.T) {
	bodies := map[string]func([]byte) []byte{
		"beginning cut": func(b []byte) []byte { return b[3:] },
		"end cut":       func(b []byte) []byte { return b[:3] },
		"another":       func([]byte) []byte { return []byte("0123456789") },
		"none":          func([]byte) []byte { return nil },
	}
	for name, change := range bodies {
		t.Run(name, func(t *testing.T) {
			m := readOne(t, video(5, []byte("abcdefghij")))
			m.Body = change(m.Body)
			want := AppendMessage(nil, video(9, m.Body), ChunkSize)
			equal(t, frameBytes(m.Frame(9)), want)
		})
	}
}

func readOne(t *testing.T, m Message) Message {
	t.Helper()
	c, _ := newReader(bytes.NewReader(AppendMessage(nil, m, defaultChunkSize)))
	m, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAppendChunksAllocatesNothing(t *testing.T) {
	m := video(1<<24, body(0xAA, 300_000))
	frame := m.Frame(m.Timestamp)
	pieces := make([][]byte, 0, 16)
	if n := testing.AllocsPerRun(100, func() { pieces = AppendChunks(pieces[:0], frame) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if len(pieces) != 9 {
		t.Errorf("%d pieces, want 5 with 4 headers between them", len(pieces))
	}
}

// Whatever AppendMessage or Frame wrote is read back.
func TestWriteReadLaw(t *testing.T) {
	for seed := range int64(150) {
		r := rand.New(rand.NewSource(seed))
		chunkSize := []int{128, 129, 200, 4096, 60_000, ChunkSize, 1 << 20}[r.Intn(7)]
		b := AppendMessage(nil, controlMessage(TypeSetChunkSize, uint32(chunkSize)), defaultChunkSize)
		var want []Message
		for range 1 + r.Intn(10) {
			m := randomMessage(r, chunkSize)
			if chunkSize == ChunkSize && r.Intn(2) == 0 {
				m.StreamID = 1
				b = append(b, frameBytes(m.Frame(m.Timestamp))...)
			} else {
				b = AppendMessage(b, m, chunkSize)
			}
			want = append(want, m)
		}
		c, _ := newReader(pieces{r, bytes.NewReader(b)})
		got, err := readAll(c)
		if err != io.EOF {
			t.Fatalf("seed %d: %v", seed, err)
		}
		equal(t, got[1:], want)
	}
}

// randomMessage is a media or command message, often with a length around the
// end of a chunk and a time around the borders of the extended one.
func randomMessage(r *rand.Rand, chunkSize int) Message {
	kinds := []uint8{TypeAudio, TypeVideo, TypeDataAMF0, TypeDataAMF3, TypeCommandAMF0, TypeCommandAMF3, 16, 99}
	m := Message{Type: kinds[r.Intn(len(kinds))], StreamID: uint32(r.Intn(3)), Timestamp: randomTime(r)}
	n := r.Intn(1000)
	if r.Intn(3) == 0 {
		n = min(200_000, max(0, chunkSize*(1+r.Intn(2))+r.Intn(9)-4))
	}
	m.Body = make([]byte, n)
	r.Read(m.Body)
	return m
}

func randomTime(r *rand.Rand) uint32 {
	switch r.Intn(4) {
	case 0:
		return uint32(r.Intn(20_000))
	case 1:
		return 0xFFFFFF - 2 + uint32(r.Intn(5))
	case 2:
		return 1<<31 - 2 + uint32(r.Intn(5))
	}
	return r.Uint32()
}

// pieces delivers a reader's bytes in pieces of random lengths.
type pieces struct {
	r      *rand.Rand
	reader io.Reader
}

func (p pieces) Read(b []byte) (int, error) {
	return p.reader.Read(b[:min(len(b), 1+p.r.Intn(700))])
}

// sender writes chunks the way other programs do: headers as short as they can
// be, chunk streams interleaved, extended timestamps repeated or left out.
type sender struct {
	chunkSize int
	omit      bool
	out       []byte
	streams   map[uint32]*sent
}

// sent is what a sender remembers of a chunk stream.
type sent struct {
	message  Message
	delta    uint32
	full     bool
	extended bool
	value    uint32 // of the extended timestamp
	rest     []byte
}

// formats lists the chunk types that may begin a message.
func (s *sender) formats(csid uint32, m Message) []byte {
	last := s.streams[csid]
	if last == nil || last.message.StreamID != m.StreamID {
		return []byte{0}
	}
	formats := []byte{0, 1}
	if last.message.Type != m.Type || len(last.message.Body) != len(m.Body) {
		return formats
	}
	formats = append(formats, 2)
	if m.Timestamp-last.message.Timestamp == last.delta && !(last.full && last.delta > rebaseJump) {
		formats = append(formats, 3)
	}
	return formats
}

// begin writes the first chunk of a message.
func (s *sender) begin(csid uint32, m Message, format byte) {
	last := s.streams[csid]
	if last == nil {
		last = &sent{}
		s.streams[csid] = last
	}
	s.basicHeader(csid, format)
	if format == 3 {
		s.repeat(last)
	} else {
		last.value, last.full = m.Timestamp, format == 0
		if format > 0 {
			last.value -= last.message.Timestamp
		}
		last.delta, last.extended = last.value, last.value >= 0xFFFFFF
		var h [11]byte
		putUint24(h[:], min(last.value, 0xFFFFFF))
		putUint24(h[3:], uint32(len(m.Body)))
		h[6] = m.Type
		binary.LittleEndian.PutUint32(h[7:], m.StreamID)
		s.out = append(s.out, h[:[]int{11, 7, 3}[format]]...)
		if last.extended {
			s.out = binary.BigEndian.AppendUint32(s.out, last.value)
		}
	}
	last.message, last.rest = m, m.Body
	s.payload(last)
}

// next writes another chunk of the message that was begun.
func (s *sender) next(csid uint32) {
	s.basicHeader(csid, 3)
	s.repeat(s.streams[csid])
	s.payload(s.streams[csid])
}

func (s *sender) finish(csid uint32) {
	for len(s.streams[csid].rest) > 0 {
		s.next(csid)
	}
}

func (s *sender) basicHeader(csid uint32, format byte) {
	switch {
	case csid < 64:
		s.out = append(s.out, format<<6|byte(csid))
	case csid < 320:
		s.out = append(s.out, format<<6, byte(csid-64))
	default:
		s.out = append(s.out, format<<6|1, byte(csid-64), byte((csid-64)>>8))
	}
}

func (s *sender) repeat(last *sent) {
	if last.extended && !s.omit {
		s.out = binary.BigEndian.AppendUint32(s.out, last.value)
	}
}

func (s *sender) payload(last *sent) {
	n := min(len(last.rest), s.chunkSize)
	s.out = append(s.out, last.rest[:n]...)
	last.rest = last.rest[n:]
}

// Messages of any sender are read in the order in which they end.
func TestInterleavingLaw(t *testing.T) {
	for seed := range int64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewSource(seed))
			s := sender{chunkSize: []int{128, 300, 4096}[r.Intn(3)], omit: r.Intn(2) == 0, streams: map[uint32]*sent{}}
			s.out = AppendMessage(nil, controlMessage(TypeSetChunkSize, uint32(s.chunkSize)), defaultChunkSize)
			want := s.interleave(r)
			c, _ := newReader(pieces{r, bytes.NewReader(s.out)})
			if seed%4 == 0 {
				c, _ = newReader(iotest.OneByteReader(bytes.NewReader(s.out)))
			}
			got, err := readAll(c)
			if err != io.EOF {
				t.Fatal(err)
			}
			equal(t, got[1:], want)
			if c.Quirks() > 0 {
				t.Errorf("%d quirks", c.Quirks())
			}
		})
	}
}

// interleave writes random messages and returns them in the order of their ends.
func (s *sender) interleave(r *rand.Rand) (want []Message) {
	csids := []uint32{3, 4, 6, 63, 64, 319, 320, 65599}[:1+r.Intn(8)]
	for range 60 {
		csid := csids[r.Intn(len(csids))]
		if last := s.streams[csid]; last != nil && len(last.rest) > 0 {
			s.next(csid)
		} else {
			m := s.following(r, last)
			formats := s.formats(csid, m)
			s.begin(csid, m, formats[r.Intn(len(formats))])
		}
		if last := s.streams[csid]; len(last.rest) == 0 {
			want = append(want, last.message)
		}
	}
	for _, csid := range csids {
		if last := s.streams[csid]; last != nil && len(last.rest) > 0 {
			s.finish(csid)
			want = append(want, last.message)
		}
	}
	return want
}

// following is a random message, often like the one before it.
func (s *sender) following(r *rand.Rand, last *sent) Message {
	m := randomMessage(r, s.chunkSize)
	if last == nil || r.Intn(4) == 0 {
		return m
	}
	m.StreamID = last.message.StreamID
	if r.Intn(2) == 0 {
		m.Type, m.Body = last.message.Type, make([]byte, len(last.message.Body))
		r.Read(m.Body)
	}
	if r.Intn(2) == 0 {
		m.Timestamp = last.message.Timestamp + last.delta
	}
	return m
}
