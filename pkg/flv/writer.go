package flv

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Writer appends packets to a new FLV file. Packets collect until Flush, which
// writes whole tags only, in one call.
type Writer struct {
	file   container.File
	index  Index
	buf    []byte // whole tags not yet written
	offset int64  // where buf goes
	clock  clock  // reads the times as a Scan will
	synced atomic.Int64
}

// Options are what a Writer cannot learn from packets. Zero means unknown.
type Options struct {
	Created   time.Time // wall clock of the first frame
	FrameRate float64   // as the publisher announced it
}

// NewWriter begins a file. Nothing is written before the first Flush, so that
// onMetaData can tell what the packets up to then have shown.
func NewWriter(f container.File, o Options) *Writer {
	w := &Writer{file: f, index: Index{FrameRate: o.FrameRate}, clock: clock{begun: true}}
	w.index.Created, w.index.End = wallClock(o.Created), headSize
	w.buf = w.index.appendHead(nil)
	return w
}

// Write adds an audio or video packet at a time that counts from the start of
// the file; a tag keeps whole milliseconds of it.
func (w *Writer) Write(p *media.Packet, at time.Duration) error {
	if p.Kind != media.Audio && p.Kind != media.Video {
		return fmt.Errorf("flv: cannot write a %s packet, only audio and video", p.Kind)
	}
	if len(p.Body) > maxBody {
		return fmt.Errorf("flv: %s of %d bytes does not fit into a tag of at most %d", p.Kind, len(p.Body), maxBody)
	}
	begin := w.offset + int64(len(w.buf))
	kind := byte(TagAudio)
	if p.Kind == media.Video {
		kind = TagVideo
	}
	w.buf = appendTag(w.buf, kind, at, p.Body)
	w.index.add(p, w.clock.at(stamp(at)), begin, w.offset+int64(len(w.buf)))
	return nil
}

// Flush writes what was added. After an error the file has some of that, up to
// any byte, behind what it had before; the next Flush writes all of it again.
func (w *Writer) Flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	w.mark()
	if w.offset == 0 {
		w.index.appendHead(w.buf[:0])
	}
	if _, err := w.file.WriteAt(w.buf, w.offset); err != nil {
		return err
	}
	w.offset += int64(len(w.buf))
	w.buf = container.Reuse(w.buf)
	return nil
}

// Full reports whether another file should begin: soon the times of this one begin again at 0,
// which players do not follow.
func (w *Writer) Full() bool { return w.clock.time() >= maxTime }

// Buffered tells how many bytes wait for Flush.
func (w *Writer) Buffered() int { return len(w.buf) }

// Written tells how many bytes of whole tags the file has.
func (w *Writer) Written() int64 { return w.offset }

// Index tells what was added so far, flushed or not.
func (w *Writer) Index() *Index { return &w.index }

// Close flushes and finishes the file. If that cannot be, what the file has can
// still be finished: Scan it and apply Finalize to what that finds.
func (w *Writer) Close() error {
	if err := w.Flush(); err != nil {
		return err
	}
	return Finalize(&w.index, w.offset).Apply(w.file)
}

// appendHead appends the file header and the script tag: headSize bytes, always.
func (x *Index) appendHead(dst []byte) []byte {
	dst = appendFileHeader(dst, x.flags())
	at := len(dst)
	dst = appendTagHeader(dst, TagScript, scriptSize, 0)
	dst = x.appendScript(dst)
	return binary.BigEndian.AppendUint32(dst, uint32(len(dst)-at))
}

// appendFileHeader appends the file header and the back pointer in front of the
// first tag.
func appendFileHeader(dst []byte, flags byte) []byte {
	dst = append(dst, signature...)
	return append(dst, flags, 0, 0, 0, headerSize-backPointer, 0, 0, 0, 0)
}

// flags tells which tracks there are.
func (x *Index) flags() (flags byte) {
	if x.audio.seen {
		flags |= flagAudio
	}
	if x.video.seen {
		flags |= flagVideo
	}
	return flags
}

// headSize is where the first audio or video tag of our files begins.
const headSize = headerSize + tagHeaderSize + scriptSize + backPointer

func appendTag(dst []byte, kind byte, at time.Duration, body []byte) []byte {
	dst = appendTagHeader(dst, kind, len(body), at)
	dst = append(dst, body...)
	return binary.BigEndian.AppendUint32(dst, uint32(tagHeaderSize+len(body)))
}

// stamp is what a tag keeps of a time.
func stamp(at time.Duration) uint32 { return uint32(at.Milliseconds()) & timestampMask }

// appendTagHeader appends type, size, time with its upper byte last, and stream
// id 0 (FLV E.4.1).
func appendTagHeader(dst []byte, kind byte, size int, at time.Duration) []byte {
	ms := stamp(at)
	return append(dst, kind, byte(size>>16), byte(size>>8), byte(size),
		byte(ms>>16), byte(ms>>8), byte(ms), byte(ms>>24), 0, 0, 0)
}
