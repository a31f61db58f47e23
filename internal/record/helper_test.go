package record

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// TestMain fails if a goroutine of this package outlives the tests. Those in
// synctest bubbles cannot; this is for the others.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// Message bodies as encoders send them.
var (
	avcC = unhex("17 00 000000 0164001fffe1001a 6764001facd9405005bb0110000003001000000303c0f1831960 01000668ebe3cb22c0fdf8f800")
	asc  = unhex("AF 00 1210")                                                                                  // AAC-LC, 44.1 kHz, stereo
	asc2 = unhex("AF 00 1190")                                                                                  // 48 kHz
	meta = unhex("02 000A 6F6E4D65746144617461 08 00000001 0009 6672616D6572617465 00 4039000000000000 000009") // framerate 25
)

// feed publishes messages as the server does. Each frame has a number in its body.
type feed struct {
	t  *testing.T
	p  *live.Publication
	at time.Duration
	n  uint32

	sent []*media.Packet
	came []time.Time // each of them

	early int             // packets that wait at most for the publisher to be read; 0: it is read when they come
	waits []*media.Packet // they do
	since time.Time       // when it was read last
	tick  time.Time       // when it is read next
}

func newFeed(t *testing.T, r *live.Registry, name string) *feed {
	t.Helper()
	p, err := r.Publish(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &feed{t: t, p: p, at: p.Epoch()}
}

func (f *feed) send(tagType uint8, body []byte) *media.Packet {
	f.t.Helper()
	p, err := flv.Parse(tagType, body)
	if err != nil {
		f.t.Fatal(err)
	}
	p.DTS = f.at
	f.waits = append(f.waits, p)
	if len(f.waits) > f.early || time.Now().After(f.tick) {
		f.read()
	}
	f.sent = append(f.sent, p)
	f.came = append(f.came, time.Now())
	return p
}

func (f *feed) numbered(prefix string) []byte { return f.number(unhex(prefix)) }

// number is a body that ends with the next number.
func (f *feed) number(body []byte) []byte {
	f.n++
	return binary.BigEndian.AppendUint32(bytes.Clone(body), f.n)
}

func (f *feed) configs() {
	f.send(flv.TagScript, meta)
	f.send(flv.TagVideo, avcC)
	f.send(flv.TagAudio, asc)
}
func (f *feed) key() *media.Packet {
	return f.send(flv.TagVideo, f.numbered("17 01 000000 00000005 65"))
}
func (f *feed) inter() *media.Packet {
	return f.send(flv.TagVideo, f.numbered("27 01 000042 00000005 41"))
}
func (f *feed) audio() *media.Packet { return f.send(flv.TagAudio, f.numbered("AF 01")) }

// read publishes what has come, and says when the next will be.
func (f *feed) read() {
	now := time.Now()
	came := now
	if f.early > 0 {
		came = f.since
	}
	for _, p := range f.waits {
		f.p.Publish(p, came)
	}
	f.waits, f.since = nil, now
	if f.early > 0 {
		every := f.p.Patience()
		f.tick = now.Truncate(every).Add(every)
	}
}

// wait lets time pass on all clocks.
func (f *feed) wait(d time.Duration) {
	f.at += d
	for end := time.Now().Add(d); f.early > 0 && !f.tick.After(end); f.read() {
		time.Sleep(time.Until(f.tick))
		d = time.Until(end)
	}
	time.Sleep(d)
}

// gop sends a keyframe and others, 33 ms apart, each followed by audio.
func (f *feed) gop(frames int) { f.gopWith("AF 01", frames) }

// gopWith sends a GOP with audio whose bodies begin so.
func (f *feed) gopWith(sound string, frames int) {
	for i := range frames {
		if i == 0 {
			f.key()
		} else {
			f.inter()
		}
		f.wait(10 * ms)
		f.send(flv.TagAudio, f.numbered(sound))
		f.wait(23 * ms)
	}
}

var errDisk = errors.New("no space left on this disk")

// operation is what was done to a file.
type operation struct {
	name   string // "write", "truncate", "sync" or "close"
	offset int64
	size   int
	at     time.Time
}

// memFile is a file in memory. Its hook may fail an operation, of which a part is
// done then, or hold it up.
type memFile struct {
	hook func(n int, op operation) (part int, err error)

	mu         sync.Mutex
	data       []byte
	ops        []operation
	unreadable bool
}

func (f *memFile) do(op operation) (int, error) {
	f.mu.Lock()
	op.at = time.Now()
	f.ops = append(f.ops, op)
	n, hook := len(f.ops), f.hook
	f.mu.Unlock()
	if hook == nil {
		return op.size, nil
	}
	part, err := hook(n, op)
	if err == nil {
		part = op.size
	}
	return part, err
}

func (f *memFile) WriteAt(b []byte, offset int64) (int, error) {
	n, err := f.do(operation{name: "write", offset: offset, size: len(b)})
	f.mu.Lock()
	defer f.mu.Unlock()
	if end := int(offset) + n; n > 0 && end > len(f.data) {
		f.data = append(f.data, make([]byte, end-len(f.data))...)
	}
	copy(f.data[min(int(offset), len(f.data)):], b[:n])
	return n, err
}

func (f *memFile) ReadAt(b []byte, offset int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unreadable {
		return 0, errDisk
	}
	return bytes.NewReader(f.data).ReadAt(b, offset)
}

func (f *memFile) Truncate(size int64) error {
	_, err := f.do(operation{name: "truncate", offset: size})
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.data = append(f.data[:min(int(size), len(f.data))], make([]byte, max(0, int(size)-len(f.data)))...)
	return nil
}

func (f *memFile) Sync() error {
	_, err := f.do(operation{name: "sync"})
	return err
}

func (f *memFile) Close() error {
	_, err := f.do(operation{name: "close"})
	return err
}

func (f *memFile) Remove() error {
	_, err := f.do(operation{name: "remove"})
	return err
}

// writes returns the operations that wrote media, without those that finish.
func (f *memFile) writes() []operation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.ops), func(op operation) bool {
		return op.name != "write" || op.offset == 0 && op.at != f.ops[0].at
	})
}

func (f *memFile) last() operation {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops[len(f.ops)-1]
}

func (f *memFile) bytes() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.data)
}

// testDisk makes files in memory and keeps what is logged.
type testDisk struct {
	format Format
	hook   func(n int, op operation) (int, error)
	err    error // of Create
	files  []*memFile
	mu     sync.Mutex
	log    bytes.Buffer
	told   []string // streams whose recording was disabled
}

func (d *testDisk) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(b)
}

func (d *testDisk) config() Config {
	return Config{
		Format: d.format,
		Logger: zerolog.New(d),
		Failed: func(stream string, _ error) { d.told = append(d.told, stream) },
		Create: func(stream string, at time.Time, ext string) (File, string, error) {
			path := fmt.Sprintf("%s-%d%s", fileName(stream, at), len(d.files)+1, ext)
			if d.err != nil {
				return nil, path, d.err
			}
			f := &memFile{hook: d.hook}
			d.files = append(d.files, f)
			return f, path, nil
		},
	}
}

// lines returns what was logged at a level.
func (d *testDisk) lines(t *testing.T, level string) (lines []map[string]any) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range strings.Lines(d.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if fields["level"] == level {
			lines = append(lines, fields)
		}
	}
	return lines
}

// tag is one of a file, with the time of its write.
type tag struct {
	kind   uint8
	at     time.Duration
	body   string
	offset int64
}

// tags returns the audio and video tags of a file, all of which must be whole.
func tags(t *testing.T, data []byte) (all []tag) {
	t.Helper()
	r, err := flv.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for {
		x, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if x.Type != flv.TagScript && x.Type != flv.TagScriptAMF3 {
			all = append(all, tag{x.Type, x.Time, string(x.Body), x.Offset})
		}
	}
}

// wantTags compares the tags of a file with packets, and their times with those of
// the packets since a base.
func wantTags(t *testing.T, data []byte, base time.Duration, want ...*media.Packet) {
	t.Helper()
	got := tags(t, data)
	for i, x := range got {
		if i >= len(want) {
			break
		}
		p := want[i]
		kind := uint8(flv.TagAudio)
		if p.Kind == media.Video {
			kind = flv.TagVideo
		}
		if x.kind != kind || x.body != string(p.Body) {
			t.Fatalf("tag %d is %d % x, want %d % x", i, x.kind, x.body, kind, p.Body)
		}
		if at := p.DTS - base; !p.Config() && x.at != at {
			t.Fatalf("tag %d (% x) at %s, want %s", i, x.body, x.at, at)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d tags, want %d", len(got), len(want))
	}
}

// wantFinished checks that nothing is left to be done for a file.
func wantFinished(t *testing.T, data []byte) *flv.Index {
	t.Helper()
	size := int64(len(data))
	index, findings, err := flv.Scan(bytes.NewReader(data), size)
	if len(findings) > 0 || err != nil {
		t.Fatalf("findings %+v, %v", findings, err)
	}
	again := &memFile{data: slices.Clone(data)}
	if err := flv.Finalize(index, size).Apply(again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.data, data) {
		at := 0
		for at < len(data) && again.data[at] == data[at] {
			at++
		}
		t.Fatalf("the file is not finished: it would change at %d", at)
	}
	return index
}

// session is one publication that is recorded.
type session struct {
	*feed
	*testDisk
	*Recorder
	registry *live.Registry
}

func record(t *testing.T, d *testDisk, r *live.Registry) *session {
	t.Helper()
	f := newFeed(t, r, "live/a")
	return &session{f, d, Start(d.config(), "live/a", f.p.Cursor()), r}
}

// end closes the publication and waits for its recording.
func (s *session) end() {
	s.p.Close()
	<-s.Done()
}
