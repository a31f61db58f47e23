package server

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/record"
)

// What may wait is read at a tick; when nothing has come for some, or somebody waits for it now,
// it is read when it comes.
func TestTicks(t *testing.T) {
	c, theirs, asked := timed(t, 10*time.Millisecond)
	c.keepAlive(time.Hour)
	buf := make([]byte, 4)
	read := func() {
		t.Helper()
		if n, err := c.Read(buf); n != 1 || err != nil || *asked > 0 {
			t.Fatal(n, err, *asked)
		}
	}
	send := func() { _, _ = theirs.Write([]byte{1}) }
	for range 3 { // the poller may still have to tell of what came before the first wait
		send()
		read()
	}
	for c.phase = range phases {
		begin := time.Now()
		send()
		read()
		if c.came.Before(begin.Add(-10*time.Millisecond)) || c.came.After(time.Now()) {
			t.Errorf("it has come %v before it was sent", begin.Sub(c.came))
		}
		next := begin.Truncate(10 * time.Millisecond).Add(time.Duration(c.phase) * 10 * time.Millisecond / phases)
		for !next.After(begin) {
			next = next.Add(10 * time.Millisecond)
		}
		if time.Now().Before(next) {
			t.Errorf("phase %d: read %v before the tick", c.phase, time.Until(next))
		}
	}
	_, _ = theirs.Write(make([]byte, 6))
	if n, err := c.Read(buf); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	came := c.came
	if n, err := c.Read(buf); n != 2 || err != nil || c.came != came {
		t.Errorf("the rest of a tick: %d, %v, came %v later", n, err, c.came.Sub(came))
	}
	time.AfterFunc(10*maxMisses*20*time.Millisecond, send)
	read()
	if !c.came.IsZero() {
		t.Error("it was waited for, and counts as having waited")
	}
	c.patience = func() time.Duration { return 0 }
	time.AfterFunc(50*time.Millisecond, send) // long after the last tick
	read()
}

// What has come is recorded when the server stops, also of who is read at ticks.
func TestStopReadsWhatHasCome(t *testing.T) {
	t.Parallel()
	for range 5 {
		dir := t.TempDir()
		s := start(t, Config{Record: &record.Config{Dir: dir}})
		p := s.publish("main")
		want := []string{"avc", "k"}
		p.send(video(0, avcHeader), video(0, keyFrame("k")))
		s.await("it is recorded", func() bool { return s.Totals().Recordings.Recording == 1 })
		for n := range 50 {
			label := strconv.Itoa(n)
			want = append(want, label)
			p.send(video(uint32(10*n), interFrame(label)))
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		if got := recordings(t, dir); len(got) != 1 || !slices.Equal(got[0], want) {
			t.Fatalf("recorded %q", got)
		}
	}
}
