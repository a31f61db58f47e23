package server

import (
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// A long stream is sent in windows of 2 min, each more than the kernel takes for a viewer.
const (
	windows      = 12 * 30
	windowFrames = 2 * 60 * 25 // pictures, with sound each
	windowGOP    = 50
	frameLength  = 40 // ms
)

// However long a stream lasts, the server keeps no more of it: after 12 h, sent as fast as it
// is taken, the heap is what it was after the first 5 %. Of the viewers, plain and secure, some
// read while a window is sent, some begin only then, so that each window leaves the fan for
// their own goroutines and comes back, and one does not read at all.
func TestHeapOfALongStream(t *testing.T) {
	skipUnderRace(t)
	id, recordings := newIdentity(t), &passing{Config: record.Config{Dir: t.TempDir(), Segment: time.Minute, Logger: zerolog.Nop()}}
	s := start(t, Config{
		GetCertificate: id.get, WriteTimeout: time.Hour, Record: recordings.config(),
		Live: live.Config{StreamBytes: 4 << 20, RecordBytes: 4 << 20}, // all of it in use, because of who does not read
	})
	var eager, late []*longViewer
	for _, dial := range []func() *peer{s.dial, func() *peer { return s.dialTLS(id) }} {
		eager = append(eager, &longViewer{peer: dial().play("main")}, &longViewer{peer: dial().play("main")})
		late = append(late, &longViewer{peer: dial().impatient().play("main")})
	}
	s.dial().impatient().play("main")

	p := s.publish("main")
	key, inter := keyFrame(strings.Repeat("picture ", 25)), interFrame(strings.Repeat("picture ", 25))
	p.send(video(0, unhex(t, longAVC)), audio(0, unhex(t, longAAC)), video(0, key))
	readTo(0, eager)() // all are there from the first picture on
	readTo(0, late)()
	window := make([]rtmp.Message, 2*windowFrames)
	for i := range windowFrames {
		window[2*i], window[2*i+1] = audio(0, aacFrame("sound")), video(0, inter)
		if i%windowGOP == 0 {
			window[2*i+1] = video(0, key)
		}
	}
	var heaps []int
	last := uint32(0)
	for n := range windows {
		for i := range window {
			window[i].Timestamp = last + uint32(i/2+1)*frameLength
		}
		last += windowFrames * frameLength
		_ = p.SetDeadline(time.Now().Add(patience))
		wait := readTo(last, eager)
		p.send(window...)
		wait()
		readTo(last, late)()
		if t.Failed() {
			return
		}
		s.await("the newest minute is recorded", func() bool { return int(recordings.begun.Load()) == 2*(n+1) })
		if n == windows/20 || n == windows-1 {
			s.await("so is its end", func() bool {
				st, _ := s.stream("live/main")
				return st.Recording.Duration >= time.Minute
			})
			heaps = append(heaps, heap())
		}
	}
	t.Logf("%d bytes after the first 5 %%, %d after 12 h", heaps[0], heaps[1])
	if heaps[1] > heaps[0]+heaps[0]/10 {
		t.Errorf("the heap has grown from %d to %d bytes, at most 10 %% are allowed", heaps[0], heaps[1])
	}
	for _, v := range append(eager, late...) {
		if want := 3 + windows*len(window); v.got != want {
			t.Errorf("a viewer got %d messages of %d", v.got, want)
		}
	}
	if total := s.Totals(); total.RecordingSkipped > 0 || total.Disabled > 0 {
		t.Errorf("the recordings are not whole: %+v", total)
	}
}

// passing makes recordings that go when they are finished.
type passing struct {
	record.Config
	begun atomic.Int32
}

func (p *passing) config() *record.Config {
	c := p.Config
	c.Create = func(stream string, at time.Time, ext string) (record.File, string, error) {
		p.begun.Add(1)
		f, path, err := p.CreateFile(stream, at, ext)
		return passingFile{f}, path, err
	}
	return &c
}

type passingFile struct{ record.File }

func (passingFile) Sync() error    { return nil } // the disk is not what is measured
func (f passingFile) Close() error { return f.Remove() }

// longViewer counts what it gets.
type longViewer struct {
	*peer
	got int
}

// impatient lets the kernel take little for a client that does not read.
func (p *peer) impatient() *peer {
	conn := p.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(128 << 10)
	return p
}

// readTo lets viewers read until a picture has come to all of them.
func readTo(timestamp uint32, viewers []*longViewer) (wait func()) {
	var reading sync.WaitGroup
	for _, v := range viewers {
		reading.Go(func() { v.readTo(timestamp) })
	}
	return reading.Wait
}

func (v *longViewer) readTo(timestamp uint32) {
	_ = v.SetDeadline(time.Now().Add(patience))
	for {
		m, err := v.rtmp.ReadMessage()
		if err != nil {
			v.t.Errorf("after %d messages: %v", v.got, err)
			return
		}
		if m.Type == rtmp.TypeAudio || m.Type == rtmp.TypeVideo {
			v.got++
		}
		if m.Type == rtmp.TypeVideo && m.Timestamp == timestamp && len(m.Body) > 1 && m.Body[1] == 1 {
			return
		}
	}
}

// heap is what it holds, in bytes.
func heap() int {
	runtime.GC()
	runtime.GC() // what pools keep goes with the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
