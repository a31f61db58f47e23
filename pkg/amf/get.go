package amf

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Get returns the value of key in an [Object], [ECMAArray] or [TypedObject]. Of
// equal keys the last one counts, as it does for a reader that fills a map.
func Get(v any, key string) (any, bool) {
	for _, p := range slices.Backward(properties(v)) {
		if p.Key == key {
			return p.Value, true
		}
	}
	return nil, false
}

// String returns v if it is a string.
func String(v any) (string, bool) {
	s, ok := v.(string)
	return s, ok
}

// Number returns v as a finite number. Encoders also write numbers as strings,
// and as dates, which count as their milliseconds.
func Number(v any) (float64, bool) {
	var f float64
	switch v := v.(type) {
	case float64:
		f = v
	case Date:
		f = v.Milliseconds
	case string:
		var err error
		if f, err = strconv.ParseFloat(strings.TrimSpace(v), 64); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}
