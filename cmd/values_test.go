package cmd

import (
	"testing"
	"time"
)

func TestAgeValue(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "0.5d": 12 * time.Hour,
	} {
		var v ageValue
		if err := v.Set(text); err != nil || time.Duration(v) != want {
			t.Errorf("%s: %v, %v", text, time.Duration(v), err)
		}
	}
	for _, text := range []string{"", "7", "d", "-1d", "-5m", "1e9d", "7 days", "NaNd"} {
		var v ageValue
		if err := v.Set(text); err == nil {
			t.Errorf("%q is taken for %v", text, time.Duration(v))
		}
	}
	for want, d := range map[string]time.Duration{"0": 0, "7d": 168 * time.Hour, "36h0m0s": 36 * time.Hour} {
		if v := ageValue(d); v.String() != want {
			t.Errorf("%v is written %s", d, v.String())
		}
	}
}

func TestSizeValue(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1000000": 1e6, "64MiB": 64 << 20, "64M": 64 << 20, "2GB": 2e9, "1.5 GiB": 3 << 29, "10kb": 1e4, "512b": 512, "1T": 1 << 40,
	} {
		var v sizeValue
		if err := v.Set(text); err != nil || int64(v) != want {
			t.Errorf("%s: %d, %v", text, v, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "5 apples", "1BB", "1iB", "1e30", "9999999TB", "NaN", "auto"} {
		var v sizeValue
		if err := v.Set(text); err == nil {
			t.Errorf("%q is taken for %d", text, v)
		}
	}
	auto := sizeValue(-1)
	if err := auto.Set("auto"); err != nil || auto.String() != "auto" {
		t.Errorf("%s, %v", auto.String(), err)
	}
	for want, n := range map[string]sizeValue{"0": 0, "64MiB": 64 << 20, "1000000": 1e6, "1KiB": 1024, "5GiB": 5 << 30} {
		if n.String() != want {
			t.Errorf("%d is written %s", n, n.String())
		}
	}
}
