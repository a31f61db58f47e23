package cmd

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// What clients say cannot end a line of the log. On a terminal it is shown and not
// obeyed; JSON keeps it as it is, but for control bytes.
func TestLogEscapes(t *testing.T) {
	hostile := "a\x00\x07\x1b[31m\r\nfake\t\u0085\u009b31m\u2028\u202e\xff\xc3"
	for format, control := range map[string]func(rune) bool{
		"console": func(r rune) bool { return !unicode.IsPrint(r) },
		"json":    func(r rune) bool { return r < ' ' || r == 0x7F },
	} {
		var out bytes.Buffer
		l := logFlags{level: "info", format: format}
		log, err := l.logger(&out, true)
		if err != nil {
			t.Fatal(err)
		}
		log = log.With().Str("stream", hostile).Logger()
		log.Warn().Str("client", hostile).Err(errors.New(hostile)).Msg("a message")
		line, whole := strings.CutSuffix(out.String(), "\n")
		if !whole || !utf8.ValidString(line) {
			t.Errorf("%s: %q", format, line)
		}
		for _, colour := range []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[90m"} {
			line = strings.ReplaceAll(line, colour, "")
		}
		if i := strings.IndexFunc(line, control); i >= 0 {
			t.Errorf("%s: %q at %d of %q", format, line[i:i+1], i, line)
		}
	}
}
