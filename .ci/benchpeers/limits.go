package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/bench"
	"github.com/rtmptool/rtmptool/internal/certtest"
)

// limit is what rtmptool is held to in a situation that has no place in a table of
// servers. Where a time says as much of the machine as of the program, something else is
// measured in the same rounds, and the limit is the higher of two.
type limit struct {
	name, most string
	check      func(context.Context, *bed) (got string, kept bool, err error)
}

var limits = []limit{
	{"500 viewers of 1 Mbit/s join within 1 s, 50 watch already", "p99 of those in the worst second 50 ms or 1.7 x nginx-rtmp's, first keyframe of all others 1 s, nobody lost", joinStorm},
	{"100 viewers of 4 Mbit/s and one that stops reading", "p99 15 ms or 1.5 x that without it, nothing missing, 32 MiB more memory, and 64 MiB at 20 Mbit/s", stuckViewer},
	{"100 viewers of 4 Mbit/s over RTMPS", "0.35 s/GB more than over RTMP, or 1.8 x what encryption alone takes", secureViewers},
	{"start, until it accepts", "100 ms or 2 x that of a program that only listens", starts},
	{"200 viewers of 4 Mbit/s, GOMAXPROCS 1, 2 and 8, 20 s each", "no gap, nobody lost", processors},
	{"50 viewers and one that stops reading, recorded, with the race detector", "no report, nothing missing", races},
}

// bed is what checks work with.
type bed struct {
	dir, tool string
	rounds    int
	duration  time.Duration
	peer      server // nginx-rtmp
}

// runLimits checks those that match, and returns the names of what was missed.
func runLimits(ctx context.Context, b *bed, names *regexp.Regexp, command string) (text string, missed []string, err error) {
	var t strings.Builder
	fmt.Fprintf(&t, "`%s`, %s: %s. Median of %d rounds of %v each, unless it says worst.\n\n", command, time.Now().Format("2006-01-02"), machine(), b.rounds, b.duration)
	t.WriteString("| | at most | measured |\n| --- | --- | --- |\n")
	for _, l := range limits {
		if !names.MatchString(l.name) {
			continue
		}
		got, kept, err := l.check(ctx, b)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", l.name, err)
		}
		if !kept {
			got += "; missed"
			missed = append(missed, l.name)
		}
		fmt.Printf("%s: %s\n", l.name, got)
		fmt.Fprintf(&t, "| %s | %s | %s |\n", l.name, l.most, got)
	}
	return t.String(), missed, nil
}

func (b *bed) ours(flags ...string) server {
	return server{name: "rtmptool", command: rtmptoolCommand(b.tool, flags...)}
}

// variant is one of several that are compared.
type variant struct {
	server
	args []string
}

// inTurn measures all variants in each round.
func (b *bed) inTurn(ctx context.Context, variants ...variant) ([][]*bench.Result, error) {
	all := make([][]*bench.Result, len(variants))
	for range b.rounds {
		for i, v := range variants {
			r, err := measure(ctx, b.dir, b.tool, v.server, scenario{args: v.args}, b.duration)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], r)
		}
	}
	return all, nil
}

func joinStorm(ctx context.Context, b *bed) (string, bool, error) {
	figures := map[string][]float64{}
	var first []float64
	missing := 0.0
	for range b.rounds {
		for _, s := range []server{b.ours(), b.peer} {
			watching, joining, err := b.storm(ctx, s)
			if err != nil {
				return "", false, err
			}
			p99 := 0.0
			for _, second := range watching.PerSecond {
				p99 = max(p99, second.Latency.P99)
			}
			figures[s.name] = append(figures[s.name], p99)
			if s.name == "rtmptool" {
				first = append(first, joining.FirstKeyframe.Max)
				missing = max(missing, lost(watching)+lost(joining))
			}
		}
	}
	p99, peer := median(figures["rtmptool"]), median(figures[b.peer.name])
	got := fmt.Sprintf("p99 %.1f ms (%s %.1f ms), first keyframe %.0f ms, %.0f missing", p99, b.peer.name, peer, median(first), missing)
	note, kept := within(p99, 50, 1.7*peer)
	return got + note, kept && median(first) <= 1000 && missing == 0, nil
}

// storm has viewers join while others watch.
func (b *bed) storm(ctx context.Context, s server) (watching, joining *bench.Result, err error) {
	const watched, calm = 10 * time.Second, 4 * time.Second
	r, err := start(ctx, b.dir, s, scenario{})
	if err != nil {
		return nil, nil, err
	}
	defer r.stop()
	failed := make(chan error, 1)
	go func() {
		var err error
		watching, err = r.bench(ctx, b.tool, watched, load(1, 50, "1M")...)
		failed <- err
	}()
	select {
	case err := <-failed:
		return nil, nil, errors.Join(err, errors.New("nobody watches"))
	case <-time.After(calm):
	}
	joining, err = r.bench(ctx, b.tool, 2*time.Second, "--publishers", "0", "--players", "500", "--ramp", "1s")
	return watching, joining, errors.Join(err, <-failed)
}

func stuckViewer(ctx context.Context, b *bed) (string, bool, error) {
	const ring = 32 << 20 // bytes: docs/limits.md
	const most = 2 * ring // as much again may not be collected yet
	with := func(args []string) []string { return append(slices.Clone(args), "--slow", "1") }
	args, heavy := load(1, 100, "4M"), load(1, 100, "20M")
	all, err := b.inTurn(ctx, variant{b.ours(), args}, variant{b.ours(), with(args)})
	if err != nil {
		return "", false, err
	}
	long := *b // for more than that to be published
	long.rounds, long.duration = 1, 32*time.Second
	much, err := long.inTurn(ctx, variant{b.ours(), heavy}, variant{b.ours(), with(heavy)})
	if err != nil {
		return "", false, err
	}
	calm, stuck := median(each(all[0], p99)), median(each(all[1], p99))
	more, published := peak(much[1][0])-peak(much[0][0]), float64(much[1][0].Published.Bytes)/1e6
	light, missing := worst(each(all[1], peak))-median(each(all[0], peak)), worst(each(all[1], incomplete))
	got := fmt.Sprintf("p99 %.1f ms (%.1f ms), worst: %.0f missing, %.1f MB more; %.1f MB more while %.0f MB of 20 Mbit/s are published", stuck, calm, missing, light, more, published)
	note, kept := within(stuck, 15, 1.5*calm)
	return got + note, kept && missing == 0 && light*1e6 <= ring && more*1e6 <= most && published*1e6 > most, nil
}

func secureViewers(ctx context.Context, b *bed) (string, bool, error) {
	cert, key, err := certtest.Make()
	if err != nil {
		return "", false, err
	}
	certFile, keyFile := filepath.Join(b.dir, "cert.pem"), filepath.Join(b.dir, "key.pem")
	if err := errors.Join(os.WriteFile(certFile, cert, 0o600), os.WriteFile(keyFile, key, 0o600)); err != nil {
		return "", false, err
	}
	secure := server{name: "rtmptool", secure: true, command: func(_ string, port int, _ scenario) (*exec.Cmd, error) {
		return exec.Command(b.tool, "serve", "--listen", "none", "--listen-tls", fmt.Sprintf("127.0.0.1:%d", port),
			"--tls-cert", certFile, "--tls-key", keyFile, "--log-level", "warn", "--max-connections-per-ip", "0"), nil
	}}
	args := load(1, 100, "4M")
	turn := *b
	turn.rounds = 1
	var plain, over, more, alone []float64
	missing := 0.0
	for range max(b.rounds, 7) { // others' load differs from run to run by as much as is measured
		both, err := turn.inTurn(ctx, variant{b.ours(), args}, variant{secure, append(args, "--tls-insecure")})
		if err != nil {
			return "", false, err
		}
		sealed, err := sealing(ticks(func(tick func()) {
			for range 1000 {
				tick()
			}
		}))
		if err != nil {
			return "", false, err
		}
		plain, over = append(plain, perGB(both[0][0])), append(over, perGB(both[1][0]))
		more, alone = append(more, perGB(both[1][0])-perGB(both[0][0])), append(alone, sealed)
		missing = max(missing, incomplete(both[1][0]))
	}
	var relayed error
	beside, err := sealing(ticks(func(tick func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, relayed = measure(ctx, b.dir, b.tool, b.ours(), scenario{args: args}, b.duration)
		}()
		for frames := time.Tick(time.Second / 30); ; tick() {
			select {
			case <-done:
				return
			case <-frames:
			}
		}
	}))
	if err := errors.Join(err, relayed); err != nil {
		return "", false, err
	}
	got := fmt.Sprintf("%.3f s/GB, %.3f s/GB over RTMP: %.3f more, median of %d rounds from %.3f to %.3f (%.3f s/GB; %.3f at the pace of the viewers), %.0f missing",
		median(over), median(plain), median(more), len(more), slices.Min(more), slices.Max(more), median(alone), beside, missing)
	note, kept := within(median(more), 0.35, 1.8*median(alone))
	return got + note, kept && missing == 0, nil
}

// ticks runs a function in a goroutine, and ends with it.
func ticks(run func(tick func())) <-chan struct{} {
	all := make(chan struct{})
	go func() {
		defer close(all)
		run(func() { all <- struct{}{} })
	}()
	return all
}

// sealing is what it takes to encrypt as TLS does, and nothing else, in s/GB: with each tick a frame
// of 4 Mbit/s for each of 100 viewers.
func sealing(ticks <-chan struct{}) (float64, error) {
	const viewers, frame = 100, 4_000_000 / 8 / 30 // bytes
	var keys [viewers]cipher.AEAD
	for i := range keys {
		block, err := aes.NewCipher(binary.LittleEndian.AppendUint64(make([]byte, 8), uint64(i)))
		if err != nil {
			return 0, err
		}
		if keys[i], err = cipher.NewGCM(block); err != nil {
			return 0, err
		}
	}
	plain, out, nonce := make([]byte, frame), make([]byte, 0, frame+keys[0].Overhead()), make([]byte, keys[0].NonceSize())
	sealed, before := 0, ownCPU()
	for range ticks {
		for _, key := range keys {
			key.Seal(out, nonce, plain, nil)
			sealed += frame
		}
	}
	return (ownCPU() - before).Seconds() / (float64(sealed) / 1e9), nil
}

func starts(ctx context.Context, b *bed) (string, bool, error) {
	const times = 9
	self, err := os.Executable()
	if err != nil {
		return "", false, err
	}
	var ours, floors []float64
	for range times {
		port, err := freePort()
		if err != nil {
			return "", false, err
		}
		cmd, _ := b.ours().command("", port, scenario{})
		took, err := untilAccepted(ctx, cmd, port)
		if err != nil {
			return "", false, err
		}
		ours = append(ours, took)
		if took, err = untilAccepted(ctx, exec.Command(self, "-listen", strconv.Itoa(port)), port); err != nil {
			return "", false, err
		}
		floors = append(floors, took)
	}
	got, floor := median(ours), median(floors)
	note, kept := within(got, 100, 2*floor)
	return fmt.Sprintf("%.0f ms, worst %.0f ms, of %d starts (%.0f ms)", got, worst(ours), times, floor) + note, kept, nil
}

// untilAccepted is how many ms it takes a program from its start until it accepts.
func untilAccepted(ctx context.Context, cmd *exec.Cmd, port int) (float64, error) {
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	err := await(ctx, fmt.Sprintf("127.0.0.1:%d", port))
	return time.Since(begin).Seconds() * 1000, err
}

func processors(ctx context.Context, b *bed) (string, bool, error) {
	var variants []variant
	for _, n := range []string{"1", "2", "8"} {
		s := b.ours()
		command := s.command
		s.command = func(home string, port int, sc scenario) (*exec.Cmd, error) {
			cmd, err := command(home, port, sc)
			cmd.Env = append(os.Environ(), "GOMAXPROCS="+n)
			return cmd, err
		}
		variants = append(variants, variant{s, load(1, 200, "4M")})
	}
	long := *b
	long.duration = max(b.duration, 20*time.Second)
	all, err := long.inTurn(ctx, variants...)
	if err != nil {
		return "", false, err
	}
	var missing, late []string
	kept := true
	for _, of := range all {
		n := worst(each(of, incomplete))
		kept = kept && n == 0
		missing, late = append(missing, fmt.Sprintf("%.0f", n)), append(late, fmt.Sprintf("%.1f", median(each(of, p99))))
	}
	return fmt.Sprintf("worst: %s missing; p99 %s ms", strings.Join(missing, ", "), strings.Join(late, ", ")), kept, nil
}

func races(ctx context.Context, b *bed) (string, bool, error) {
	watched := *b
	watched.tool = filepath.Join(b.dir, "rtmptool-race")
	if out, err := exec.CommandContext(ctx, "go", "build", "-race", "-o", watched.tool, ".").CombinedOutput(); err != nil {
		return "", false, fmt.Errorf("%w\n%s", err, out)
	}
	r, err := start(ctx, b.dir, watched.ours(), scenario{record: "flv"})
	if err != nil {
		return "", false, err
	}
	result, err := r.bench(ctx, b.tool, b.duration, append(load(1, 50, "1M"), "--slow", "1")...)
	reports := strings.Count(r.output(), "DATA RACE")
	ended := r.stop() // the race detector's exit code is its own
	if err != nil {
		return "", false, err
	}
	missing := incomplete(result)
	return fmt.Sprintf("%d reports in %.0f MB to 50, %.0f missing", reports, float64(result.Delivered.Bytes)/1e6, missing), reports == 0 && ended == nil && missing == 0, nil
}

// within tells whether a figure is at most what is asked for, or at most what the machine is good
// for in the same minutes; the text says if only that.
func within(got, most, comparison float64) (text string, kept bool) {
	switch {
	case got <= most:
		return "", true
	case got <= comparison:
		return fmt.Sprintf("; over %g, kept by the comparison", most), true
	}
	return "", false
}
