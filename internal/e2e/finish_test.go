package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/peers"
	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/recfile/recfiletest"
)

// BenchmarkFinish finishes a killed recording of 2 h and 1.9 GB: within this process,
// with the program as a person runs it, which may take 0.5 s, and with FFmpeg, as
// people do without it. The file is on the disk, and in the page cache.
func BenchmarkFinish(b *testing.B) {
	l := newLeftover(b, 2*time.Hour)
	l.each("recfile", 7, func(b *testing.B) {
		r, err := recfile.Fix(l.path, false)
		if err != nil || r.Outcome != recfile.Repaired || r.Before.Fragments != 216000 {
			b.Fatalf("%+v, %v", r, err)
		}
	})
	l.each("program", 7, func(b *testing.B) {
		if out, err := program("fix", l.path).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	})
	l.each("ffmpeg", 1, func(b *testing.B) {
		out := filepath.Join(b.TempDir(), "copy.mp4")
		_, stderr, err := peers.Run(b, 5*time.Minute, peers.FFmpeg(b), "-v", "error", "-nostdin", "-y", "-i", l.path, "-c", "copy", out)
		if err != nil || stderr != "" {
			b.Fatal(err, stderr)
		}
	})
}

// leftover is a long recording whose recorder was killed.
type leftover struct {
	b    *testing.B
	path string
	size int64
	head []byte
}

func newLeftover(b *testing.B, long time.Duration) *leftover {
	l := &leftover{b: b, path: filepath.Join(b.TempDir(), "live_main_20260115_143022.mp4"), head: make([]byte, 48)}
	recfiletest.Long(b, l.path, long)
	f, err := os.Open(l.path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(l.head, 0); err != nil {
		b.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	l.size = info.Size()
	return l
}

// again makes the file what the kill has left: finishing changed its head and its end.
func (l *leftover) again() {
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if err != nil {
		l.b.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(l.size); err != nil {
		l.b.Fatal(err)
	}
	if _, err := f.WriteAt(l.head, 0); err != nil {
		l.b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		l.b.Fatal(err)
	}
}

// each measures one way of finishing it: the median of some runs.
func (l *leftover) each(name string, runs int, finish func(b *testing.B)) {
	l.b.Run(name, func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			for range runs {
				l.again()
				begin := time.Now()
				finish(b)
				took = append(took, time.Since(begin))
			}
		}
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "ns/op")
	})
}
