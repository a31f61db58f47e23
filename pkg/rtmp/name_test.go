package rtmp

import (
	"net/url"
	"strings"
	"testing"
)

// targets are what encoders and players put into the three fields for an
// address. The fuzzer starts from the same cases.
var targets = []struct {
	name            string
	app, tcURL, key string
	want            string
	query           url.Values
}{
	{"plain", "live", "rtmp://h/live", "main", "live/main", nil},
	{"OBS, path and query in the server field", "live/inst?tok=x", "rtmp://h/live/inst?tok=x", "main", "live/inst/main", url.Values{"tok": {"x"}}},
	{"FFmpeg, long path", "live", "rtmp://h:1935/live", "inst/main?tok=x", "live/inst/main", url.Values{"tok": {"x"}}},
	{"FFmpeg, instance in the application", "live/inst", "rtmp://h:1935/live/inst", "main", "live/inst/main", nil},
	{"FFmpeg, no key", "live/main", "rtmp://h:1935/live/main", "", "live/main", nil},
	{"VLC, no key", "live/main", "rtmp://h:1935/live/main", "mp4:0", "live/main", nil},
	{"ffplay, no key", "live/main", "rtmp://h:1935/live/main", "mp4:0.mp4", "live/main", nil},
	{"prefix mp4", "live", "rtmp://h/live", "mp4:main.mp4", "live/main.mp4", nil},
	{"prefixes flv and mp3", "flv:x", "rtmp://h/live", "mp3:main", "flv:x/main", nil},
	{"prefix flv", "live", "", "flv:main", "live/main", nil},
	{"slash and prefix", "live", "", "/mp4:main", "live/main", nil},
	{"prefix within a name", "live", "", "a/mp4:0", "live/a/mp4:0", nil},
	{"a stream called 0", "live", "", "0", "live/0", nil},
	{"no application: the URL's path", "", "rtmp://h/live/inst/", "main", "live/inst/main", nil},
	{"slash for application", "/", "rtmp://h/live", "main", "live/main", nil},
	{"no URL, no application", "", "", "live/main", "live/main", nil},
	{"application only", "live", "", "", "live", nil},
	{"slashes", "/live//inst/", "", "//main/", "live/inst/main", nil},
	{"no instance", "live/_definst_", "rtmp://h/live/_definst_", "main", "live/main", nil},
	{"no instance in the key", "live", "", "_definst_/main", "live/main", nil},
	{"quotes", "", "'rtmp://h/live'", "main", "live/main", nil},
	{"double quotes", "", `"rtmp://h/live?a=b"`, "main", "live/main", url.Values{"a": {"b"}}},
	{"user and port", "", "rtmp://user:pass@h:1935/live", "main", "live/main", nil},
	{"fragment", "", "rtmp://h/live#x?y=z", "main", "live/main", nil},
	{"URL for application", "rtmp://h/live", "", "main", "live/main", nil},
	{"rtmps, IPv6", "", "rtmps://[::1]:443/live", "main", "live/main", nil},
	{"URL without a path", "", "rtmp://h", "main", "main", nil},
	{"URL with only a query", "", "rtmp://h?a=b", "main", "main", url.Values{"a": {"b"}}},

	{"query of a URL", "live?back=http://h/x/y&a=b", "", "main", "live/main", url.Values{"back": {"http://h/x/y"}, "a": {"b"}}},
	{"query of a URL in the URL", "", "rtmp://h/live?back=http://g/x", "main", "live/main", url.Values{"back": {"http://g/x"}}},
	{"key wins over application, that over URL", "live?a=2&b=2", "rtmp://h/live?a=1&b=1&c=1", "main?a=3", "live/main",
		url.Values{"a": {"3"}, "b": {"2"}, "c": {"1"}}},
	{"two question marks", "live", "", "main?a=b?c=d", "live/main", url.Values{"a": {"b?c=d"}}},
	{"decoded once", "live", "", "main?a=%2541+x&%61=y", "live/main", url.Values{"a": {"%41 x", "y"}}},
	{"undecodable parameters are left out", "live", "", "main?a=%zz&b=c;d=e&f=g", "live/main", url.Values{"f": {"g"}}},
	{"key is only a query", "live/main", "", "?a=b", "live/main", url.Values{"a": {"b"}}},
	{"empty query", "live?", "", "main?", "live/main", nil},

	{"escapes stay", "live", "", "a%2Fb%20c", "live/a%2Fb%20c", nil},
	{"dots within", "live", "", "..a/b..c/...", "live/..a/b..c/...", nil},
	{"UTF-8 and other bytes", "live", "", "é\xFF ", "live/é\xFF ", nil},
}

func TestParseTarget(t *testing.T) {
	for _, tt := range targets {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseTarget(tt.app, tt.tcURL, tt.key)
			if err != nil {
				t.Fatal(err)
			}
			if tt.query == nil {
				tt.query = url.Values{}
			}
			equal(t, got, Target{Name: tt.want, Query: tt.query})
		})
	}
}

var badTargets = []struct {
	name            string
	app, tcURL, key string
	want            string
}{
	{"nothing", "", "", "", "no stream name"},
	{"only slashes and placeholders", "/_definst_/", "rtmp://h/", "mp4:0", "no stream name"},
	{"up", "live", "", "../main", `path element ".."`},
	{"up in the application", "..", "", "main", `path element ".."`},
	{"up in the URL", "", "rtmp://h/live/../x", "main", `path element ".."`},
	{"up behind a prefix", "live", "", "mp4:../x", `path element ".."`},
	{"here", "live", "", "./main", `path element "."`},
	{"up with backslashes", "live", "", `a\..\b`, `path element ".."`},
	{"up with both slashes", "live", "", `..\b/c`, `path element ".."`},
	{"NUL", "live", "", "a\x00b", "control character U+0000 at 6"},
	{"newline", "live", "", "a\n", "control character U+000A at 6"},
	{"escape", "\x1b[31m", "", "a", "control character U+001B at 0"},
	{"delete", "live", "", "\x7f", "control character U+007F at 5"},
	{"control sequence in one character", "live", "", "\u009b31m", "control character U+009B at 5"},
	{"next line", "live", "", "a\u0085", "control character U+0085 at 6"},
	{"line separator", "live", "", "a\u2028b", "control character U+2028 at 6"},
}

func TestParseTargetError(t *testing.T) {
	for _, tt := range badTargets {
		if got, err := ParseTarget(tt.app, tt.tcURL, tt.key); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q and error %v, want %s", tt.name, got.Name, err, tt.want)
		}
	}
}
