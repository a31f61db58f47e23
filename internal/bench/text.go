package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// JSON writes a result as one line (docs/formats/bench-json.md).
func JSON(w io.Writer, r *Result) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Text writes a result for people.
func Text(w io.Writer, r *Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", r.URL, r.title())
	for _, row := range r.rows() {
		fmt.Fprintf(&b, "  %-15s%s\n", row.Name, row.Text)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "  warning        %s\n", w)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "  problem        %s\n", p)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "  problem        and %d more\n", r.More)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Header and Line are the live table: a line a second.
const Header = "     s  players       in      out  p50 ms  p99 ms  max ms  missing  server"

// Line is a second's line of the table.
func Line(s Second) string {
	server := "      -"
	if s.Server > 0 {
		server = fmt.Sprintf("%6.0f%%", s.Server*100)
	}
	latency := "     -       -       -"
	if s.Latency != (Latency{}) {
		latency = fmt.Sprintf("%6.1f  %6.1f  %6.1f", s.Latency.P50, s.Latency.P99, s.Latency.Max)
	}
	return fmt.Sprintf("%6d  %7d  %7s  %7s  %s  %7d %s", s.At, s.Players, rateText(float64(s.In)), rateText(float64(s.Out)), latency, s.Missing, server)
}

func (r *Result) title() string {
	who := count(r.Players, "player")
	if r.Publishers > 0 {
		who = count(r.Publishers, "publisher") + " of " + rateText(float64(r.Bitrate)/8) + "bit/s " + r.Codec + ", " + who
	}
	if r.Slow > 0 {
		who += fmt.Sprintf(" and %d that stopped reading", r.Slow)
	}
	return fmt.Sprintf("%s, %.0f s", who, r.Seconds)
}

// row is a line of the result.
type row struct{ Name, Text string }

func (r *Result) rows() (rows []row) {
	add := func(name, format string, args ...any) { rows = append(rows, row{name, fmt.Sprintf(format, args...)}) }
	if r.Publishers > 0 {
		add("published", "%sbit/s, %s", rateText(r.Published.PerSec), bytesText(r.Published.Bytes))
	}
	if r.LostPublishers > 0 {
		add("lost", "%s", count(r.LostPublishers, "publisher"))
	}
	if r.Players > 0 {
		text := fmt.Sprintf("%sbit/s, %s", rateText(r.Delivered.PerSec), bytesText(r.Delivered.Bytes))
		if r.Publishers > 0 {
			text += fmt.Sprintf(", %.2f %% (the player that got least: %.2f %%)", r.Share*100, r.LeastShare*100)
		}
		add("delivered", "%s", text)
		if r.Lost > 0 {
			text := count(r.Lost, "player")
			if r.WithoutKeyframe > 0 {
				text += fmt.Sprintf(", %d of them without a keyframe", r.WithoutKeyframe)
			}
			add("lost", "%s", text)
		}
		if r.Frames > 0 {
			add("gaps", "%d in %d frames, %d frames missing (read by %d of %s)", r.Gaps, r.Frames, r.Missing, r.Sampled, count(r.Players, "player"))
			if r.Latency == (Latency{}) {
				add("latency", "only of streams that this run publishes")
			} else {
				add("latency", "%s", r.Latency)
			}
		}
		add("first keyframe", "%s", r.FirstKeyframe)
	}
	if r.Server != nil {
		add("server", "%s", r.Server.text(r.Players > 0))
	}
	if r.Generator != nil {
		add("generator", "%s; frames written after they were due: p99 %.1f ms", r.Generator.text(r.Players > 0), r.Late.P99)
	}
	return rows
}

func (l Latency) String() string {
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms, max %.1f ms", l.P50, l.P99, l.P999, l.Max)
}

func (u *Usage) text(played bool) string {
	text := fmt.Sprintf("%.2f s of CPU, %.3f s/GB", u.CPU, u.PerGB)
	if played {
		text += fmt.Sprintf(", %.1f us a delivery", u.PerDelivery)
	}
	return fmt.Sprintf("%s, at most %s of memory", text, bytesText(u.Peak))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// rateText is a number of bytes a second as bits, without "bit/s".
func rateText(bytes float64) string {
	switch n := bytes * 8; {
	case n >= 1e9:
		return fmt.Sprintf("%.2f G", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f M", n/1e6)
	default:
		return fmt.Sprintf("%.0f k", n/1e3)
	}
}

func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}
