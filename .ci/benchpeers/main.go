// Command benchpeers measures rtmptool beside other RTMP servers, in turn and with the same
// generator (rtmptool bench), and writes what it found into docs/performance.md.
//
//	go run ./.ci/benchpeers [-rounds 3] [-duration 20s] [-scenarios regexp] [-write]
//	go run ./.ci/benchpeers -limits regexp [-rounds 3] [-duration 20s] [-write]
//	go run ./.ci/benchpeers -sync flv|mp4 [-rounds 3] [-duration 20s] [-write]
//
// The second form checks limits of rtmptool in situations that are not compared, the third
// one measures what --record-sync costs, and what a power cut would. The exit code is 3 if
// all was measured, and a limit was missed.
//
// nginx-rtmp is Debian's (libnginx-mod-rtmp). SRS, MediaMTX and lal take part where SRS_BIN,
// MEDIAMTX_BIN and LAL_BIN name their programs. Every server listens on 127.0.0.1 alone and is
// ended after its turn. What -write puts into the document says with which command it was made.
package main

import (
	"context"
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

// scenario is a load, and the limits that rtmptool is held to, where they are not 0: a
// share of nginx-rtmp's processor time, a latency (ms) and memory (MB).
type scenario struct {
	name   string
	args   []string      // of rtmptool bench
	record string        // flv or mp4: the server records
	wait   time.Duration // that frames wait for others; rtmptool alone can
	cpu    float64
	p99    float64
	peak   float64
}

var scenarios = []scenario{
	{name: "1 x 200 viewers, 4 Mbit/s", args: load(1, 200, "4M"), cpu: 0.67, p99: 15, peak: 40},
	{name: "1 x 500 viewers, 1 Mbit/s", args: load(1, 500, "1M"), cpu: 0.6, p99: 20, peak: 60},
	{name: "1 x 1500 viewers, 500 kbit/s", args: load(1, 1500, "500k"), cpu: 0.5, p99: 60, peak: 120},
	{name: "1 x 200 viewers, 4 Mbit/s, throughput mode", args: load(1, 200, "4M"), wait: 350 * time.Millisecond, cpu: 0.38, p99: 400, peak: 40},
	{name: "1 x 20 viewers, 20 Mbit/s, keyframes of 500 kB", args: append(load(1, 20, "20M"), "--fps", "18"), p99: 15, peak: 100},
	{name: "100 x 1 viewer, 2 Mbit/s", args: load(100, 1, "2M"), cpu: 1, p99: 10, peak: 150},
	{name: "1000 x 0 viewers, 300 kbit/s", args: load(1000, 0, "300k"), peak: 400},
	{name: "100 recorded, 4 Mbit/s, FLV", args: load(100, 0, "4M"), record: "flv", cpu: 0.8, peak: 200},
	{name: "100 recorded, 4 Mbit/s, MP4", args: load(100, 0, "4M"), record: "mp4", cpu: 0.9, peak: 200},
}

func load(publishers, players int, bitrate string) []string {
	return []string{"--publishers", strconv.Itoa(publishers), "--players", strconv.Itoa(players), "--bitrate", bitrate, "--ramp", "2s"}
}

const (
	defaultRounds   = 3
	defaultDuration = 20 * time.Second
)

// options are those of the command line.
type options struct {
	rounds    int
	duration  time.Duration
	scenarios string // regexp
	limits    string // regexp: those instead
	sync      string // format: that instead
	write     bool
}

// command is how to measure the same again.
func (o options) command() string {
	what, whole := "-scenarios '"+o.scenarios+"'", o.scenarios == "."
	if o.limits != "" {
		what, whole = "-limits '"+o.limits+"'", o.limits == "."
	}
	if whole && o.rounds == defaultRounds && o.duration == defaultDuration {
		return "make bench-peers"
	}
	return fmt.Sprintf("go run ./.ci/benchpeers %s -rounds %d -duration %s", what, o.rounds, o.duration)
}

// errMissed is that everything was measured, and not all of it is as it should be.
var errMissed = errors.New("missed")

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", defaultRounds, "of each scenario, the servers in turn")
	flag.DurationVar(&o.duration, "duration", defaultDuration, "of each measurement")
	flag.StringVar(&o.scenarios, "scenarios", ".", "names to run (regexp)")
	flag.StringVar(&o.limits, "limits", "", "check limits of these names instead (regexp)")
	flag.StringVar(&o.sync, "sync", "", "measure --record-sync instead, with recordings of this format")
	flag.BoolVar(&o.write, "write", false, "replace tables and charts in docs")
	serveFloor := flag.String("floor", "", "used by itself: the load")
	listenOn := flag.String("listen", "", "used by itself: port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *serveFloor != "":
		err = floor(ctx, *serveFloor)
	case *listenOn != "":
		_, err = net.Listen("tcp", "127.0.0.1:"+*listenOn)
		<-ctx.Done()
	default:
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchpeers:", err)
		if errors.Is(err, errMissed) {
			os.Exit(3)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if o.sync != "" && o.write && o.duration < shortestSync {
		return fmt.Errorf("-sync %s -write -duration %s: want at least %s, or the longest of %s is not seen at its worst",
			o.sync, o.duration, shortestSync, strings.Join(syncSettings, ", "))
	}
	names, err := regexp.Compile(o.scenarios)
	if err != nil {
		return err
	}
	only, err := regexp.Compile(o.limits)
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
	if o.sync != "" {
		text, err := runSync(ctx, dir, tool, o.rounds, o.duration, o.sync)
		return finish(text, nil, err, "make bench-sync", o.write)
	}
	servers, err := findServers(ctx, dir, tool)
	if err != nil {
		return err
	}
	if o.limits != "" {
		text, missed, err := runLimits(ctx, &bed{dir, tool, o.rounds, o.duration, servers[1]}, only, o.command())
		return finish(text, missed, err, "make bench-peers, its limits,", o.write)
	}
	r, err := runScenarios(ctx, dir, tool, servers, names, o)
	if err != nil {
		return err
	}
	if o.write {
		if err := r.draw("docs/performance"); err != nil {
			return err
		}
	}
	return finish(r.text(), r.missed(), nil, "make bench-peers", o.write)
}

func runScenarios(ctx context.Context, dir, tool string, servers []server, names *regexp.Regexp, o options) (*report, error) {
	r := &report{began: time.Now(), command: o.command(), rounds: o.rounds, duration: o.duration, servers: servers}
	for _, sc := range scenarios {
		if !names.MatchString(sc.name) {
			continue
		}
		m := measured{scenario: sc, of: map[string][]*bench.Result{}}
		for range o.rounds {
			for _, s := range servers {
				if !s.can(sc) {
					continue
				}
				one, err := measure(ctx, dir, tool, s, sc, o.duration)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", s.name, sc.name, err)
				}
				m.of[s.name] = append(m.of[s.name], one)
				fmt.Printf("%-44s %-12s %6.3f s/GB  p99 %6.1f ms  max %6.1f ms  least %6.2f %%  missing %d  %5.1f MB  (generator %.3f s/GB)  %s\n", sc.name, s.name,
					one.Server.PerGB, one.Latency.P99, one.Latency.Max, one.LeastShare*100, one.Missing, float64(one.Server.Peak)/1e6, one.Generator.PerGB, strings.Join(append(one.Problems, one.Warnings...), "; "))
			}
			f, err := measureFloor(ctx, sc, o.duration/2)
			if err != nil && ctx.Err() != nil {
				return nil, err
			}
			if err != nil { // the table lacks it, which accept does not take
				fmt.Printf("%-44s no floor: %v\n", sc.name, err)
				continue
			}
			m.floors = append(m.floors, f)
			fmt.Printf("%-44s %-12s %6.3f s/GB\n", sc.name, "floor", f)
		}
		r.all = append(r.all, m)
	}
	return r, nil
}

// finish shows a report, or writes it where the last one was, and names what was missed.
func finish(text string, missed []string, err error, by string, write bool) error {
	if err != nil {
		return err
	}
	fmt.Print("\n", text)
	if write {
		if err := replace("docs/performance.md", by, text); err != nil {
			return err
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: %s", errMissed, strings.Join(missed, "; "))
	}
	return nil
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	if len(all) == 0 {
		return 0
	}
	return all[len(all)/2]
}
