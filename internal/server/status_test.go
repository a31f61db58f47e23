package server

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
)

// TestTotals: what is counted stays counted when streams and connections end.
func TestTotals(t *testing.T) {
	s := start(t, Config{MaxConnections: 3, Live: live.Config{TakeOver: time.Hour}, Record: &record.Config{Dir: t.TempDir(), SyncEvery: 10 * time.Millisecond}})
	if diff := cmp.Diff(Totals{}, s.Totals()); diff != "" {
		t.Errorf("totals of a new server (-want +got):\n%s", diff)
	}
	viewer := s.play("main")
	p := s.publish("main")
	s.await("a recording waits", func() bool { return s.Totals().Recordings == Recordings{Waiting: 1} })
	p.send(video(0, avcHeader), video(0, keyFrame("one")), video(40, interFrame("two")))
	viewer.expect("video/1@0 avc", "video/1@0 one", "video/1@40 two")
	refused := s.createStream()
	refused.command(1, "publish", 0, nil, "main", "live")
	refused.expect("onStatus/1 NetStream.Publish.BadName", "closed")
	_ = refused.Close()
	s.await("the refused publisher is gone", func() bool { return s.Totals().Connections == 2 })

	idle := s.connect()
	full := s.tcp()
	_, _ = full.Write([]byte{3})
	if _, err := full.Read(make([]byte, 1)); err == nil {
		t.Error("a connection too many was accepted")
	}
	s.await("everything is written and synced", func() bool {
		r := s.Totals().Recordings
		return r.Recording == 1 && r.Unsynced.IsZero()
	})
	var sent uint64
	for _, client := range []*peer{viewer, p, refused, idle} {
		sent += client.rtmp.Received()
	}
	s.await("all that the clients got is counted", func() bool { return s.Totals().Sent == sent })
	want := Totals{
		Connections: 3, Recordings: Recordings{Recording: 1},
		Received:           uint64(len(avcHeader) + len(keyFrame("one")) + len(interFrame("two"))),
		Sent:               sent,
		RefusedConnections: 1, RefusedPublishers: 1,
	}
	got := s.Totals()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}

	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	got = s.Totals()
	if got.Sent <= sent {
		t.Errorf("%d bytes sent after goodbye, %d before", got.Sent, sent)
	}
	want.Sent, want.Connections, want.Recordings, want.Stopping = got.Sent, 0, Recordings{}, true
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals at the end (-want +got):\n%s", diff)
	}
}
