package e2e

import (
	"bytes"
	be "encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/flv"
)

// largeFrames of largeFrame bytes are more than 4 GiB. Small ones follow, for longer than it takes
// until a sync is noted in the file: zeros that were not synced might be what a power cut left.
const (
	largeFrames = 290
	largeFrame  = 15 << 20
	smallFrames = 60
	largeStep   = 40 * time.Millisecond
	largeTime   = (largeFrames + smallFrames - 1) * largeStep // of the last one
	largeCount  = "350 frames"
)

// A recorder writes more than 4 GiB, and closes the file or dies: FFmpeg reads it, open, closed
// and mended, and finds the last frame where it is.
func TestPast4GiB(t *testing.T) {
	long(t)
	for _, format := range []record.Format{record.FLV, record.MP4} {
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, dies %v", format, dies), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "live_large_20260115_143022."+string(format))
				synctest.Test(t, func(t *testing.T) { recordLarge(t, path, format, dies) })
				if info, err := os.Stat(path); err != nil || info.Size() < largeFrames*largeFrame {
					t.Fatal(info.Size(), err)
				}
				if dies {
					wantLarge(t, path, largeFrames+smallFrames)
					if code, out := tool(t, "inspect", path); code != 3 || !strings.Contains(out, "UNFINISHED") {
						t.Errorf("inspect: exit %d\n%s", code, out)
					}
					if code, out := tool(t, "fix", path); code != 0 {
						t.Errorf("fix: exit %d\n%s", code, out)
					}
				}
				wantLarge(t, path, 1, "-read_intervals", "13.8%") // there by its index
				if code, out := tool(t, "inspect", "--deep", path); code != 0 || !strings.Contains(out, largeCount) {
					t.Errorf("inspect: exit %d\n%s", code, out)
				}
				decodes(t, path, "-sseof", "-0.1")
			})
		}
	}
}

// recordLarge records the first picture of a source again and again, with filler behind it.
func recordLarge(t *testing.T, path string, format record.Format, dies bool) {
	f := &holes{}
	publication, err := live.NewRegistry(live.Config{}).Publish("live/large", nil)
	if err != nil {
		t.Fatal(err)
	}
	r := record.Start(record.Config{Format: format, SyncEvery: time.Second, Logger: zerolog.Nop(), Create: func(string, time.Time, string) (record.File, string, error) {
		f.File, err = os.Create(path)
		return f, path, err
	}}, "live/large", publication.Cursor())
	config, key := picture(t)
	publication.Publish(config, time.Now())
	const filler = 12 // nal_unit_type (H.264, table 7-1)
	body := bytes.Clone(key.Body)
	body = be.BigEndian.AppendUint32(body, uint32(largeFrame-len(body)-4))
	body = append(append(body, filler), make([]byte, largeFrame-len(body)-1)...)
	for n := range largeFrames + smallFrames {
		if n == largeFrames {
			body = key.Body
		}
		p, err := flv.Parse(flv.TagVideo, body)
		if err != nil {
			t.Fatal(err)
		}
		p.DTS = time.Duration(n) * largeStep
		publication.Publish(p, time.Now())
		time.Sleep(largeStep)
		synctest.Wait()
	}
	f.dead = dies
	publication.Close()
	<-r.Done()
	if err := r.Status().Err; errors.Is(err, errDead) != dies {
		t.Fatal(err)
	}
}

// holes is a file in which zeros take no room. It can die as a process does: nothing reaches
// it any more.
type holes struct {
	*os.File
	size int64
	dead bool
}

var errDead = errors.New("dead")

func (f *holes) WriteAt(p []byte, at int64) (int, error) {
	if f.dead {
		return 0, errDead
	}
	const block = 4096
	var zeros [block]byte
	for from := 0; from < len(p); from += block {
		piece := p[from:min(from+block, len(p))]
		if bytes.Equal(piece, zeros[:len(piece)]) {
			continue
		}
		if _, err := f.File.WriteAt(piece, at+int64(from)); err != nil {
			return from, err
		}
	}
	f.size = max(f.size, at+int64(len(p)))
	return len(p), f.File.Truncate(f.size)
}

func (f *holes) Truncate(size int64) error {
	if f.dead {
		return errDead
	}
	f.size = size
	return f.File.Truncate(size)
}

func (f *holes) Remove() error { return errors.Join(f.Close(), os.Remove(f.Name())) }

// wantLarge fails unless FFprobe reads at least so many frames, and the last one, behind 4 GiB,
// at its time.
func wantLarge(t *testing.T, path string, frames int, args ...string) {
	t.Helper()
	fields := strings.Fields(probe(t, path, append(args, "-show_entries", "packet=dts_time,pos")...))
	if n := len(fields) / 2; n < frames {
		t.Fatalf("%s: %d packets, want %d", path, n, frames)
	}
	last := fields[len(fields)-2:]
	at, _ := strconv.ParseFloat(last[0], 64)
	pos, _ := strconv.ParseInt(last[1], 10, 64)
	if (largeTime-time.Duration(at*float64(time.Second))).Abs() > time.Millisecond || pos < 1<<32 {
		t.Errorf("%s: the last packet: %v", path, last)
	}
}
