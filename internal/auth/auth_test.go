package auth

import (
	"fmt"
	"strings"
	"testing"
)

// rules are files and who gets in with them. The fuzzer starts from the same
// files.
var rules = []struct {
	name, text string
	in, out    []string // NAME or NAME?TOKEN
}{
	{"one stream", "live/main", []string{"live/main", "live/main?any"}, []string{"live/other", "live/main2", "live", "main", "live/main/x", "x/live/main", "Live/main", ""}},
	{"nothing", "", nil, []string{"live/main", "", "*"}},
	{"comments and empty lines", "\n# live/a\n  \t\n\t# b\n  live/main  \r\n#live/c", []string{"live/main"}, []string{"live/a", "live/c", "# live/a", ""}},
	{"mark of UTF-8", "\xEF\xBB\xBFlive/main\nlive/b", []string{"live/main", "live/b"}, nil},
	{"no newline at the end", "live/a\nlive/b", []string{"live/a", "live/b"}, nil},

	{"keys of an application", "live/*", []string{"live/main", "live/", "live/a b"}, []string{"live", "live/inst/main", "other/main", "lively/main"}},
	{"part of a key", "live/cam*", []string{"live/cam", "live/cam1", "live/camera"}, []string{"live/1cam", "live/cam/1"}},
	{"keys of every application", "*/main", []string{"live/main", "stage/main"}, []string{"main", "live/inst/main"}},
	{"three parts", "live/*/*", []string{"live/inst/main"}, []string{"live/main"}},
	{"every stream", "*", []string{"live/main", "main", "live/inst/main"}, nil},
	{"one byte", "live/cam?", []string{"live/cam1", "live/cam "}, []string{"live/cam", "live/cam12", "live/cam/"}},
	{"range", "live/cam[1-3]", []string{"live/cam1", "live/cam3"}, []string{"live/cam4", "live/cam", "live/cam[1-3]"}},
	{"escaped", `live/\*`, []string{"live/*"}, []string{"live/main"}},
	{"bytes that are no wildcards", "live/a.b+c&d#e", []string{"live/a.b+c&d#e"}, []string{"live/aXb+c&d#e"}},

	{"token", "live/main=s3cret", []string{"live/main?s3cret"}, []string{"live/main", "live/main?", "live/main?s3cre", "live/main?s3cret2", "live/main?S3CRET", "live/other?s3cret"}},
	{"blanks around =", "live/main = s3cret", []string{"live/main?s3cret"}, []string{"live/main", "live/main? s3cret"}},
	{"token of every stream", "*=Az0-._~", []string{"live/main?Az0-._~", "a/b/c?Az0-._~"}, []string{"live/main"}},
	{"token of an application", "live/*=x", []string{"live/main?x"}, []string{"live/main", "other/main?x"}},
	{"two tokens", "live/main=old\nlive/main=new", []string{"live/main?old", "live/main?new"}, []string{"live/main", "live/main?oldnew"}},

	// A line with a token closes the stream whatever else is open, in any order.
	{"token within everything", "*\nlive/main=x", []string{"live/other", "live/main?x"}, []string{"live/main", "live/main?y"}},
	{"everything after a token", "live/main=x\n*", []string{"live/other", "live/main?x"}, []string{"live/main"}},
	{"same stream without a token", "live/main\nlive/main=x", []string{"live/main?x"}, []string{"live/main"}},
	{"token for all and one of its own", "live/*=all\nlive/main=x", []string{"live/main?x", "live/main?all", "live/b?all"}, []string{"live/b?x", "live/main"}},
}

func TestAllow(t *testing.T) {
	for _, tt := range rules {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := Parse("keys.txt", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range []struct {
				clients []string
				want    bool
			}{{tt.in, true}, {tt.out, false}} {
				for _, client := range list.clients {
					name, token, _ := strings.Cut(client, "?")
					if got := keys.Allow(name, token); got != list.want {
						t.Errorf("Allow(%q, %q) = %v", name, token, got)
					}
				}
			}
		})
	}
}

// mistakes are lines, and what is said of them.
var mistakes = []struct{ line, want string }{
	{"rtmp://localhost/live/main", "an address: write only app/key"},
	{"rtmps://h/live/main=quux", "an address: write only app/key"},
	{"live/main?token=quux", "write app/key=SECRET"},
	{"main", "no application: write app/key"},
	{"cam*", "no application: write app/key"},
	{"main=quux", "no application: write app/key"},
	{"/live/main", "a / at the beginning"},
	{"live/main/", "a / at the beginning, at the end"},
	{"live//main", "or doubled: write app/key"},
	{"/", "a / at the beginning"},
	{"live/main quux", "blanks within a name: write ?"},
	{"live/main # the studio", "comments stand on lines of their own"},
	{"live/**", "** means nothing more than *: write app/*"},
	{"live/[a", "a [ or a \\ that begins nothing"},
	{`live/a\`, "a [ or a \\ that begins nothing"},
	{"live/[]", "a [ or a \\ that begins nothing"},
	{"=quux", "no stream before the ="},
	{"=", "no stream before the ="},
	{"live/main=", "no token behind the ="},
	{"live/main= \t", "no token behind the ="},
	{"live/main=qu ux", "letters, digits and - . _ ~"},
	{"live/main=quux # the studio", "letters, digits and - . _ ~"},
	{"live/main=quux+", "letters, digits and - . _ ~"},
	{"live/main=quux==", "letters, digits and - . _ ~"},
	{"live/main=qu/ux", "letters, digits and - . _ ~"},
	{"live/main=quuxé", "letters, digits and - . _ ~"},
	{"live/main=qu%61ux", "letters, digits and - . _ ~"},
}

// An error tells the place and what to write, and nothing of the token.
func TestMistakes(t *testing.T) {
	for _, tt := range mistakes {
		text := fmt.Sprintf("# first\nlive/a\n%s\nlive/b\n", tt.line)
		keys, err := Parse("dir/keys.txt", []byte(text))
		if err == nil {
			t.Errorf("%q: accepted: %+v", tt.line, keys)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, "dir/keys.txt:3: ") || !strings.Contains(got, tt.want) || strings.Contains(got, "\n") {
			t.Errorf("%q: %q, want dir/keys.txt:3: %s", tt.line, got, tt.want)
		}
		if got := err.Error(); strings.Contains(got, "qu") {
			t.Errorf("%q: %q repeats the token", tt.line, got)
		}
	}
}

// Keys cannot print the tokens that they were made from.
func TestKeysHideTokens(t *testing.T) {
	keys, err := Parse("keys.txt", []byte("live/main=quux"))
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v %#v %v %+v", keys, keys, *keys, keys.rules); strings.Contains(text, "quux") {
		t.Error(text)
	}
	if n := keys.Len(); n != 1 {
		t.Errorf("%d lines", n)
	}
}

// Whatever the file says, nobody gets in who brings no matching line, and a line
// lets in the stream of its name.
func FuzzParse(f *testing.F) {
	for _, tt := range rules {
		f.Add(tt.text, "live/main", "x")
	}
	for _, tt := range mistakes {
		f.Add(tt.line, "live/main", "")
	}
	f.Fuzz(func(t *testing.T, text, name, token string) {
		keys, err := Parse("f", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("%q: no place", err)
			}
			return
		}
		if keys.Allow(name, token) && keys.Len() == 0 {
			t.Fatal("no line lets anybody in")
		}
		for _, r := range keys.rules {
			if r.token != nil && r.matches(name) && keys.Allow(name, "!") { // no token has this byte
				t.Fatalf("%q: a wrong token lets in %q", text, name)
			}
		}
	})
}
