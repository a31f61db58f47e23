package server

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// headerOf is a header whose configuration nobody here reads.
func headerOf(body string) *media.Packet {
	return &media.Packet{Kind: media.Video, Role: media.Decoder, Body: []byte(body)}
}

// TestTrackLimit: 16 tracks of each kind, not one more; those that are there go on.
func TestTrackLimit(t *testing.T) {
	h, now := newHeaders(), time.Now()
	for _, kind := range []media.Kind{media.Audio, media.Video} {
		for track := range uint8(maxTracks) {
			if _, err := h.admit(&media.Packet{Kind: kind, Track: 2 * track}, now); err != nil {
				t.Errorf("%s track %d: %v", kind, track+1, err)
			}
		}
		if _, err := h.admit(&media.Packet{Kind: kind, Track: 99}, now); err == nil || !strings.Contains(err.Error(), "more than 16 tracks") {
			t.Errorf("one more %s track: %v", kind, err)
		}
		if _, err := h.admit(&media.Packet{Kind: kind, Track: 2}, now); err != nil {
			t.Errorf("an old %s track: %v", kind, err)
		}
	}
}

// TestHeaderRate: ten changed headers a second, of each track; the same one again
// costs nothing.
func TestHeaderRate(t *testing.T) {
	h, now := newHeaders(), time.Now()
	send := func(track uint8, body string) error {
		p := headerOf(body)
		p.Track = track
		_, err := h.admit(p, now)
		return err
	}
	for i := range maxHeaderRate {
		for range 100 {
			if err := send(0, string(rune('a'+i))); err != nil {
				t.Fatalf("header %d: %v", i+1, err)
			}
		}
	}
	if err := send(0, "z"); err == nil || !strings.Contains(err.Error(), "more than 10 changed headers a second") {
		t.Errorf("one more: %v", err)
	}
	if err := send(1, "z"); err != nil {
		t.Errorf("of another track: %v", err)
	}
	now = now.Add(time.Second / maxHeaderRate)
	if err := send(0, "z"); err != nil {
		t.Errorf("in time: %v", err)
	}
	if err := send(0, "y"); err == nil {
		t.Error("another one at once")
	}
}

// TestHeaderSize: a header of 64 KiB is one; a longer one is passed on, but kept for
// nobody, and the log tells.
func TestHeaderSize(t *testing.T) {
	for size, role := range map[int]media.Role{maxHeader: media.Decoder, maxHeader + 1: media.Other} {
		h, p := newHeaders(), headerOf(strings.Repeat("x", size))
		broken, err := h.admit(p, time.Now())
		if err != nil || p.Role != role || (broken != nil) != (role == media.Other) {
			t.Errorf("%d bytes: role %d, %v, %v", size, p.Role, broken, err)
		}
	}
}

// TestHeaderStorm: a publisher that changes its header with every keyframe does not
// fill the disk with files, and the frames are recorded all the same.
func TestHeaderStorm(t *testing.T) {
	const keyframes = 500
	dir := t.TempDir()
	s := start(t, Config{Record: &record.Config{Dir: dir, Format: record.MP4}})
	others := newWitness(s)
	p := s.publish("main")
	for i := range uint32(keyframes) {
		header := []byte(goodHeader)
		header[len(header)-3] = byte(i) // in the PPS
		p.send(video(40*i, string(header)), video(40*i, keyFrame("x")))
	}
	p.fence()
	others.frame()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "live_main_*"))
	if err != nil || len(paths) > 20 {
		t.Errorf("%d files, %v", len(paths), err)
	}
	n := 0
	for _, path := range paths {
		r, err := recfile.Open(path)
		if err != nil || r.Verdict != recfile.Whole {
			t.Fatalf("%s: %v, %v", path, r.Verdict, err)
		}
		n += samples(r, media.Video)
	}
	if n != keyframes {
		t.Errorf("%d frames are recorded, want %d", n, keyframes)
	}
}
