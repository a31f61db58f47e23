package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/bench"
)

// report is everything that was measured.
type report struct {
	began    time.Time
	command  string
	rounds   int
	duration time.Duration
	servers  []server
	all      []measured
}

type measured struct {
	scenario
	of     map[string][]*bench.Result // by server
	floors []float64                  // s/GB, one a round
}

// each returns one figure of all rounds.
func each(all []*bench.Result, figure func(*bench.Result) float64) (values []float64) {
	for _, r := range all {
		values = append(values, figure(r))
	}
	return values
}

func perGB(r *bench.Result) float64 { return r.Server.PerGB }
func p99(r *bench.Result) float64   { return r.Latency.P99 }
func peak(r *bench.Result) float64  { return float64(r.Server.Peak) / 1e6 }

// mostBehind is how much the viewer that got least may lack, beside what waits for others:
// it has not come yet, or was left out.
const mostBehind = 500 * time.Millisecond

// behind is how much that is in ms.
func behind(r *bench.Result) float64 { return (1 - r.LeastShare) * r.Seconds * 1000 }

func lacks(r *bench.Result) float64 { return (1 - r.LeastShare) * 100 }

func worst(all []float64) (most float64) {
	for _, v := range all {
		most = max(most, v)
	}
	return most
}

// text is the section that goes into docs/performance.md.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "`%s`, %s: %s. %d rounds of %v each, the servers in turn; median, and the worst in brackets.\n", r.command, r.began.Format("2006-01-02"), machine(), r.rounds, r.duration)
	b.WriteString("CPU is the server's, in s a GB delivered (taken in, where it records); the ratio is to nginx-rtmp's in the same rounds. Latency is of a video frame,\nfrom when it was due to be sent until a viewer has read it. The floor is a process of one thread that reads\na frame with its sound in one call, writes it to each viewer, and to a file, which is synced once a second, and does\nnothing else; its frames are of one size. Above a server's own figure it says that this one reads and writes several frames at once.\n\n")
	b.WriteString("![CPU of each server, as a ratio to nginx-rtmp's](performance/cpu.svg)\n\n![p99 of the latency of a video frame](performance/latency.svg)\n\n")
	b.WriteString("| server | version | configuration |\n| --- | --- | --- |\n")
	for _, s := range r.servers {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.name, s.version, s.config)
	}
	if absent := absent(); len(absent) > 0 {
		fmt.Fprintf(&b, "\nNot measured here: %s, whose program no environment variable named.\n", strings.Join(absent, ", "))
	}
	for _, m := range r.all {
		limits, missed := m.limits()
		fmt.Fprintf(&b, "\n**%s**: at most %s", m.name, strings.Join(limits, ", "))
		if len(missed) > 0 {
			fmt.Fprintf(&b, "; missed: %s", strings.Join(missed, ", "))
		}
		b.WriteString("\n\n")
		b.WriteString("| | CPU s/GB | ratio | p99 ms | peak MB | the viewer that got least lacks | generator s/GB |\n| --- | --- | --- | --- | --- | --- | --- |\n")
		base := median(each(m.of["nginx-rtmp"], perGB))
		for _, s := range r.servers {
			all := m.of[s.name]
			if len(all) == 0 {
				continue
			}
			ratio := "-"
			if base > 0 {
				ratio = fmt.Sprintf("%.2f", median(each(all, perGB))/base)
			}
			latency, least := "-", "-"
			if m.viewers() > 0 {
				latency = both(each(all, p99), "%.1f")
				least = fmt.Sprintf("%.2f %%", worst(each(all, lacks)))
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %.3f |\n", s.name, both(each(all, perGB), "%.3f"), ratio, latency, both(each(all, peak), "%.0f"), least,
				median(each(all, func(r *bench.Result) float64 { return r.Generator.PerGB })))
		}
		if floor := median(m.floors); floor > 0 {
			fmt.Fprintf(&b, "| floor | %.3f | | | | | |\n", floor)
		}
		for _, s := range r.servers {
			if warned := m.warned(s.name); warned != "" {
				fmt.Fprintf(&b, "\n%s: %s\n", s.name, warned)
			}
		}
	}
	return b.String()
}

// warned is what bench said of the machine in a server's rounds.
func (m measured) warned(server string) string {
	rounds, last := 0, ""
	for _, r := range m.of[server] {
		if len(r.Warnings) > 0 {
			rounds, last = rounds+1, strings.Join(r.Warnings, "; ")
		}
	}
	if rounds == 0 {
		return ""
	}
	return fmt.Sprintf("in %d of %d rounds the machine was full (%s).", rounds, len(m.of[server]), last)
}

// limits tells what rtmptool was held to, and what it missed.
func (m measured) limits() (limits, missed []string) {
	ours, base := m.of["rtmptool"], m.of["nginx-rtmp"]
	check := func(what string, got, most float64, format string) {
		limits = append(limits, fmt.Sprintf(what+" "+format, most))
		if got > most {
			missed = append(missed, what)
		}
	}
	if reference := median(each(base, perGB)); reference > 0 && m.cpu > 0 {
		check("ratio", median(each(ours, perGB))/reference, m.cpu, "%.2f")
	}
	if m.p99 > 0 {
		got, most := median(each(ours, p99)), max(m.p99, 1.7*median(each(base, p99)))
		check("p99", got, most, "%.0f ms")
		if got > m.p99 && got <= most {
			limits = append(limits, fmt.Sprintf("which is 1.7 x nginx-rtmp's; the figure of %.0f ms is not kept", m.p99))
		}
	}
	check("peak", worst(each(ours, peak)), m.peak, "%.0f MB")
	if m.viewers() > 0 {
		check("behind", worst(each(ours, behind)), float64((mostBehind + m.wait).Milliseconds()), "%.0f ms")
	}
	check("lost", worst(each(ours, lost)), 0, "%.0f")
	return limits, missed
}

// missed names what rtmptool missed in all scenarios.
func (r *report) missed() (all []string) {
	for _, m := range r.all {
		if _, missed := m.limits(); len(missed) > 0 {
			all = append(all, m.name+": "+strings.Join(missed, ", "))
		}
	}
	return all
}

// incomplete is lost, and one more if the player that got least is behind: those that read no stamps
// are known by their bytes.
func incomplete(r *bench.Result) float64 {
	if behind(r) > float64(mostBehind.Milliseconds()) {
		return lost(r) + 1
	}
	return lost(r)
}

// lost is what players did not get, in frames and gaps, and connections that ended or failed.
func lost(r *bench.Result) float64 {
	return float64(r.Missing) + float64(r.Gaps) + float64(r.Lost) + float64(len(r.Problems)+r.More)
}

func both(all []float64, format string) string {
	return fmt.Sprintf(format+" ("+format+")", median(all), worst(all))
}

func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel, _ := exec.Command("uname", "-sr").Output()
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%d processors, %s, %s, %s, load %s at the end", runtime.NumCPU(), model, strings.TrimSpace(string(kernel)), runtime.Version(), first)
}

// replace puts a section where the last one of the same command was.
func replace(path, by, text string) error {
	begins, ends := "<!-- "+by+" writes from here -->\n", "<!-- to here -->\n"
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), begins)
	_, after, found := strings.Cut(rest, ends)
	if !ok || !found {
		return fmt.Errorf("%s has no %q", path, strings.TrimSpace(begins))
	}
	return os.WriteFile(path, []byte(before+begins+"\n"+text+"\n"+ends+after), 0o644)
}
