package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// Recordings that lack GOPs, in the middle and at the end, and say so, are ones that
// FFmpeg and GStreamer take without a word, before they are closed and after: they see
// every frame that is there, and no stream besides video and audio.
func TestDropsPlay(t *testing.T) {
	for _, format := range []string{".flv", ".mp4"} {
		for _, closed := range []bool{false, true} {
			name := map[bool]string{false: "open", true: "closed"}[closed] + format
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "live_main_20260115_143022"+format)
				sizes, frames := writeDropping(t, path, closed)
				for kind, n := range frames {
					packets := peers.Packets(t, path, kind)
					size := int64(0)
					for _, p := range packets {
						size += int64(p.Size)
					}
					if len(packets) != n || size != sizes[kind] {
						t.Errorf("FFmpeg reads %d packets of %s with %d bytes, want %d with %d", len(packets), kind, size, n, sizes[kind])
					}
				}
				if n := len(peers.Probe(t, path).Streams); n != 2 {
					t.Errorf("FFmpeg sees %d streams, want one of video and one of audio", n)
				}
				plays(t, path)
				demuxes(t, path, sizes)
				if !closed {
					if code, out := tool(t, "fix", path); code != 0 {
						t.Errorf("fix: exit %d\n%s", code, out)
					}
				}
				code, out := tool(t, "inspect", path)
				if code != 0 || strings.Count(out, "noted by the recorder: the disk was too slow") != 2 || !strings.Contains(out, "WHOLE") {
					t.Errorf("inspect: exit %d\n%s", code, out)
				}
			})
		}
	}
}

// writeDropping records a source without what comes between its second keyframe and the
// third, and without what comes from the last one on. It returns what is there.
func writeDropping(t *testing.T, path string, closed bool) (sizes map[string]int64, frames map[string]int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packets := packetsOf(t, peers.Source(t, "h264"))
	w, write := dropWriter(t, &stopped{File: f, closed: closed}, packets)
	keys, lost, newest := 0, container.Drop{}, time.Duration(0)
	all := 0
	for _, p := range packets {
		if p.Key {
			all++
		}
	}
	note := func(until time.Duration) {
		lost.At, lost.Length = newest, until-newest
		if err := errors.Join(w.Flush(), w.Drop(lost)); err != nil {
			t.Fatal(err)
		}
		lost = container.Drop{}
	}
	sizes, frames = make(map[string]int64), make(map[string]int)
	for _, p := range packets {
		if p.Key {
			if keys++; keys == 3 {
				note(p.DTS)
			}
		}
		kind := map[media.Kind]string{media.Video: "v", media.Audio: "a"}[p.Kind]
		switch {
		case p.Role != media.Frame:
		case keys == 2 || keys == all:
			if kind == "v" {
				lost.Video++
			} else {
				lost.Audio++
			}
			continue
		default:
			newest = max(newest, p.DTS)
			for s := range flv.Samples(p) {
				frames[kind]++
				sizes[kind] += int64(len(s.Data))
			}
		}
		if err := write(p); err != nil {
			t.Fatal(err)
		}
		if p.Kind == media.Video {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	note(packets[len(packets)-1].DTS)
	if err := w.Close(); closed && err != nil || !closed && !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	if all < 4 || frames["v"] < 100 {
		t.Fatalf("a source of another kind: %d keyframes, %v", all, frames)
	}
	return sizes, frames
}

type dropping interface {
	Drop(container.Drop) error
	Flush() error
	Close() error
}

// dropWriter is a writer for the tracks of packets.
func dropWriter(t *testing.T, f *stopped, packets []*media.Packet) (w dropping, write func(*media.Packet) error) {
	t.Helper()
	if filepath.Ext(f.Name()) == ".flv" {
		w := flv.NewWriter(f, flv.Options{})
		return w, func(p *media.Packet) error { return w.Write(p, p.DTS) }
	}
	var tracks []media.Track
	for _, p := range packets {
		if p.Role == media.Decoder && len(tracks) < 2 {
			for track := range flv.Configs(p) {
				tracks = append(tracks, track)
			}
		}
	}
	m, err := bmff.NewWriter(f, bmff.Options{Tracks: tracks})
	if err != nil {
		t.Fatal(err)
	}
	return m, func(p *media.Packet) error {
		for s := range flv.Samples(p) {
			s.DTS = p.DTS
			if err := m.Write(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// stopped is a file whose writer is stopped when all media is written: it is not closed.
type stopped struct {
	*os.File
	closed bool // but not this one
	size   int64
}

var errStopped = errors.New("the recorder is stopped")

func (f *stopped) WriteAt(b []byte, at int64) (int, error) {
	if finishing := at < f.size || len(b) > 8 && string(b[4:8]) == "moov"; finishing && !f.closed {
		return 0, errStopped
	}
	f.size = at + int64(len(b))
	return f.File.WriteAt(b, at)
}
