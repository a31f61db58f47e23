package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// HTML writes a result as a page of its own, with charts as inline SVG.
func HTML(w io.Writer, r *Result) error {
	var p50, p99, most, in, out []float64
	for _, s := range r.PerSecond {
		p50, p99, most = append(p50, s.Latency.P50), append(p99, s.Latency.P99), append(most, s.Latency.Max)
		in, out = append(in, float64(s.In)*8/1e6), append(out, float64(s.Out)*8/1e6)
	}
	var charts []chart
	if r.Latency != (Latency{}) {
		charts = append(charts, newChart("Latency of a video frame", "ms", line{"p50", p50}, line{"p99", p99}, line{"max", most}))
	}
	if r.Publishers > 0 {
		charts = append(charts, newChart("Published", "Mbit/s", line{"published", in}))
	}
	if r.Players > 0 {
		charts = append(charts, newChart("Delivered", "Mbit/s", line{"delivered", out}))
	}
	return page.Execute(w, struct {
		*Result
		Title  string
		Rows   []row
		Charts []chart
	}{r, r.title(), r.rows(), charts})
}

type line struct {
	name   string
	values []float64 // one a second
}

// chart is what page.html draws: coordinates of a picture of 720 x 240.
type chart struct {
	Title, Unit string
	Ticks       []tick // of the vertical axis
	Seconds     []tick
	Lines       []drawn
}

type tick struct {
	At   float64
	Text string
}

type drawn struct {
	Name   string
	Points string  // of a polyline
	Last   float64 // where it ends, for its name
	Number int
}

const (
	left, right, top, bottom = 56.0, 640.0, 16.0, 208.0
)

func newChart(title, unit string, lines ...line) chart {
	c := chart{Title: title, Unit: unit}
	highest, n := 0.0, 0
	for _, l := range lines {
		for _, v := range l.values {
			highest = max(highest, v)
		}
		n = max(n, len(l.values))
	}
	step := niceStep(highest / 4)
	limit := step * max(1, math.Ceil(highest/step))
	y := func(v float64) float64 { return bottom - v/limit*(bottom-top) }
	x := func(i int) float64 { return left + (right-left)*float64(i)/float64(max(n-1, 1)) }
	for i := 0; float64(i)*step <= limit*1.001; i++ {
		c.Ticks = append(c.Ticks, tick{y(float64(i) * step), fmt.Sprintf("%g", math.Round(float64(i)*step*1000)/1000)})
	}
	every := int(max(1, niceStep(float64(n)/6)))
	for i := 0; i < n; i += every {
		c.Seconds = append(c.Seconds, tick{x(i), fmt.Sprint(i + 1)})
	}
	taken := map[int]bool{} // rows of names
	for i, l := range lines {
		var points strings.Builder
		last := bottom
		for k, v := range l.values {
			last = y(v)
			fmt.Fprintf(&points, "%.1f,%.1f ", x(k), last)
		}
		const rowHeight = 14
		at := int(last / rowHeight)
		for taken[at] {
			at--
		}
		taken[at] = true
		c.Lines = append(c.Lines, drawn{l.name, strings.TrimSpace(points.String()), float64(at*rowHeight) + 4, i})
	}
	return c
}

// niceStep rounds up to 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}
