package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/bench"
)

// What --record-sync costs, and how much a power cut takes with each setting.

var (
	syncRecordings = []int{1, 30, 100}
	syncSettings   = []string{"0", "100ms", "1s", "5s"}
)

// shortestSync is the shortest run that sees each setting at its worst: the longest twice.
const shortestSync = 10 * time.Second

// synced is one measurement of a setting.
type synced struct {
	result *bench.Result
	lags   []float64 // s, as the server's own metric tells it
}

// runSync measures every setting with every number of recordings, in turn.
func runSync(ctx context.Context, dir, tool string, rounds int, duration time.Duration, format string) (string, error) {
	ours := server{name: "rtmptool", formats: "flv mp4"}
	all := map[string][]synced{}
	key := func(n int, every string) string { return strconv.Itoa(n) + " " + every }
	for range rounds {
		for _, n := range syncRecordings {
			for _, every := range syncSettings {
				one, err := measureSync(ctx, dir, tool, ours, n, every, format, duration)
				if err != nil {
					return "", fmt.Errorf("%d recordings, --record-sync %s: %w", n, every, err)
				}
				all[key(n, every)] = append(all[key(n, every)], one)
				fmt.Printf("%3d recordings  sync %-6s %6.3f s/GB  durable lag %s\n", n, every, perGB(one.result), lagText(one.lags))
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "`make bench-sync`, %s: %s. %d rounds of %v each, the settings in turn; %s of 4 Mbit/s. CPU is the server's, median of the rounds, and as a ratio to\nno periodic sync. A power cut takes what is younger than the durable lag: median and worst of 14 looks a second, over all recordings.\n\n",
		time.Now().Format("2006-01-02"), machine(), rounds, duration, strings.ToUpper(format))
	b.WriteString("| recordings | `--record-sync` | CPU s/GB | ratio | a power cut takes |\n| --- | --- | --- | --- | --- |\n")
	for _, n := range syncRecordings {
		base := median(cpuOf(all[key(n, "0")]))
		for _, every := range syncSettings {
			runs := all[key(n, every)]
			var lags []float64
			for _, one := range runs {
				lags = append(lags, one.lags...)
			}
			takes := lagText(lags)
			if every == "0" {
				takes = kernelWindow()
			}
			cpu := median(cpuOf(runs))
			fmt.Fprintf(&b, "| %d | `%s` | %.3f | %.2f | %s |\n", n, every, cpu, cpu/base, takes)
		}
	}
	return b.String(), nil
}

func cpuOf(all []synced) (values []float64) {
	for _, one := range all {
		values = append(values, perGB(one.result))
	}
	return values
}

func lagText(lags []float64) string {
	if len(lags) == 0 {
		return "-"
	}
	lags = slices.Sorted(slices.Values(lags))
	return fmt.Sprintf("%.2f s (%.2f s)", lags[len(lags)/2], lags[len(lags)-1])
}

// kernelWindow is when Linux writes what nobody asks it to.
func kernelWindow() string {
	seconds := func(name string) float64 {
		b, err := os.ReadFile("/proc/sys/vm/" + name)
		n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return 0
		}
		return float64(n) / 100
	}
	return fmt.Sprintf("what the system has not written: it begins after %.0f s and looks every %.0f s", seconds("dirty_expire_centisecs"), seconds("dirty_writeback_centisecs"))
}

func measureSync(ctx context.Context, dir, tool string, s server, n int, every, format string, duration time.Duration) (one synced, err error) {
	port, err := freePort()
	if err != nil {
		return one, err
	}
	web := "127.0.0.1:" + strconv.Itoa(port)
	sc := scenario{args: load(n, 0, "4M"), record: format}
	s.command = rtmptoolCommand(tool, "--record-sync", every)
	if one.result, err = measure(ctx, dir, tool, s, sc, duration); err != nil {
		return one, err
	}
	// Once more, as looking costs the server something.
	s.command = rtmptoolCommand(tool, "--record-sync", every, "--http", web)
	sampling, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		one.lags = sampleLag(sampling, web)
	}()
	_, err = measure(ctx, dir, tool, s, sc, duration)
	stop()
	<-done
	return one, err
}

// lookEvery does not divide the settings, so that a look does not always follow a sync.
const lookEvery = 73 * time.Millisecond

// sampleLag looks from when something is recorded.
func sampleLag(ctx context.Context, web string) (lags []float64) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return lags
		case <-tick.C:
		}
		if lag, ok := readLag(ctx, web); ok && lag > 0 {
			lags = append(lags, lag)
		}
	}
}

func readLag(ctx context.Context, web string) (float64, bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+web+"/metrics", nil)
	if err != nil {
		return 0, false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, false
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "rtmptool_recording_durable_lag_seconds "); ok {
			lag, err := strconv.ParseFloat(value, 64)
			return lag, err == nil
		}
	}
	return 0, false
}
