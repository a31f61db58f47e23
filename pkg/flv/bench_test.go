package flv

import (
	"bufio"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// longFile writes a file of H.264 of 4 Mbit/s at 30 frames a second, with AAC of 47.
func longFile(b *testing.B, seconds int) (*os.File, int64) {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "long.flv"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	w := bufio.NewWriterSize(f, 1<<20)
	frame := func(head string, size int) []byte {
		body := append(unhex(head), make([]byte, size)...)
		binary.BigEndian.PutUint32(body[5:], uint32(len(body)-9))
		return body
	}
	key, inter := frame("17 01 000000 00000000 65", 80_000), frame("27 01 000000 00000000 41", 14_500)
	sound := append(unhex("AF 01"), make([]byte, 340)...)
	tags := (&Index{}).appendHead(nil)
	tags = appendTag(tags, TagVideo, 0, unhex("17 00 000000"+avcC720))
	tags = appendTag(tags, TagAudio, 0, unhex("AF 00 1190"))
	for ms := range time.Duration(seconds * 1000) {
		at := ms * time.Millisecond
		if ms%2000 == 0 {
			tags = appendTag(tags, TagVideo, at, key)
		} else if ms%33 == 0 {
			tags = appendTag(tags, TagVideo, at, inter)
		}
		if ms%21 == 0 {
			tags = appendTag(tags, TagAudio, at, sound)
		}
		if _, err := w.Write(tags); err != nil {
			b.Fatal(err)
		}
		tags = tags[:0]
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return f, info.Size()
}

// A scan reads a file that is in the page cache: at most 0.2 s a GB.
func BenchmarkScan(b *testing.B) {
	f, size := longFile(b, 600)
	b.SetBytes(size)
	b.ReportAllocs()
	tags := 0
	for b.Loop() {
		x, findings, err := Scan(f, size)
		if err != nil || len(findings) > 0 {
			b.Fatal(findings, err)
		}
		tags = x.Tags
	}
	b.ReportMetric(float64(tags), "tags/op")
}
