package record

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// hangingDisk is a directory whose disk can stand still: then its files do not answer.
type hangingDisk struct {
	dir string
	ops []string // that hang; nil: all

	mu   sync.Mutex
	gate chan struct{} // closed when it goes on; nil while it works
}

func (d *hangingDisk) hang() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gate = make(chan struct{})
}

func (d *hangingDisk) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.gate)
	d.gate = nil
}

func (d *hangingDisk) wait(op string) {
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil && (d.ops == nil || slices.Contains(d.ops, op)) {
		<-gate
	}
}

// create is a Config.Create that makes files as production does.
func (d *hangingDisk) create(stream string, at time.Time, ext string) (File, string, error) {
	d.wait("create")
	f, path, err := (&Config{Dir: d.dir}).CreateFile(stream, at, ext)
	if err != nil {
		return nil, path, err
	}
	return &hangingFile{f, d}, path, nil
}

type hangingFile struct {
	File
	disk *hangingDisk
}

func (f *hangingFile) WriteAt(b []byte, at int64) (int, error) {
	f.disk.wait("write")
	return f.File.WriteAt(b, at)
}

func (f *hangingFile) Truncate(size int64) error {
	f.disk.wait("truncate")
	return f.File.Truncate(size)
}
func (f *hangingFile) Sync() error  { f.disk.wait("sync"); return f.File.Sync() }
func (f *hangingFile) Close() error { f.disk.wait("close"); return f.File.Close() }
func (f *hangingFile) Reserve(end, more int64) error {
	f.disk.wait("reserve")
	return f.File.(bmff.Reserver).Reserve(end, more)
}

// broadcast is a feed of a bit rate, with a viewer that keeps up.
type broadcast struct {
	*feed
	*Recorder
	viewer *live.Cursor
	bodies [2][60][]byte // of a GOP: keyframe and others, sound
	seen   int           // packets that the viewer got
}

const (
	frameTime = 33 * ms
	bitrate   = 4_000_000
)

func startBroadcast(t *testing.T, r *live.Registry, c Config, name string) *broadcast {
	b := &broadcast{feed: newFeed(t, r, name), viewer: r.Subscribe(name)}
	const sound = 370 // bytes: 128 kbit/s
	picture := bitrate/8*int(frameTime)/int(time.Second) - sound
	for i := range 60 {
		head := unhex("27 01 000042 00000000 41")
		if i == 0 {
			head = unhex("17 01 000000 00000000 65")
		}
		body := append(append(head, name...), make([]byte, picture-len(head)-len(name)-4)...)
		body = binary.BigEndian.AppendUint32(body, uint32(i))
		binary.BigEndian.PutUint32(body[5:], uint32(len(body)-9))
		b.bodies[0][i] = body
		b.bodies[1][i] = binary.BigEndian.AppendUint32(append(unhex("AF 01"), make([]byte, sound-6)...), uint32(i))
	}
	b.Recorder = Start(c, name, b.p.Cursor())
	b.configs()
	return b
}

// frame sends the i-th frame and its sound, and lets no time pass.
func (b *broadcast) frame(i int) {
	b.at = time.Duration(i) * frameTime
	b.send(flv.TagVideo, b.bodies[0][i%60])
	b.send(flv.TagAudio, b.bodies[1][i%60])
}

// watch fails unless the viewer has all that was sent, but for the newest sound.
func (b *broadcast) watch() {
	b.t.Helper()
	for b.seen < len(b.sent)-1 {
		batch, err := b.viewer.Next(b.t.Context(), time.Now())
		if err != nil {
			b.t.Fatalf("the viewer of %s has %d packets of %d", b.p.Stream().Name(), b.seen, len(b.sent))
		}
		for _, p := range batch.Packets {
			if p != b.sent[b.seen] {
				b.t.Fatalf("the viewer of %s got another packet than that it should have, the %dth", b.p.Stream().Name(), b.seen)
			}
			b.seen++
		}
	}
}

// A disk that hangs for 20 s under 10 streams of 4 Mbit/s: no frame is lost, and viewers
// get every packet at once.
func TestHangingDisk(t *testing.T) {
	for _, hanging := range [][]string{nil, {"sync"}, {"write"}} {
		t.Run(fmt.Sprint("hangs: ", hanging), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &hangingDisk{dir: t.TempDir(), ops: hanging}
				logs := &testDisk{}
				registry := live.NewRegistry(live.Config{})
				var all []*broadcast
				for n := range 10 {
					c := logs.config()
					c.Create, c.SyncEvery, c.Format = disk.create, time.Second, []Format{FLV, MP4}[n%2]
					all = append(all, startBroadcast(t, registry, c, fmt.Sprint("live/", n)))
				}
				const before, during, after = 60, int(20 * time.Second / frameTime), 60
				for i := range before + during + after {
					switch i {
					case before:
						disk.hang()
					case before + during:
						for _, b := range all {
							if held := b.p.Stream().Info().RingBytes; hanging == nil && held < 20*bitrate/8*9/10 {
								t.Errorf("the ring of a stream holds %d bytes: the disk does not hang", held)
							}
						}
						disk.release()
					}
					for _, b := range all {
						b.frame(i)
					}
					synctest.Wait()
					for _, b := range all {
						b.watch()
					}
					time.Sleep(frameTime)
				}
				for _, b := range all {
					b.p.Close()
					<-b.Done()
					b.viewer.Close()
					st := b.Status()
					if st.Err != nil || st.Skipped > 0 {
						t.Errorf("%s: %+v", st.Path, st)
					}
					data, err := os.ReadFile(st.Path)
					if err != nil {
						t.Fatal(err)
					}
					wantFrames(t, contents(t, data), b.sent)
				}
				if told := append(logs.lines(t, "warn"), logs.lines(t, "error")...); len(told) > 0 {
					t.Errorf("logged %v", told)
				}
			})
		})
	}
}

// A disk that hangs for longer than the buffer lasts: whole GOPs are missing; they are
// counted, and noted in the file, which is whole.
func TestDropsAreNoted(t *testing.T) {
	for _, format := range []Format{FLV, MP4} {
		for _, tt := range []struct {
			name    string
			gop     int           // frames
			segment time.Duration // of Config
			ends    bool          // the publication ends before the disk goes on
			notes   []int         // in each file
		}{
			{"goes on", 30, 0, false, []int{1}},
			{"ends", 30, 0, true, []int{1}},
			{"ends without another keyframe", 5000, 0, true, []int{1}},
			{"goes on in another file", 30, 30 * time.Second, false, []int{1, 0}},
		} {
			t.Run(fmt.Sprint(format, ", ", tt.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					disk, logs := &hangingDisk{dir: t.TempDir()}, &testDisk{}
					registry := live.NewRegistry(live.Config{RecordBytes: 200 << 10, StreamBytes: 100 << 10})
					f := newFeed(t, registry, "live/a")
					c := logs.config()
					c.Create, c.Format, c.Segment = disk.create, format, tt.segment
					r := Start(c, "live/a", f.p.Cursor())
					f.configs()
					send := func(frames int) {
						for range frames {
							if (len(f.sent)-3)/2%tt.gop == 0 {
								f.key()
							} else {
								f.inter()
							}
							f.wait(10 * ms)
							f.audio()
							f.wait(23 * ms)
						}
					}
					send(100)
					disk.hang()
					send(2000)
					if tt.ends {
						f.p.Close()
					}
					disk.release()
					if !tt.ends {
						send(100)
						f.p.Close()
					}
					<-r.Done()
					checkDrops(t, f.sent, r, logs, disk.dir, tt.notes)
				})
			})
		}
	}
}

// checkDrops: what was sent and is not in the files is noted in them, as it was counted.
func checkDrops(t *testing.T, sent []*media.Packet, r *Recorder, logs *testDisk, dir string, notes []int) {
	t.Helper()
	var drops []container.Drop
	got := make(map[media.Kind][]string)
	files := recfile.Find([]string{dir})
	if len(files) != len(notes) {
		t.Fatalf("files %q, want %d", files, len(notes))
	}
	for i, path := range files {
		rec, err := recfile.Open(path)
		if err != nil || rec.Verdict != recfile.Whole || len(rec.Index.Drops) != notes[i] {
			t.Fatalf("%s: %v, %v, drops %+v, want %d", path, err, rec.Verdict, rec.Index.Drops, notes[i])
		}
		drops = append(drops, rec.Index.Drops...)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for kind, frames := range contents(t, data) {
			got[kind] = append(got[kind], frames...)
		}
	}
	take := func(p *media.Packet) bool { // if the files have it next
		for s := range flv.Samples(p) {
			if len(got[s.Kind]) == 0 || got[s.Kind][0] != string(s.Data) {
				return false
			}
			got[s.Kind] = got[s.Kind][1:]
		}
		return true
	}
	all := slices.DeleteFunc(frames(sent), func(p *media.Packet) bool { return p.Role != media.Frame })
	from := 0
	for from < len(all) && take(all[from]) {
		from++
	}
	want := container.Drop{Offset: drops[0].Offset, At: all[from-1].DTS}
	to := from
	for ; to < len(all) && !take(all[to]); to++ {
		want.Length = all[to].DTS - want.At
		if all[to].Kind == media.Video {
			want.Video++
		} else {
			want.Audio++
		}
	}
	if to < len(all) {
		want.Length = all[to].DTS - want.At
		if !all[to].Key {
			t.Errorf("goes on at %s without a keyframe", all[to].DTS)
		}
		for _, p := range all[to+1:] {
			if !take(p) {
				t.Fatalf("the files lack another frame, at %s", p.DTS)
			}
		}
	}
	if len(drops) != 1 || drops[0] != want || want.Video < 1000 || want.Length < 30*time.Second {
		t.Errorf("drops %+v, want %+v", drops, want)
	}
	if lines := logs.lines(t, "warn"); len(lines) != 1 || lines[0]["video"] != float64(want.Video) || lines[0]["duration"] != want.Length.String() {
		t.Errorf("logged %v", lines)
	}
	if st := r.Status(); st.Err != nil || st.Skipped != uint64(to-from) {
		t.Errorf("status %+v, want %d packets skipped", st, to-from)
	}
}
