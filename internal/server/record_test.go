package server

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/flv"
)

// recordings returns what the finished files of a directory hold: the labels of
// their audio and video.
func recordings(t *testing.T, dir string) [][]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, finishedRecording(t, f))
		_ = f.Close()
	}
	slices.SortFunc(all, slices.Compare)
	return all
}

func finishedRecording(t *testing.T, f *os.File) []string {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	tags, err := flv.NewReader(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for {
		tag, err := tags.Next()
		if err == io.EOF {
			return labels
		}
		if err != nil {
			t.Fatal(err)
		}
		if tag.Type == flv.TagScript {
			values, _ := amf.Parse(tag.Body)
			if size, _ := amf.Get(values[1], "filesize"); size != float64(info.Size()) {
				t.Errorf("%s is not finished: it says that it has %v bytes, it has %d", f.Name(), size, info.Size())
			}
		}
		if tag.Type == flv.TagAudio || tag.Type == flv.TagVideo {
			labels = append(labels, label(tag.Body))
		}
	}
}

// TestTakeOver: a second publisher is refused while the first one sends, and
// takes the name over when that has fallen silent. Both are recorded.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, Config{Live: live.Config{TakeOver: 400 * time.Millisecond}, Record: &record.Config{Dir: dir}})
	viewer := s.play("main")
	first := s.publish("main")
	first.send(video(0, avcHeader), video(0, keyFrame("1-one")), video(40, interFrame("1-two")))
	viewer.expect("video/1@0 avc", "video/1@0 1-one", "video/1@40 1-two")
	refused := s.createStream()
	refused.command(1, "publish", 0, nil, "main", "live")
	refused.expect("onStatus/1 NetStream.Publish.BadName", "closed")

	var second *peer
	s.await("the name is taken over", func() bool {
		second = s.createStream()
		second.command(1, "publish", 0, nil, "main", "live")
		return second.receive() == "begin 1"
	})
	first.expect("closed")
	second.expect("onStatus/1 NetStream.Publish.Start")
	second.send(video(0, avcHeader), video(0, keyFrame("2-one")), video(40, interFrame("2-two")))
	viewer.expect("eof 1", "onStatus/1 NetStream.Play.PublishNotify", "begin 1", "video/1@80 avc", "video/1@80 2-one", "video/1@120 2-two")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"avc", "1-one", "1-two"}, {"avc", "2-one", "2-two"}}, recordings(t, dir)); diff != "" {
		t.Errorf("recordings (-want +got):\n%s", diff)
	}
}

// TestShutdown: recordings are finished, viewers are told, connections in every
// phase end at once.
func TestShutdown(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Record: &record.Config{Dir: dir}})
	viewer, waiting, paused := s.play("main"), s.play("never"), s.play("main")
	paused.command(1, "pause", 0, nil, true)
	paused.expect("onStatus/1 NetStream.Pause.Notify", "eof 1")
	others := []*peer{s.dial(), s.connect(), s.createStream(), paused}
	idle := s.tcp()
	p := s.publish("main")
	p.send(metadata, video(0, avcHeader), video(0, keyFrame("one")), audio(10, aacFrame("two")), video(40, interFrame("three")), audio(50, aacFrame("four")))
	viewer.expect(metadataSeen, "video/1@0 avc", "video/1@0 one", "audio/1@10 two", "video/1@40 three")
	p.fence()
	s.await("all are connected", func() bool { return s.sessionCount() == 8 })

	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	viewer.expect("audio/1@50 four", "eof 1", "onStatus/1 NetStream.Play.UnpublishNotify", "closed")
	waiting.expect("onStatus/1 NetStream.Play.UnpublishNotify", "closed")
	p.expect("closed")
	for _, other := range others {
		other.expect("closed")
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("a connection without a handshake was answered")
	}
	if diff := cmp.Diff([][]string{{"avc", "one", "two", "three", "four"}}, recordings(t, dir)); diff != "" {
		t.Errorf("recordings (-want +got):\n%s", diff)
	}
	if all := s.Status(); len(all) > 0 {
		t.Errorf("streams are left: %+v", all)
	}
}

// TestShutdownRelaysTheRest: viewers get the last packet before they are told.
func TestShutdownRelaysTheRest(t *testing.T) {
	for range 20 {
		s := start(t, Config{})
		viewer := s.play("main")
		p := s.publish("main")
		p.send(video(0, avcHeader), video(0, keyFrame("one")))
		viewer.expect("video/1@0 avc", "video/1@0 one")
		p.send(video(40, interFrame("two")), audio(50, aacFrame("three")))
		p.fence()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		viewer.expect("video/1@40 two", "audio/1@50 three", "eof 1", "onStatus/1 NetStream.Play.UnpublishNotify", "closed")
	}
}

// TestShutdownOfStuckViewer: one that reads nothing does not hold it up for long.
func TestShutdownOfStuckViewer(t *testing.T) {
	t.Parallel()
	s := start(t, Config{})
	s.play("main")
	p := s.publish("main")
	filler := strings.Repeat("x", 100<<10)
	p.send(video(0, avcHeader))
	for i := range 100 {
		p.send(video(uint32(i)*40, keyFrame(filler)))
	}
	p.fence()
	begin := time.Now()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 4*refusalLinger {
		t.Errorf("it took %v", took)
	}
}

// TestShutdownOfStuckRecorder: a disk that hangs is left behind with an error.
func TestShutdownOfStuckRecorder(t *testing.T) {
	t.Parallel()
	release, opening := make(chan struct{}), make(chan struct{})
	s := start(t, Config{ShutdownTimeout: 100 * time.Millisecond, Record: &record.Config{
		Create: func(string, time.Time, string) (record.File, string, error) {
			close(opening)
			<-release
			return nil, "", errors.New("the disk is gone")
		},
	}})
	viewer := s.play("main")
	p := s.publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	<-opening
	viewer.expect("video/1@0 avc", "video/1@0 one")
	err := s.stop()
	if err == nil || !strings.Contains(err.Error(), "1 recordings could not be finished within --shutdown-timeout 100ms") {
		t.Errorf("error %v", err)
	}
	viewer.expect("eof 1", "onStatus/1 NetStream.Play.UnpublishNotify", "closed")
	if got := s.Totals().Recordings; got != (Recordings{Finishing: 1}) {
		t.Errorf("recordings %+v, want one that is not finished", got)
	}
	s.mu.Lock()
	left := maps.Clone(s.recorders)
	s.mu.Unlock()
	close(release)
	for r := range left {
		<-r.Done()
		if !r.Disabled() {
			t.Error("the recorder is not disabled")
		}
	}
}

// TestPublishDuringShutdown: a session that is late with its publish command is
// refused, so that nothing is recorded that nobody waits for.
func TestPublishDuringShutdown(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Record: &record.Config{Dir: dir}})
	p := s.createStream()
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	p.command(1, "publish", 0, nil, "main", "live")
	p.expect("onStatus/1 NetStream.Publish.BadName", "closed")
	s.awaitGone("live/main")
	refused := s.tcp()
	_, _ = refused.Write([]byte{3})
	if _, err := refused.Read(make([]byte, 1)); err == nil {
		t.Error("a connection was accepted")
	}
}

// TestStatus is what status lines are made of.
func TestStatus(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Record: &record.Config{Dir: dir}})
	s.play("main")
	s.play("never")
	p := s.publish("main")
	s.publish("another")
	p.send(video(0, avcHeader), audio(0, aacHeader), video(0, keyFrame("one")))
	s.await("the recording has begun", func() bool {
		st, _ := s.stream("live/main")
		return st.Recording != nil && st.Recording.Bytes > 0
	})
	type line struct {
		Name                   string
		Live, Recording        bool
		Viewers                int
		Bytes                  uint64
		VideoCodec, AudioCodec string
	}
	var got []line
	for _, st := range s.Status() {
		got = append(got, line{st.Name, st.Live, st.Recording != nil, st.Viewers, st.Bytes, st.Video.String(), st.Audio.String()})
	}
	bytes := uint64(len(avcHeader) + len(aacHeader) + len(keyFrame("one")))
	want := []line{
		{"live/another", true, true, 0, 0, "none", "none"},
		{"live/main", true, true, 1, bytes, "h264", "aac"},
		{"live/never", false, false, 1, 0, "none", "none"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// TestRecorderError: the stream goes on when its recording cannot.
func TestRecorderError(t *testing.T) {
	s := start(t, Config{Record: &record.Config{
		Create: func(string, time.Time, string) (record.File, string, error) {
			return nil, "x.flv", errors.New("no room")
		},
	}})
	viewer := s.play("main")
	p := s.publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	s.await("the recording is disabled", func() bool {
		st, _ := s.stream("live/main")
		return st.Recording != nil && st.Recording.Err != nil
	})
	p.send(video(40, interFrame("two")))
	viewer.expect("video/1@0 avc", "video/1@0 one", "video/1@40 two")
	got := s.Totals()
	if got.Disabled != 1 || got.Recordings != (Recordings{Disabled: 1}) {
		t.Errorf("%d disabled, recordings %+v", got.Disabled, got.Recordings)
	}
	if f := got.LastFailure; f.Stream != "live/main" || f.Err == nil || f.Err.Error() != "no room" || time.Since(f.At) > time.Minute {
		t.Errorf("last failure %+v", f)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if after := s.Totals(); after.Disabled != 1 || after.LastFailure != got.LastFailure || after.Recordings != (Recordings{}) {
		t.Errorf("after the end: %+v", after)
	}
}

// TestRecordersAreForgotten: what is finished is not kept for ever.
func TestRecordersAreForgotten(t *testing.T) {
	s := start(t, Config{Record: &record.Config{Dir: t.TempDir()}})
	p := s.publish("main")
	for range 10 {
		p.send(video(0, avcHeader), video(0, keyFrame("one")))
		p.command(1, "closeStream", 0, nil)
		p.command(1, "publish", 0, nil, "main")
		p.expect("begin 1", "onStatus/1 NetStream.Publish.Start")
		s.await("recordings are finished", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			finished := 0
			for r, p := range s.recorders {
				if done(r.Done()) && p.Ended() {
					finished++
				}
			}
			return finished == len(s.recorders)-1
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.recorders); n > 3 {
		t.Errorf("%d recorders are kept", n)
	}
}

// TestTakeOverOfOneOfSeveral: of two streams on a connection one falls silent and
// loses its name; the other one goes on.
func TestTakeOverOfOneOfSeveral(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Live: live.Config{TakeOver: 300 * time.Millisecond}})
	viewer := s.play("one")
	p := s.publish("one")
	p.command(0, "createStream", 3, nil)
	p.expect("_result 3 <nil> 2")
	p.command(2, "publish", 0, nil, "two", "live")
	p.expect("begin 2", "onStatus/2 NetStream.Publish.Start")
	p.send(video(0, avcHeader), video(0, keyFrame("v0")))
	viewer.expect("video/1@0 avc", "video/1@0 v0")
	s.await("the name is taken over", func() bool {
		second := s.createStream()
		second.command(1, "publish", 0, nil, "two", "live")
		return second.receive() == "begin 1"
	})
	at := uint32(0)
	s.await("the publisher learns of it", func() bool {
		at += 40
		p.send(video(at, interFrame("v")))
		viewer.receive()
		return s.sessionPublishes(p) == 1
	})
	p.expect("onStatus/2 NetStream.Publish.BadName")
	p.fence()
}

// sessionPublishes tells how many streams the session of a peer publishes.
func (s *testServer) sessionPublishes(p *peer) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn, sess := range s.conns {
		if conn.RemoteAddr().String() == p.LocalAddr().String() {
			return int(sess.publishing.Load())
		}
	}
	return 0
}
