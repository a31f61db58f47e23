// Command benchpeers measures rtmptool beside other RTMP servers, in turn and with the same
// generator (rtmptool bench), and writes what it found into docs/performance.md.
//
//	go run ./.ci/benchpeers [-rounds 3] [-duration 20s] [-scenarios regexp] [-write]
//	go run ./.ci/benchpeers -sync flv|mp4 [-rounds 3] [-duration 20s] [-write]
//
// The second form measures what --record-sync costs, and what a power cut would.
//
// nginx-rtmp is Debian's (libnginx-mod-rtmp). SRS, MediaMTX and lal take part where SRS_BIN,
// MEDIAMTX_BIN and LAL_BIN name their programs. Every server listens on 127.0.0.1 alone and is
// ended after its turn.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/bench"
)

// scenario is a load, and the limits that rtmptool is held to: a share of nginx-rtmp's
// processor time, a latency (ms) and memory (MB).
type scenario struct {
	name   string
	args   []string // of rtmptool bench
	record string   // flv or mp4: the server records
	cpu    float64
	p99    float64
	peak   float64
}

var scenarios = []scenario{
	{name: "1 x 200 viewers, 4 Mbit/s", args: load(1, 200, "4M"), cpu: 0.67, p99: 15, peak: 40},
	{name: "1 x 500 viewers, 1 Mbit/s", args: load(1, 500, "1M"), cpu: 0.6, p99: 20, peak: 60},
	{name: "1 x 1500 viewers, 500 kbit/s", args: load(1, 1500, "500k"), cpu: 0.5, p99: 60, peak: 120},
	{name: "100 x 1 viewer, 2 Mbit/s", args: load(100, 1, "2M"), cpu: 1, p99: 10, peak: 150},
	{name: "100 recorded, 4 Mbit/s, FLV", args: load(100, 0, "4M"), record: "flv", cpu: 0.8, peak: 200},
	{name: "100 recorded, 4 Mbit/s, MP4", args: load(100, 0, "4M"), record: "mp4", cpu: 0.9, peak: 200},
}

func load(publishers, players int, bitrate string) []string {
	return []string{"--publishers", strconv.Itoa(publishers), "--players", strconv.Itoa(players), "--bitrate", bitrate, "--ramp", "2s"}
}

func main() {
	rounds := flag.Int("rounds", 3, "of each scenario, the servers in turn")
	duration := flag.Duration("duration", 20*time.Second, "of each measurement")
	only := flag.String("scenarios", ".", "names to run (regexp)")
	syncFormat := flag.String("sync", "", "measure --record-sync instead, with recordings of this format")
	write := flag.Bool("write", false, "replace the tables in docs/performance.md")
	serveFloor := flag.String("floor", "", "used by itself: viewers,bytes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *serveFloor != "" {
		err = floor(ctx, *serveFloor)
	} else {
		err = run(ctx, *rounds, *duration, *only, *syncFormat, *write)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchpeers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, duration time.Duration, only, syncFormat string, write bool) error {
	names, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "benchpeers-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tool := filepath.Join(dir, "rtmptool")
	if out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", tool, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("build rtmptool: %w\n%s", err, out)
	}
	if syncFormat != "" {
		text, err := runSync(ctx, dir, tool, rounds, duration, syncFormat)
		return finish(text, err, "make bench-sync", write)
	}
	servers, err := findServers(ctx, dir, tool)
	if err != nil {
		return err
	}
	r := report{began: time.Now(), rounds: rounds, duration: duration, servers: servers}
	for _, sc := range scenarios {
		if !names.MatchString(sc.name) {
			continue
		}
		m := measured{scenario: sc, of: map[string][]*bench.Result{}}
		for range rounds {
			for _, s := range servers {
				if !s.can(sc) {
					continue
				}
				one, err := measure(ctx, dir, tool, s, sc, duration)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, sc.name, err)
				}
				m.of[s.name] = append(m.of[s.name], one)
				fmt.Printf("%-44s %-12s %6.3f s/GB  p99 %6.1f ms  max %6.1f ms  least %6.2f %%  missing %d  %5.1f MB  (generator %.3f s/GB)\n", sc.name, s.name,
					one.Server.PerGB, one.Latency.P99, one.Latency.Max, one.LeastShare*100, one.Missing, float64(one.Server.Peak)/1e6, one.Generator.PerGB)
			}
			f, err := measureFloor(ctx, sc, duration/2)
			if err != nil {
				return err
			}
			m.floors = append(m.floors, f)
			if f > 0 {
				fmt.Printf("%-44s %-12s %6.3f s/GB\n", sc.name, "floor", f)
			}
		}
		r.all = append(r.all, m)
	}
	return finish(r.text(), nil, "make bench-peers", write)
}

// finish shows a report, or writes it where the last one was.
func finish(text string, err error, by string, write bool) error {
	if err != nil {
		return err
	}
	fmt.Print("\n", text)
	if write {
		return replace("docs/performance.md", by, text)
	}
	return nil
}

// measure gives one server its turn.
func measure(ctx context.Context, dir, tool string, s server, sc scenario, duration time.Duration) (r *bench.Result, err error) {
	port, err := freePort()
	if err != nil {
		return r, err
	}
	home, err := os.MkdirTemp(dir, "server-*")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(home)
	cmd, err := s.command(home, port, sc)
	if err != nil {
		return r, err
	}
	log, err := os.Create(filepath.Join(home, "output"))
	if err != nil {
		return r, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		dead := time.AfterFunc(15*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		dead.Stop()
	}()
	address := "127.0.0.1:" + strconv.Itoa(port)
	if err := await(ctx, address); err != nil {
		out, _ := os.ReadFile(log.Name())
		return r, fmt.Errorf("%w\n%s", err, out)
	}
	args := append([]string{"bench", "rtmp://" + address + "/live/bench", "--format", "json", "--quiet",
		"--duration", duration.String(), "--pid", strconv.Itoa(cmd.Process.Pid)}, sc.args...)
	var stderr strings.Builder
	load := exec.CommandContext(ctx, tool, args...)
	load.Stderr = &stderr
	out, err := load.Output()
	if len(out) == 0 {
		return r, fmt.Errorf("%w: %s", err, stderr.String())
	}
	return r, json.Unmarshal(out, &r)
}

func await(ctx context.Context, address string) error {
	for range 100 {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("it does not listen")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	if len(all) == 0 {
		return 0
	}
	return all[len(all)/2]
}
