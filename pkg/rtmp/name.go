package rtmp

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
)

// Limits of names and queries, in bytes and in parameters.
const (
	maxName   = 512
	maxQuery  = 4 << 10
	maxParams = 64
)

// Target is what a client wants to publish or play.
type Target struct {
	Name  string // application, instance and key: "live/main"
	Query url.Values
}

// ParseTarget joins the application and the URL of connect with the key of
// publish or play into one canonical name, whatever part of the address a client
// puts into which field. Parameters are collected from all three; the key's win
// over the application's, those over the URL's. Names that could leave a
// directory or garble a log are errors.
func ParseTarget(app, tcURL, key string) (Target, error) {
	tcPath, tcQuery := splitURL(tcURL)
	appPath, appQuery := splitURL(app)
	keyPath, keyQuery, _ := strings.Cut(key, "?")
	if strings.Trim(appPath, "/") == "" {
		appPath = tcPath
	}
	t := Target{Name: joinName(appPath, keyName(keyPath)), Query: url.Values{}}
	for _, q := range []string{tcQuery, appQuery, keyQuery} {
		if len(q) > maxQuery {
			return Target{}, fmt.Errorf("rtmp: query of %d bytes, at most %d are allowed", len(q), maxQuery)
		}
		// Parameters that cannot be decoded are left out.
		values, _ := url.ParseQuery(q)
		for k, v := range values {
			t.Query[k] = v
		}
	}
	if len(t.Query) > maxParams {
		return Target{}, fmt.Errorf("rtmp: query of %d parameters, at most %d are allowed", len(t.Query), maxParams)
	}
	return t, checkName(t.Name)
}

// splitURL drops scheme, user, host and fragment. Some encoders quote the URL.
func splitURL(s string) (path, query string) {
	s = strings.Trim(s, `'"`)
	s, _, _ = strings.Cut(s, "#")
	path, query, _ = strings.Cut(s, "?")
	if _, rest, ok := strings.Cut(path, "://"); ok {
		_, path, _ = strings.Cut(rest, "/")
	}
	return path, query
}

// keyName drops the container prefixes of Flash. Players that were given no key
// ask for "mp4:0" (FFmpeg, VLC).
func keyName(key string) string {
	key = strings.TrimLeft(key, "/")
	for _, prefix := range []string{"mp4:", "flv:", "mp3:"} {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			if rest == "0" || rest == "0.mp4" {
				return ""
			}
			return rest
		}
	}
	return key
}

// joinName drops empty parts and Flash's name for "no instance".
func joinName(parts ...string) string {
	var out []string
	for _, part := range parts {
		for p := range strings.SplitSeq(part, "/") {
			if p != "" && p != "_definst_" {
				out = append(out, p)
			}
		}
	}
	return strings.Join(out, "/")
}

func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("rtmp: no stream name: use an address like rtmp://HOST/live/KEY")
	}
	if len(name) > maxName {
		return fmt.Errorf("rtmp: stream name of %d bytes, at most %d are allowed", len(name), maxName)
	}
	for i, r := range name {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) { // would end a line, or speak to a terminal
			return fmt.Errorf("rtmp: stream name has the control character %U at %d", r, i)
		}
	}
	// Windows takes both slashes.
	for p := range strings.SplitSeq(strings.ReplaceAll(name, `\`, "/"), "/") {
		if p == "." || p == ".." {
			return fmt.Errorf("rtmp: stream name has the path element %q", p)
		}
	}
	return nil
}
