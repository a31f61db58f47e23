package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// chart is horizontal bars in groups, one a scenario.
type chart struct {
	Title  string
	Width  float64
	Height float64
	Texts  []label
	Bars   []bar
}

type label struct {
	X, Y        float64
	Text, Class string
}

type bar struct {
	Y, Width float64
	Class    string
}

// Of the picture, in pixels.
const (
	chartWidth = 720.0
	nameWidth  = 110.0 // of servers
	barWidth   = 520.0 // of the longest bar
	row        = 17.0
)

var chartSVG = template.Must(template.New("chart").Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}" width="{{.Width}}" height="{{.Height}}" role="img" aria-label="{{.Title}}">
<style>
svg { background: #ffffff; }
text { fill: #57606a; font: 12px system-ui, sans-serif; }
.title { fill: #1b1f24; font-size: 15px; font-weight: bold; }
.group { fill: #1b1f24; font-weight: bold; }
.name { text-anchor: end; }
.ours { fill: #2f6fde; } .others { fill: #b4bbc3; } .floor { fill: #e3c7b4; }
@media (prefers-color-scheme: dark) {
svg { background: #14171b; } text { fill: #9aa3ad; } .title, .group { fill: #e6e9ed; }
.ours { fill: #79a8ff; } .others { fill: #4a525b; } .floor { fill: #7a5138; }
}
</style>
{{- range .Bars}}
<rect class="{{.Class}}" x="118" y="{{.Y}}" width="{{printf "%.1f" .Width}}" height="12"/>
{{- end}}
{{- range .Texts}}
<text class="{{.Class}}" x="{{printf "%.1f" .X}}" y="{{.Y}}">{{html .Text}}</text>
{{- end}}
</svg>
`))

// group is a scenario's bars.
type group struct {
	name string
	bars []value
}

type value struct {
	name   string
	number float64
}

func (g group) longest() (most float64) {
	for _, v := range g.bars {
		most = max(most, v.number)
	}
	return most
}

// newChart draws bars of one scale, or in each group of its own, where figures of different
// groups are not to be compared.
func newChart(title, format string, groups []group, ownScale bool) chart {
	c := chart{Title: title, Width: chartWidth}
	y := row + 4
	c.Texts = append(c.Texts, label{0, y, title, "title"})
	longest := 0.0
	for _, g := range groups {
		longest = max(longest, g.longest())
	}
	for _, g := range groups {
		if ownScale {
			longest = g.longest()
		}
		y += 1.6 * row
		c.Texts = append(c.Texts, label{0, y, g.name, "group"})
		for _, v := range g.bars {
			y += row
			class := "others"
			switch v.name {
			case "rtmptool":
				class = "ours"
			case "floor":
				class = "floor"
			}
			b := bar{y - 10, v.number / longest * barWidth, class}
			c.Bars = append(c.Bars, b)
			c.Texts = append(c.Texts, label{nameWidth, y, v.name, "name"}, label{nameWidth + b.Width + 14, y, fmt.Sprintf(format, v.number), "number"})
		}
	}
	c.Height = y + row
	return c
}

// draw writes the charts of a report.
func (r *report) draw(dir string) error {
	var cpu, latency []group
	for _, m := range r.all {
		c, l := group{name: m.name}, group{name: m.name}
		base := median(each(m.of["nginx-rtmp"], perGB))
		for _, s := range r.servers {
			if all := m.of[s.name]; len(all) > 0 {
				c.bars = append(c.bars, value{s.name, median(each(all, perGB)) / base})
				l.bars = append(l.bars, value{s.name, median(each(all, p99))})
			}
		}
		if floor := median(m.floors); floor > 0 {
			c.bars = append(c.bars, value{"floor", floor / base})
		}
		if base > 0 {
			cpu = append(cpu, c)
		}
		if m.viewers() > 0 {
			latency = append(latency, l)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, c := range map[string]chart{
		"cpu.svg":     newChart("CPU, as a ratio to nginx-rtmp's", "%.2f", cpu, false),
		"latency.svg": newChart("Latency of a video frame, p99; each scenario has a scale of its own", "%.1f ms", latency, true),
	} {
		var b bytes.Buffer
		if err := chartSVG.Execute(&b, c); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
