package status

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writes remembers what came in one write each.
type writes []string

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, string(p))
	return len(p), nil
}

const (
	noWrap, wrap = "\x1b[?7l", "\x1b[?7h"
	fresh        = "\r\x1b[J"
)

// TestScreen holds the bytes of a block that is kept below the log lines. Each
// change is one write, so that no terminal shows half of it.
func TestScreen(t *testing.T) {
	var out writes
	s := NewScreen(&out, true)
	log := func(line string) {
		if n, err := s.Write([]byte(line)); n != len(line) || err != nil {
			t.Errorf("wrote %d of %d: %v", n, len(line), err)
		}
	}
	log("first\n")
	s.Show([]string{"a", "b"})
	log("second\n")
	s.Show([]string{"c"})
	s.Show([]string{})
	log("third\n")
	s.Show(nil)
	want := writes{
		fresh + "first\n",
		fresh + noWrap + "a\nb\n" + wrap,
		"\x1b[2A\r\x1b[J" + "second\n" + noWrap + "a\nb\n" + wrap,
		"\x1b[2A\r\x1b[J" + noWrap + "c\n" + wrap,
		"\x1b[1A\r\x1b[J",
		fresh + "third\n",
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

// TestScreenOfATerminal follows the escape sequences as a terminal does.
func TestScreenOfATerminal(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(&out, true)
	s.size = func() (int, int) { return 0, 6 }
	_, _ = s.Write([]byte("ready\n"))
	out.WriteString("^C") // the terminal's echo
	s.Show([]string{"one", strings.Repeat("long ", 40)})
	_, _ = s.Write([]byte("log 1\n"))
	s.Show([]string{"one", "two", "three", "four", "five", "six", "seven"})
	if diff := cmp.Diff([]string{"ready", "log 1", "one", "two", "three", "and 4 more", ""}, render(t, out.String(), 20)); diff != "" {
		t.Errorf("too many lines (-want +got):\n%s", diff)
	}
	s.Show([]string{"one", "two", "three", "four"})
	_, _ = s.Write([]byte("log 2\n"))
	s.Show([]string{"four"})
	s.Show(nil)
	if diff := cmp.Diff([]string{"ready", "log 1", "log 2", ""}, render(t, out.String(), 20)); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
}

// render is a terminal for the few sequences in use. Lines that do not fit are cut
// where wrapping is off.
func render(t *testing.T, text string, width int) []string {
	t.Helper()
	lines, wraps := []string{""}, true
	for len(text) > 0 {
		var up int
		switch {
		case strings.HasPrefix(text, noWrap):
			wraps, text = false, text[len(noWrap):]
		case strings.HasPrefix(text, wrap):
			wraps, text = true, text[len(wrap):]
		case strings.HasPrefix(text, fresh):
			lines[len(lines)-1], text = "", text[len(fresh):]
		case strings.HasPrefix(text, "\x1b["):
			sequence, rest, ok := strings.Cut(text, "A\r\x1b[J")
			if _, err := fmt.Sscanf(sequence, "\x1b[%d", &up); !ok || err != nil || up >= len(lines) {
				t.Fatalf("escape sequence %.20q", text)
			}
			lines, text = append(lines[:len(lines)-1-up], ""), rest
		case text[0] == '\n':
			lines, text = append(lines, ""), text[1:]
		default:
			last := &lines[len(lines)-1]
			if len(*last) < width {
				*last += text[:1]
			} else if wraps {
				lines = append(lines, text[:1])
			}
			text = text[1:]
		}
	}
	return lines
}

func TestScreenOfNoTerminal(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(&out, false)
	if s.Interactive() {
		t.Error("it is interactive")
	}
	_, _ = s.Write([]byte("{}\n"))
	if out.String() != "{}\n" {
		t.Errorf("%q", out.String())
	}
}

type gone struct{}

func (gone) Write([]byte) (int, error) { return 0, errors.New("gone") }

// TestScreenGone: a terminal that is gone is an error of the log and nothing else.
func TestScreenGone(t *testing.T) {
	s := NewScreen(gone{}, true)
	s.Show([]string{"a"})
	if n, err := s.Write([]byte("log\n")); n != 0 || err == nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	s.Show(nil)
}

// TestScreenCutsLines: a line that the terminal has no room for says so, in its
// colour.
func TestScreenCutsLines(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{
		{"REC live/main", 80, "REC live/main"},
		{"REC live/main", 13, "REC live/main"},
		{"REC live/main", 8, "REC liv…"},
		{"REC live/main", 0, "REC live/main"},
		{red + "NOT RECORDED live/main (no space)" + plain, 20, red + "NOT RECORDED live/m…" + plain},
	} {
		if got := cut(tt.line, tt.width); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}
