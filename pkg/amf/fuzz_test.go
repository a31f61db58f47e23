package amf

import (
	"slices"
	"testing"
)

// seeds returns the bytes of all table cases.
func seeds(t testing.TB) (seeds [][]byte) {
	for _, c := range slices.Concat(golden, tolerated, amf3) {
		seeds = append(seeds, unhex(t, c.hex))
	}
	return seeds
}

// What was read, be it only in part, can be written and read again.
func FuzzParse(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		values, _ := Parse(b)
		again, err := Parse(Append(nil, values...))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, again, values)

		v, n, err := ParseValue(b)
		if n < 0 || n > len(b) {
			t.Fatalf("%d bytes of %d", n, len(b))
		}
		if err == nil {
			equal(t, []any{v}, values[:1])
		}
		ParseMessage3(b)
	})
}

func BenchmarkParseConnect(b *testing.B) {
	message := Append(nil, "connect", 1, Object{
		{"app", "live"}, {"type", "nonprivate"}, {"flashVer", "FMLE/3.0 (compatible; FMSc/1.0)"},
		{"swfUrl", "rtmp://127.0.0.1/live"}, {"tcUrl", "rtmp://127.0.0.1/live"},
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(message); err != nil {
			b.Fatal(err)
		}
	}
}
