package bench

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

// A warning is of a full machine or late frames, not of who used how much of it.
func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		name              string
		generator, server *Usage
		late              float64
		want              string
	}{
		{"as much as the server", &Usage{CPU: 2}, &Usage{CPU: 2}, 2, ""},
		{"together too much", &Usage{CPU: 2}, &Usage{CPU: 7}, 2, "bench and the server used 90 % of 2 processors"},
		{"alone too much", &Usage{CPU: 8}, nil, 2, "bench used 80 % of 2 processors"},
		{"unknown", nil, nil, 2, ""},
		{"late", nil, nil, 34, "1 frame in 100 was written 34 ms late"},
	} {
		r := sample()
		r.Seconds, r.Processors, r.Generator, r.Server, r.Late.P99 = 5, 2, tc.generator, tc.server, tc.late
		r.warn()
		if tc.want == "" {
			if r.Warnings != nil {
				t.Errorf("%s: %q", tc.name, r.Warnings)
			}
			continue
		}
		for name, write := range map[string]func(io.Writer, *Result) error{"text": Text, "JSON": JSON, "HTML": HTML} {
			var b strings.Builder
			if err := write(&b, r); err != nil || !strings.Contains(b.String(), tc.want) {
				t.Errorf("%s: %v, no %q in %s:\n%s", tc.name, err, tc.want, name, b.String())
			}
		}
	}
}

func sample() *Result {
	r := &Result{
		Schema: 1, URL: "rtmp://127.0.0.1/live/bench", Began: time.Date(2026, 1, 15, 14, 30, 22, 0, time.UTC), Seconds: 3,
		Publishers: 1, Players: 200, Slow: 1, Bitrate: 4e6, FPS: 30, Codec: "h264", GOP: 2, Ramp: 0.5, Duration: 3,
		Published: Traffic{1.5e6, 5e5}, Delivered: Traffic{300e6, 100e6}, Share: 1, LeastShare: 0.9987, Lost: 3, WithoutKeyframe: 2,
		Sampled: 20, Frames: 1800, Gaps: 1, Missing: 2,
		Latency: Latency{1.25, 4.5, 9, 12.5}, FirstKeyframe: Latency{3, 8, 9, 9.5}, Late: Latency{0.5, 1.25, 2, 3},
		Server:    &Usage{CPU: 0.2, PerGB: 0.667, PerDelivery: 4.5, Peak: 32e6},
		Generator: &Usage{CPU: 0.15, PerGB: 0.5, PerDelivery: 3.4, Peak: 40e6},
		Problems:  []string{"player: EOF"}, More: 3,
	}
	for i := range 3 {
		r.PerSecond = append(r.PerSecond, Second{At: i + 1, In: 5e5, Out: 100e6, Players: 200, Server: 0.07, Latency: Latency{1, 4, 5, float64(6 + i)}})
	}
	return r
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := Text(&b, sample()); err != nil {
		t.Fatal(err)
	}
	const want = `rtmp://127.0.0.1/live/bench  1 publisher of 4.0 Mbit/s h264, 200 players and 1 that stopped reading, 3 s
  published      4.0 Mbit/s, 1.5 MB
  delivered      800.0 Mbit/s, 300.0 MB, 100.00 % (the player that got least: 99.87 %)
  lost           3 players, 2 of them without a keyframe
  gaps           1 in 1800 frames, 2 frames missing (read by 20 of 200 players)
  latency        p50 1.2 ms, p99 4.5 ms, p99.9 9.0 ms, max 12.5 ms
  first keyframe p50 3.0 ms, p99 8.0 ms, p99.9 9.0 ms, max 9.5 ms
  server         0.20 s of CPU, 0.667 s/GB, 4.5 us a delivery, at most 32.0 MB of memory
  generator      0.15 s of CPU, 0.500 s/GB, 3.4 us a delivery, at most 40.0 MB of memory; frames written after they were due: p99 1.2 ms
  problem        player: EOF
  problem        and 3 more
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got, want := Line(sample().PerSecond[1]), "     2      200    4.0 M  800.0 M     1.0     4.0     7.0        0      7%"; got != want {
		t.Errorf("got\n%s\nwant\n%s\n%s", got, want, Header)
	}
}

// Latency that nobody measured is not shown as none.
func TestNoLatency(t *testing.T) {
	r := sample()
	r.Publishers, r.Latency = 0, Latency{}
	for i := range r.PerSecond {
		r.PerSecond[i].Latency = Latency{}
	}
	for want, write := range map[string]func(io.Writer, *Result) error{"latency        only of streams that this run publishes\n": Text, `"missing":2,"first_keyframe_ms"`: JSON, "Delivered, Mbit/s": HTML} {
		var b strings.Builder
		if err := write(&b, r); err != nil || !strings.Contains(b.String(), want) || strings.Contains(b.String(), "latency_ms") || strings.Contains(b.String(), "Latency of a video frame") {
			t.Errorf("%v, want %q in\n%s", err, want, b.String())
		}
	}
	if got, want := Line(r.PerSecond[1]), "     2      200    4.0 M  800.0 M       -       -       -        0      7%"; got != want {
		t.Errorf("got\n%s\nwant\n%s\n%s", got, want, Header)
	}
}

func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := JSON(&b, sample()); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil || strings.Count(b.String(), "\n") != 1 {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if got["schema"] != 1.0 || got["least_share"] != 0.9987 || got["without_keyframe"] != 2.0 || got["sampled"] != 20.0 || got["gop_s"] != 2.0 || got["ramp_s"] != 0.5 || got["duration_s"] != 3.0 || got["latency_ms"].(map[string]any)["p99.9"] != 9.0 || len(got["per_second"].([]any)) != 3 {
		t.Errorf("%s", b.String())
	}
}

func TestHTML(t *testing.T) {
	r := sample()
	r.URL = "rtmp://h/<script>"
	var b strings.Builder
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Contains(text, "<script>") || strings.Contains(text, "ZgotmplZ") {
		t.Error("what was given is not escaped")
	}
	for _, want := range []string{"<svg", "99.87 %", "player: EOF", `points="56.0,`, "p99", "Delivered, Mbit/s"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if n := strings.Count(text, "<polyline"); n != 5 {
		t.Errorf("%d lines", n)
	}
	if err := HTML(&b, &Result{}); err != nil {
		t.Errorf("an empty result: %v", err)
	}
}
