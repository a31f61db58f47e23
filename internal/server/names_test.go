package server

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rtmptool/rtmptool/internal/record"
	"github.com/rtmptool/rtmptool/pkg/amf"
)

// hostileNames are keys that could leave the directory of recordings, hide or break
// what is in it, or garble a log.
var hostileNames = []struct {
	key  string
	file string // that it is recorded as, without the date; empty: it is refused
}{
	{"..", ""},
	{".", ""},
	{"../../etc/x", ""},
	{"/../x", ""},
	{`..\..\x`, ""},
	{"a/../b", ""},
	{"a\x00.flv", ""},
	{"a\r\nfake line", ""},
	{"\x1b]0;title\x07", ""},
	{"\u009b31m", ""},
	{"a\u2028b", ""},
	{strings.Repeat("x", 4<<10), ""},
	{strings.Repeat("x", 512-len("live/")+1), ""},
	{strings.Repeat("x", 512-len("live/")), "live_" + strings.Repeat("x", 155)},
	{strings.Repeat("\u4e16", 169), "live_" + strings.Repeat("_", 155)},
	{"/etc/passwd", "live_etc_passwd"},
	{"////", "live"},
	{"", "live"},
	{".hidden", "live_.hidden"},
	{"...", "live_..."},
	{"..%2f..%2fx", "live_.._2f.._2fx"},
	{"~root", "live__root"},
	{"$(reboot);`x`|&", "live___reboot___x___"},
	{"-rf", "live_-rf"},
	{"*\"<>|:", "live_______"},
	{"CON", "live_CON"},
	{"e\u0301", "live_e__"},
	{"\u00e9", "live___"},
	{"\u200fabc\u202egpj", "live____abc___gpj"},
	{"\xff\xfe", "live___"},
	{"x.flv", "live_x.flv"},
}

// TestHostileNames: nothing is made outside the directory of recordings, whatever a
// stream is called.
func TestHostileNames(t *testing.T) {
	top, log := t.TempDir(), &logBuffer{}
	dir := filepath.Join(top, "a", "b", "recordings")
	if err := record.Prepare(dir); err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{Record: &record.Config{Dir: dir}, Logger: log.logger()})
	want := make(map[string]int)
	for _, tt := range hostileNames {
		p := s.dial()
		p.command(0, "connect", 1, amf.Object{{Key: "app", Value: "live"}, {Key: "flashVer", Value: "FMLE/3.0 \r\n\u009b[31m\u202e\u2028"}})
		p.skipTo("_result 1")
		p.command(1, "publish", 3, nil, tt.key)
		if s.records(p, tt.file != "") {
			want[tt.file]++
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	suffix := regexp.MustCompile(`_\d{8}_\d{6}(-\d+)?\.flv$`)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := suffix.ReplaceAllString(filepath.Base(path), "")
		if filepath.Dir(path) != dir || want[name] == 0 || len(filepath.Base(path)) > 200 {
			t.Errorf("%q was made", path)
		}
		want[name]--
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range want {
		if n != 0 {
			t.Errorf("%d recordings of %q are missing", n, name)
		}
	}
	for _, line := range log.lines(t, "info") {
		if client, ok := line["client"].(string); ok && client != "FMLE/3.0 ???[31m??" {
			t.Errorf("the client is logged as %q", client)
		}
	}
}

// records has a publisher with a good name send a recording, and one with a bad name
// refused.
func (s *testServer) records(p *peer, good bool) bool {
	s.t.Helper()
	if !good {
		p.expect("onStatus/1 NetStream.Publish.BadName", "closed")
		return false
	}
	p.expect("begin 1", "onStatus/1 NetStream.Publish.Start")
	p.send(video(0, goodHeader), video(0, keyFrame("x")))
	p.fence()
	_ = p.Close()
	s.await("the session has ended", func() bool { return s.sessionCount() == 0 })
	return true
}

// TestHostileApplications: nor whatever its application is called.
func TestHostileApplications(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "a", "b", "recordings")
	if err := record.Prepare(dir); err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{Record: &record.Config{Dir: dir}})
	want := 0
	for _, tt := range hostileNames {
		p := s.dial()
		p.command(0, "connect", 1, amf.Object{{Key: "app", Value: tt.key}})
		p.skipTo("_result 1")
		p.command(1, "publish", 3, nil, "live") // as long as the application is elsewhere
		if s.records(p, tt.file != "") {
			want++
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	safe := regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,189}\.flv$`)
	if err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if want--; filepath.Dir(path) != dir || !safe.MatchString(filepath.Base(path)) {
			t.Errorf("%q was made", path)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want != 0 {
		t.Errorf("%d recordings are missing", want)
	}
}
