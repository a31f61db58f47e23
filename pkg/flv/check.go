package flv

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

const (
	tagTimescale = 1000 // ticks a second of a tag's time

	// maxDurationError is how far "duration" may be off: writers disagree about
	// the length of the last frame.
	maxDurationError = 500 * time.Millisecond
)

// claims is what the first tag of a file says.
type claims struct {
	present   bool
	ours      bool
	duration  float64
	size      float64
	keyframes int // entries of the index
	end       int64
}

func readClaims(r io.ReaderAt, size int64) claims {
	tags, err := NewReader(r, size)
	if err != nil {
		return claims{}
	}
	tag, err := tags.Next()
	if err != nil || tag.Type != TagScript {
		return claims{}
	}
	s := claims{end: tags.offset}
	layout := tag.Offset == headerSize && tags.offset == headSize // Finalize overwrites just that
	values, _ := amf.Parse(tag.Body)                              // what can be read counts
	for _, v := range values {
		if v == metadataName {
			s.present = true
		}
		encoder, _ := amf.Get(v, "encoder")
		s.ours = s.ours || encoder == metadataEncoder && layout
		number := func(key string, to *float64) {
			if value, ok := amf.Get(v, key); ok {
				*to, _ = amf.Number(value)
			}
		}
		number("duration", &s.duration)
		number("filesize", &s.size)
		if index, ok := amf.Get(v, "keyframes"); ok {
			times, _ := amf.Get(index, "times")
			if list, ok := times.(amf.StrictArray); ok {
				s.keyframes = len(list)
			}
		}
	}
	return s
}

// Ours reports whether rtmptool wrote a file: then Finalize may finish it in place.
// A head that the end of the file cuts counts as far as it goes.
func Ours(r io.ReaderAt, size int64) bool {
	return readClaims(r, size).ours || size < headSize && beginsLikeOurs(r, size)
}

// beginsLikeOurs compares what every head of ours has in common, up to the first
// number of onMetaData. The flags of the tracks may be any.
func beginsLikeOurs(r io.ReaderAt, size int64) bool {
	const common = headerSize + tagHeaderSize + 3 + len(metadataName) // a string's type and size
	want := (&Index{}).appendHead(nil)[:min(size, int64(common))]
	got := make([]byte, len(want))
	if n, _ := r.ReadAt(got, 0); n < len(got) || n == 0 {
		return false
	}
	if len(got) > flagsOffset {
		got[flagsOffset] = want[flagsOffset]
	}
	return bytes.Equal(got, want)
}

// HasTag reports whether a whole tag of audio or video begins anywhere in a part of
// a file: behind a damaged tag that means that to cut the file there would lose it.
func HasTag(r io.ReaderAt, from, size int64) (bool, error) {
	buf := make([]byte, min(readAhead, max(0, size-from)))
	back := make([]byte, backPointer)
	for at := from; size-at >= tagHeaderSize+backPointer; at += int64(len(buf)) - tagHeaderSize + 1 {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if err != nil && err != io.EOF {
			return false, err
		}
		for i := 0; i+tagHeaderSize <= n; i++ {
			h := buf[i : i+tagHeaderSize]
			if h[0] != TagAudio && h[0] != TagVideo || h[8]|h[9]|h[10] != 0 { // type, stream id
				continue
			}
			end := at + int64(i) + tagHeaderSize + int64(uint24(h[1:]))
			if end+backPointer > size {
				continue
			}
			if _, err := r.ReadAt(back, end); err != nil && err != io.EOF {
				return false, err
			}
			if int64(binary.BigEndian.Uint32(back)) == end-at-int64(i) {
				return true, nil
			}
		}
		if n < len(buf) {
			break
		}
	}
	return false, nil
}

// Check compares what onMetaData says with what Scan has found in a file of that
// size. A file of ours is unfinished when they differ.
func Check(x *Index, r io.ReaderAt, size int64) []container.Finding {
	s := readClaims(r, size)
	if x.Tags == 0 {
		return nil
	}
	repair := "write a finished copy"
	if s.ours {
		repair = "write the head anew"
	}
	var found []container.Finding
	add := func(code, text string) {
		found = append(found, container.Finding{Code: code, Severity: container.Warning, Offset: headerSize, End: max(headerSize, s.end), Text: text, Repair: repair})
	}
	off := math.Abs(s.duration - x.Duration().Seconds())
	switch {
	case !s.present:
		add("F12", "no onMetaData at the start: players do not know the duration and cannot seek")
	case s.ours && (s.size != float64(x.End) || off > 0.001):
		add("F14", "duration, size and index are not set: the recorder was stopped before it could finish")
	case s.duration == 0 && x.Duration() > 0: // one frame has none
		add("F14", "no duration: players cannot seek")
	case off > maxDurationError.Seconds():
		add("F14", fmt.Sprintf("duration says %.3f s, the tags last %.3f s", s.duration, x.Duration().Seconds()))
	case !s.ours && x.keys > 1 && s.keyframes == 0:
		add("F16", "no index of keyframes: players seek slowly")
	}
	return found
}

// Table lists the samples of every track of a file, as far as Scan reads it. A
// row's offset is that of the tag's body.
func Table(r io.ReaderAt, size int64) []*container.Track {
	tags, err := NewReader(r, size)
	if err != nil {
		return nil
	}
	var tracks []*container.Track
	for {
		tag, err := tags.Next()
		if err != nil {
			return tracks
		}
		if tag.Type != TagAudio && tag.Type != TagVideo {
			continue
		}
		p, err := Parse(tag.Type, tag.Body)
		if err != nil || p.Role != media.Frame && p.Role != media.Decoder {
			continue
		}
		p.DTS = tag.Time
		tracks = addToTable(tracks, p, tag)
	}
}

func addToTable(tracks []*container.Track, p *media.Packet, tag Tag) []*container.Track {
	find := func(codec media.Codec, id uint8) *container.Track {
		for _, t := range tracks {
			if t.Kind == p.Kind && t.ID == id {
				return t
			}
		}
		t := &container.Track{Track: media.Track{Kind: p.Kind, Codec: codec, ID: id}, Timescale: tagTimescale}
		tracks = append(tracks, t)
		return t
	}
	if p.Role == media.Decoder {
		t := find(p.Codec, p.Track)
		if len(t.Config) == 0 {
			t.Config = append([]byte{}, Config(p)...)
		}
		return tracks
	}
	for s := range Samples(p) {
		t := find(s.Codec, s.Track)
		if len(t.Config) == 0 {
			config := SampleConfig(p, s)
			t.Config = append(t.Config, config[:min(len(config), maxSelfDescription)]...)
		}
		t.Add(container.Row{
			Offset: tag.Offset + tagHeaderSize, Size: uint32(len(tag.Body)), DTS: p.DTS.Milliseconds(),
			CTS: int32(s.CTS.Milliseconds()), Key: s.Key || s.Kind == media.Audio,
		})
	}
	return tracks
}

// maxSelfDescription is enough of a frame to read its header, in bytes.
const maxSelfDescription = 4 << 10
