package bench

import "strings"

const hidden = "xxxxx"

// redact is a URL without its secrets, for what is shown and shared.
func redact(url string) string { return secrets(url).Replace(url) }

// secrets replaces the secrets of a URL in a text: the values of its query, a password,
// and what is behind #, which is not sent.
func secrets(url string) *strings.Replacer {
	var pairs []string
	rest, fragment, cut := strings.Cut(url, "#")
	if cut {
		pairs = append(pairs, "#"+fragment, "")
	}
	rest, query, _ := strings.Cut(rest, "?")
	if query != "" {
		parts := strings.Split(query, "&")
		for i, part := range parts {
			name, _, named := strings.Cut(part, "=")
			if parts[i] = hidden; named {
				parts[i] = name + "=" + hidden
			}
		}
		pairs = append(pairs, "?"+query, "?"+strings.Join(parts, "&"))
	}
	_, rest, _ = strings.Cut(rest, "://")
	host, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(host, "@"); at >= 0 {
		if _, password, ok := strings.Cut(host[:at], ":"); ok {
			pairs = append(pairs, ":"+password+"@", ":"+hidden+"@")
		}
	}
	return strings.NewReplacer(pairs...)
}

// redacted is an error whose text lacks secrets.
type redacted struct {
	error
	secrets *strings.Replacer
}

func (r redacted) Error() string { return r.secrets.Replace(r.error.Error()) }

func (r redacted) Unwrap() error { return r.error }
