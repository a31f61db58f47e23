package status

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// sampled is a sampler whose disk has so much room, and nothing more to do.
func sampled(src *source, room uint64) *Sampler {
	s := NewSampler(src, "")
	s.room = watchRoom("recordings", func(string) (uint64, uint64, error) { return room, room, nil })
	return s
}

// TestDiskLeft: all recordings together fill the disk; without one nothing is
// said.
func TestDiskLeft(t *testing.T) {
	const second = time.Second
	recorded := func(name string, since time.Time) server.Status {
		st := stream(since, 1e6)
		st.Name, st.Recording = name, &record.Status{Path: "x.flv"}
		return st
	}
	failed := func(name string, since time.Time) server.Status {
		st := recorded(name, since)
		st.Recording.Err = errors.New("no room")
		return st
	}
	for _, tt := range []struct {
		name string
		make []func(string, time.Time) server.Status // a stream of 1 MB a second each
		room uint64
		want time.Duration
	}{
		{"no recording", []func(string, time.Time) server.Status{func(_ string, since time.Time) server.Status { return stream(since, 1e6) }}, 100e6, 0},
		{"one", []func(string, time.Time) server.Status{recorded}, 100e6, 100 * second},
		{"two", []func(string, time.Time) server.Status{recorded, recorded}, 100e6, 50 * second},
		{"one of two", []func(string, time.Time) server.Status{recorded, failed}, 100e6, 100 * second},
		{"full", []func(string, time.Time) server.Status{recorded}, 0, 0},
		{"endless", []func(string, time.Time) server.Status{recorded}, 1e18, maxDiskLeft},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &source{}
				for i, m := range tt.make {
					src.streams = append(src.streams, m(string(rune('a'+i)), time.Now()))
				}
				s := sampled(src, tt.room)
				defer s.Stop()
				time.Sleep(second)
				synctest.Wait()
				for _, st := range s.Snapshot().Streams {
					if st.DiskLeft != tt.want {
						t.Errorf("%s: %v left, want %v", st.Name, st.DiskLeft, tt.want)
					}
				}
			})
		})
	}
}

// TestDisk: a real disk has room; one that is not there, or does not answer, is
// unknown and holds up nobody.
func TestDisk(t *testing.T) {
	await := func(r *diskRoom) bool {
		for range 1000 {
			if _, ok := r.free(); ok {
				return true
			}
			time.Sleep(time.Millisecond) // of the bubble
		}
		return false
	}
	synctest.Test(t, func(t *testing.T) {
		s := NewSampler(&source{}, t.TempDir())
		if !await(s.room) || !s.Snapshot().HasDisk {
			t.Error("no room in a real directory")
		}
		s.Stop()
		s = NewSampler(&source{}, "/does/not/exist")
		if await(s.room) || s.Snapshot().HasDisk {
			t.Error("room in a directory that is not there")
		}
		s.Stop()
	})
	synctest.Test(t, func(t *testing.T) {
		hang, release := make(chan struct{}), make(chan struct{})
		r := watchRoom("recordings", func(string) (uint64, uint64, error) {
			select {
			case <-hang:
				<-release
			default:
			}
			return 5, 100, nil
		})
		time.Sleep(askEvery * 3)
		close(hang)
		for _, want := range []bool{true, false} {
			if _, ok := r.free(); ok != want {
				t.Errorf("the room is known: %v", ok)
			}
			time.Sleep(roomValid + askEvery)
		}
		close(release)
		synctest.Wait()
		if _, ok := r.free(); ok {
			t.Error("known: but the answer is as old as the question")
		}
		time.Sleep(askEvery * 2)
		if free, ok := r.free(); free != 5 || !ok {
			t.Errorf("%d bytes, %v once it answers again", free, ok)
		}
		r.stop()
	})
}

// TestRatesAreForgotten: a stream that is gone leaves nothing.
func TestRatesAreForgotten(t *testing.T) {
	src := &source{}
	s := NewSampler(src, "")
	for i := range 100 {
		st := stream(time.Now(), 1)
		st.Name = strings.Repeat("x", i)
		src.set(st)
		s.Snapshot()
	}
	if len(s.rates) != 1 {
		t.Errorf("%d meters", len(s.rates))
	}
}

// everything is a source with a stream in each state and a count of each kind.
func everything(now time.Time) *source {
	status := func(name string, r *record.Status) server.Status {
		return server.Status{Recording: r, Info: live.Info{
			Name: name, Live: true, Since: now, Video: media.H264, Audio: media.AAC, Bytes: 512e3, Viewers: 3}}
	}
	noSpace := &fs.PathError{Op: "write", Path: "recordings/live_bad.flv", Err: errors.New("no space left on device")}
	return &source{
		streams: []server.Status{
			status("live/bad", &record.Status{Path: "recordings/live_bad.flv", Duration: 900 * time.Millisecond, Bytes: 300e3, Durable: 200e3, Unsynced: now, Err: noSpace}),
			status("live/main", &record.Status{Path: "recordings/live_main.flv", Duration: 960 * time.Millisecond, Bytes: 500e3, Durable: 400e3, Unsynced: now.Add(250 * time.Millisecond), Skipped: 2}),
			status("live/new", &record.Status{}),
			status("live/relayed", nil),
			{Info: live.Info{Name: "live/wanted", Viewers: 1}},
		},
		totals: server.Totals{
			Connections: 20, Received: 3e6, Sent: 9e6,
			Recordings:    server.Recordings{Waiting: 1, Recording: 1, Finishing: 4, Disabled: 1, Unsynced: now.Add(-time.Second)},
			ViewerSkipped: 10, RecordingSkipped: 11, RefusedConnections: 12, RefusedPublishers: 13, Disabled: 14, Denied: 15,
			LastFailure: server.Failure{At: now.Add(500 * time.Millisecond), Stream: "live/bad", Err: noSpace},
		},
	}
}

// TestJSON has a stream in each state.
func TestJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := everything(time.Now())
		s := sampled(src, 80e9)
		defer s.Stop()
		time.Sleep(time.Second)
		synctest.Wait()
		snap := s.Snapshot()
		wantJSON(t, &snap, "status.json")
	})
}

// TestJSONOfAnIdleServer: what is not known is absent, lists are never null.
func TestJSONOfAnIdleServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		snap := NewSampler(&source{totals: server.Totals{Stopping: true}}, "").Snapshot()
		wantJSON(t, &snap, "idle.json")
	})
}

// wantJSON compares a snapshot with a file in testdata.
func wantJSON(t *testing.T, snap *Snapshot, name string) {
	t.Helper()
	got, err := json.MarshalIndent(snap, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

// TestJSONIsDocumented: the document has a row for every field.
func TestJSONIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/formats/status-json.md")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	fields := regexp.MustCompile(`"([a-z_]+)":`).FindAllStringSubmatch(string(golden), -1)
	if len(fields) < 40 {
		t.Fatalf("testdata/status.json has %d fields", len(fields))
	}
	for _, f := range fields {
		if !strings.Contains(string(text), "`"+f[1]+"`") {
			t.Errorf("docs/formats/status-json.md does not tell of %s", f[1])
		}
	}
}
