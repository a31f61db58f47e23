package amf

import (
	"math"
	"testing"
)

func TestGet(t *testing.T) {
	pairs := []Property{{"a", 1.0}, {"b", nil}, {"a", 2.0}}
	for _, v := range []any{Object(pairs), ECMAArray(pairs), TypedObject{"C", pairs}} {
		if got, ok := Get(v, "a"); got != 2.0 || !ok {
			t.Errorf("%T: a: %v, %v", v, got, ok)
		}
		if got, ok := Get(v, "b"); got != nil || !ok {
			t.Errorf("%T: b: %v, %v", v, got, ok)
		}
		if got, ok := Get(v, "c"); got != nil || ok {
			t.Errorf("%T: c: %v, %v", v, got, ok)
		}
	}
	for _, v := range []any{nil, "a", 1.0, StrictArray{"a"}, Undefined{}} {
		if got, ok := Get(v, "a"); ok {
			t.Errorf("%T has %v", v, got)
		}
	}
}

func TestString(t *testing.T) {
	if s, ok := String("a"); s != "a" || !ok {
		t.Errorf("%q, %v", s, ok)
	}
	for _, v := range []any{nil, 1.0, true, Undefined{}, XML("a")} {
		if s, ok := String(v); ok {
			t.Errorf("%T: %q", v, s)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		v    any
		want float64
		ok   bool
	}{
		{1.5, 1.5, true},
		{"30", 30, true},
		{" 29.97\n", 29.97, true},
		{"-1e3", -1000, true},
		{Date{Milliseconds: 7}, 7, true},
		{math.NaN(), 0, false},
		{math.Inf(1), 0, false},
		{math.Inf(-1), 0, false},
		{Date{Milliseconds: math.NaN()}, 0, false},
		{"NaN", 0, false},
		{"inf", 0, false},
		{"1e999", 0, false},
		{"", 0, false},
		{"30 fps", 0, false},
		{nil, 0, false},
		{true, 0, false},
		{Object(nil), 0, false},
	} {
		if got, ok := Number(c.v); got != c.want || ok != c.ok {
			t.Errorf("%#v: %v, %v", c.v, got, ok)
		}
	}
}
