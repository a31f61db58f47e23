package bench

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/server"
)

// What a server's process used is known after it has ended, whether its parent has asked
// how or not, and the run says that it ended.
func TestServerProcessEnds(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]bool{"zombie": false, "gone": true} {
		t.Run(name, func(t *testing.T) {
			busy := exec.Command("sh", "-c", "while :; do :; done")
			if err := busy.Start(); err != nil {
				t.Fatal(err)
			}
			end := func() {
				if err := busy.Process.Kill(); err != nil {
					t.Error(err)
				}
				if asked {
					_ = busy.Wait() // killed
				}
			}
			o := Options{URL: serve(t, server.Config{}), Publishers: 1, Players: 1, Bitrate: 1e6, FPS: 30, GOP: time.Second / 2, Codec: "h264",
				Duration: 2 * time.Second, PID: busy.Process.Pid}
			r, err := Run(t.Context(), o, func(s Second) {
				if s.At == 1 {
					end()
				}
			})
			if !asked {
				_ = busy.Wait()
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Server == nil || r.Server.CPU <= 0 || r.Server.Peak <= 0 || r.PerSecond[0].Server <= 0 || r.PerSecond[1].Server != 0 {
				t.Errorf("server %+v, seconds %+v", r.Server, r.PerSecond)
			}
			if want := "process " + strconv.Itoa(o.PID) + " of the server ended"; len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0], want) {
				t.Errorf("problems %q, want %s", r.Problems, want)
			}
		})
	}
}
