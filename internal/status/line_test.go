package status

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/internal/live"
	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// main is the stream of the examples.
func mainStream(recording *record.Status) Stream {
	return Stream{
		Status: server.Status{
			Info:      live.Info{Name: "live/main", Live: true, Video: media.H264, Audio: media.AAC, Viewers: 3, Bytes: 512e6},
			Recording: recording,
		},
		Elapsed: 12*time.Minute + 3*time.Second, Rate: 4.1e6 / 8,
	}
}

var (
	noSpace = &record.Status{Path: "x.flv", Err: fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "x.flv", Err: syscall.ENOSPC})}
	broken  = &record.Status{Err: errors.Join(errors.New("one"), errors.New("two"))}
)

func TestTable(t *testing.T) {
	rec := mainStream(&record.Status{Path: "x.flv", Bytes: 512e6})
	rec.DiskLeft = 71 * time.Hour
	slow := rec
	slow.Recording = &record.Status{Path: "x.flv", Bytes: 512e6, Skipped: 17}
	waiting := Stream{Status: server.Status{Info: live.Info{Name: "live/other", Viewers: 1}}}
	bare := Stream{Status: server.Status{Info: live.Info{Name: "a", Live: true}}}
	sound := Stream{Status: server.Status{Info: live.Info{Name: "radio/one/high", Live: true, Audio: media.Opus, Viewers: 120}}, Elapsed: 30 * time.Hour, Rate: 16_000}
	hostile := Stream{Status: server.Status{Info: live.Info{Name: "live/\u009b2J\x1bé\xff", Live: true, Video: 0x1b5b324a, Viewers: 2}}}
	for _, test := range []struct {
		name    string
		noColor string
		lines   []Stream
		want    []string
	}{
		{"REC", "", []Stream{rec}, []string{"REC live/main h264+aac 00:12:03 4.1 Mbit/s 3 viewers 512 MB, disk left 71 h"}},
		{"slow disk", "", []Stream{slow}, []string{"REC live/main h264+aac 00:12:03 4.1 Mbit/s 3 viewers 512 MB, disk left 71 h, 17 packets lost: the disk is too slow"}},
		{"file not open yet", "", []Stream{mainStream(&record.Status{})}, []string{"LIVE live/main h264+aac 00:12:03 4.1 Mbit/s 3 viewers"}},
		{"LIVE", "", []Stream{mainStream(nil)}, []string{"LIVE live/main h264+aac 00:12:03 4.1 Mbit/s 3 viewers"}},
		{"WAIT", "", []Stream{waiting}, []string{"WAIT live/other 1 viewer"}},
		{"nothing known", "", []Stream{bare}, []string{"LIVE a - 00:00:00 0.0 Mbit/s 0 viewers"}},
		{"NOT RECORDED", "", []Stream{mainStream(noSpace)}, []string{"\x1b[31mNOT RECORDED live/main (no space left on device) h264+aac 00:12:03 4.1 Mbit/s 3 viewers\x1b[0m"}},
		{"NO_COLOR", "1", []Stream{mainStream(noSpace)}, []string{"NOT RECORDED live/main (no space left on device) h264+aac 00:12:03 4.1 Mbit/s 3 viewers"}},
		{"error of several lines", "1", []Stream{mainStream(broken)}, []string{"NOT RECORDED live/main (one two) h264+aac 00:12:03 4.1 Mbit/s 3 viewers"}},
		{"escape sequences", "", []Stream{hostile}, []string{"LIVE live/?2J?é\uFFFD ?[2J 00:00:00 0.0 Mbit/s 2 viewers"}},
		{"aligned", "", []Stream{rec, sound, waiting, mainStream(noSpace)}, []string{
			"REC  live/main      h264+aac 00:12:03 4.1 Mbit/s 3 viewers   512 MB, disk left 71 h",
			"LIVE radio/one/high opus     30:00:00 0.1 Mbit/s 120 viewers",
			"WAIT live/other                                  1 viewer",
			"\x1b[31mNOT RECORDED live/main (no space left on device) h264+aac 00:12:03 4.1 Mbit/s 3 viewers\x1b[0m",
		}},
		{"none", "", nil, []string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", test.noColor)
			if diff := cmp.Diff(test.want, Table(test.lines)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLog(t *testing.T) {
	rec := mainStream(&record.Status{Path: "recordings/x.flv", Bytes: 512e6, Skipped: 2})
	rec.DiskLeft = 71 * time.Hour
	waiting := Stream{Status: server.Status{Info: live.Info{Name: "live/other", Viewers: 1}}}
	for _, test := range []struct {
		name string
		line Stream
		want string
	}{
		{"REC", rec, `{"level":"info","stream":"live/main","live":true,"viewers":3,"codecs":"h264+aac","elapsed":"00:12:03","mbit_s":4.1,"path":"recordings/x.flv","bytes":512000000,"lost_packets":2,"disk_left":"71 h","message":"status"}`},
		{"LIVE", mainStream(nil), `{"level":"info","stream":"live/main","live":true,"viewers":3,"codecs":"h264+aac","elapsed":"00:12:03","mbit_s":4.1,"message":"status"}`},
		{"WAIT", waiting, `{"level":"info","stream":"live/other","live":false,"viewers":1,"message":"status"}`},
		{"NOT RECORDED", mainStream(noSpace), `{"level":"error","not_recorded":"no space left on device","stream":"live/main","live":true,"viewers":3,"codecs":"h264+aac","elapsed":"00:12:03","mbit_s":4.1,"message":"status"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			test.line.Log(zerolog.New(&b))
			if diff := cmp.Diff(test.want+"\n", b.String()); diff != "" {
				t.Errorf("log line (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0.0 MB", 49_999: "0.0 MB", 9_940_000: "9.9 MB", 10e6: "10 MB", 512e6: "512 MB", 999_400_000: "999 MB", 1e9: "1.00 GB", 9_994_000_000: "9.99 GB",
		10e9: "10.0 GB", 999_900_000_000: "999.9 GB", 1e12: "1.00 TB", 25e12: "25.00 TB",
	} {
		if got := size(bytes); got != want {
			t.Errorf("%d bytes are %q, want %q", bytes, got, want)
		}
	}
}

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "0 min", 90 * time.Second: "2 min", 119 * time.Minute: "119 min", 2 * time.Hour: "2 h", 71 * time.Hour: "71 h",
		95 * time.Hour: "95 h", 96 * time.Hour: "4 days", 29 * day: "29 days", 30 * day: "30+ days", 365 * day: "30+ days",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "00:00:00", 999 * time.Millisecond: "00:00:00", time.Minute - 1: "00:00:59", 3723 * time.Second: "01:02:03",
		100*time.Hour + time.Second: "100:00:01",
	} {
		if got := clock(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
