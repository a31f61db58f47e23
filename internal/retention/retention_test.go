package retention

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/internal/recfile/recfiletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines hands on each line of a log.
type lines chan map[string]any

func (l lines) Write(b []byte) (int, error) {
	var line map[string]any
	err := json.Unmarshal(b, &line)
	l <- line
	return len(b), err
}

func (l lines) next(t *testing.T) map[string]any {
	t.Helper()
	select {
	case line := <-l:
		return line
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is logged")
		return nil
	}
}

func TestRetention(t *testing.T) {
	dir := t.TempDir()
	_, closed := recfiletest.FLV(t, recfiletest.Stream(12))
	old := func(name string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p+".part", closed, 0o644); err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-time.Hour)
		if err := os.Chtimes(p+".part", before, before); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(p+".part", p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	log := make(lines, 10)
	first := old("live_a_20260115_143022.flv")
	r := Start(dir, time.Minute/2, zerolog.New(log))
	defer r.Stop()
	if line := log.next(t); line["path"] != first || line["level"] != "info" {
		t.Errorf("at the start: %v", line)
	}
	second := old("live_a_20260115_150000.flv")
	if line := log.next(t); line["path"] != second {
		t.Errorf("later: %v", line)
	}
	for _, p := range []string{first, second} {
		if _, err := os.Stat(p); !os.IsNotExist(err) {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// A directory that is gone is told once.
func TestNoDirectory(t *testing.T) {
	log := make(lines, 10)
	r := &Retention{keeper: recfile.NewKeeper(filepath.Join(t.TempDir(), "missing"), time.Second), log: zerolog.New(log)}
	for range 3 {
		r.sweep(t.Context())
	}
	if line := log.next(t); line["level"] != "error" || len(log) > 0 {
		t.Errorf("logged %v, and %d more", line, len(log))
	}
}
