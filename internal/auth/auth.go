// Package auth decides who may publish or play a stream: those whom a file of keys
// names. It knows no file system and no clock.
//
// A line names one stream or, with wildcards, several; behind = stands the token
// that a client must bring:
//
//	# the studio
//	live/main
//	live/cam*
//	live/guest=SECRET
//
// Wildcards are those of [path.Match]: * is any text and ? any byte but /, [a-z] one
// of a range. So live/* is every key of the application live, but not
// live/instance/key. A * alone is every stream.
//
// The order of the lines does not matter. A stream needs a token as soon as one of
// the lines that match it has one; the token of any such line will do.
package auth

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"path"
	"strings"
)

// everything is the pattern that matches names of any depth.
const everything = "*"

// Keys is what a file of keys says. It keeps no token, only what tells one apart.
type Keys struct {
	rules []rule
}

type rule struct {
	pattern string
	token   *digest // nil: none is needed
}

type digest [sha256.Size]byte

// Allow tells whether a client with a token, which may be empty, may have the
// stream. How long it takes tells nothing of the tokens.
func (k *Keys) Allow(name, token string) bool {
	given := sha256.Sum256([]byte(token))
	matched, needed, right := false, false, 0
	for _, r := range k.rules {
		if !r.matches(name) {
			continue
		}
		matched = true
		if r.token != nil {
			needed = true
			right |= subtle.ConstantTimeCompare(r.token[:], given[:])
		}
	}
	return matched && (!needed || right == 1)
}

// Len is the number of lines that name a stream.
func (k *Keys) Len() int { return len(k.rules) }

func (r rule) matches(name string) bool {
	ok, _ := path.Match(r.pattern, name) // parse has tried the pattern
	return ok || r.pattern == everything
}

// Parse reads the text of a file of keys. An error names the file and the line, but
// never repeats it: it may hold a token.
func Parse(file string, text []byte) (*Keys, error) {
	k := &Keys{}
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")) // what some editors put in front of UTF-8
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		r, err := parseRule(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, number, err)
		}
		k.rules = append(k.rules, r)
	}
	return k, nil
}

func parseRule(line string) (rule, error) {
	name, secret, hasSecret := strings.Cut(line, "=")
	r := rule{pattern: strings.TrimSpace(name)}
	if err := checkPattern(r.pattern); err != nil {
		return rule{}, err
	}
	if !hasSecret {
		return r, nil
	}
	secret = strings.TrimSpace(secret)
	if err := checkSecret(secret); err != nil {
		return rule{}, err
	}
	token := digest(sha256.Sum256([]byte(secret)))
	r.token = &token
	return r, nil
}

// checkPattern explains what can never match the name of a stream.
func checkPattern(p string) error {
	if p == everything {
		return nil
	}
	_, err := path.Match(p, "")
	switch {
	case p == "":
		return errors.New("no stream before the =: write app/key=SECRET, or *=SECRET for every stream")
	case strings.Contains(p, "://"):
		return errors.New("an address: write only app/key, for example live/main")
	case strings.HasSuffix(p, "?token"):
		return errors.New("a token as in an address: write app/key=SECRET")
	case strings.ContainsAny(p, " \t"):
		return errors.New("blanks within a name: write ? for each; comments stand on lines of their own, behind a #")
	case strings.Contains(p, "**"):
		return errors.New("** means nothing more than *: write app/* for the keys of an application, or * alone for every stream")
	case !strings.Contains(p, "/"):
		return errors.New("no application: write app/key, for example live/main, or * for every stream")
	case strings.Contains("/"+p+"/", "//"):
		return errors.New("a / at the beginning, at the end or doubled: write app/key, for example live/main")
	case err != nil:
		return errors.New(`a [ or a \ that begins nothing: write ? for any byte`)
	}
	return nil
}

// checkSecret refuses what an address would not carry as it is: clients cut some
// bytes, decode others, and escape them or not.
func checkSecret(s string) error {
	if s == "" {
		return errors.New("no token behind the =: write app/key=SECRET, or only app/key")
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && !strings.ContainsRune("-._~", rune(c)) {
			return errors.New("a token with a byte that addresses change: use letters, digits and - . _ ~")
		}
	}
	return nil
}
