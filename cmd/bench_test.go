package cmd

import (
	"testing"

	"github.com/rtmptool/rtmptool/internal/bench"
)

// Whoever was lost makes bench fail, and it says how.
func TestBenchLost(t *testing.T) {
	all := bench.Result{Publishers: 3, Players: 10, Slow: 2}
	for want, change := range map[string]func(r *bench.Result){
		"": func(*bench.Result) {},
		"3 of 3 publishers lost their connection": func(r *bench.Result) { r.LostPublishers = 3 },
		"4 of 12 players lost their connection":   func(r *bench.Result) { r.Lost = 4 },
		"4 of 12 players got no keyframe":         func(r *bench.Result) { r.Lost, r.WithoutKeyframe = 4, 4 },
		"1 of 3 publishers and 2 of 12 players lost their connection, 3 of 12 players got no keyframe": func(r *bench.Result) {
			r.LostPublishers, r.Lost, r.WithoutKeyframe = 1, 5, 3
		},
	} {
		r := all
		change(&r)
		got := ""
		if err := lost(&r); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
