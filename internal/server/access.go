package server

import (
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

// Access tells whether a client that brings a token, which may be empty, may have a
// stream. It is asked when publishing or playing begins.
type Access func(stream, token string) bool

// attempt is what a client asked for.
type attempt struct {
	action        string
	stream, token string
}

// denied returns why the client may not publish or play a stream, "" if it may. That
// says nothing of whether the name or the token was wrong, and takes its time, so
// that guessing does. Who asks twice, with FCPublish and with publish, waits once.
func (s *session) denied(action string, access Access, t rtmp.Target) (why string) {
	this := attempt{action, t.Name, t.Query.Get("token")}
	if access == nil || access(this.stream, this.token) {
		return ""
	}
	if this != s.newestDenied {
		s.newestDenied = this
		s.server.count(func(t *Totals) { t.Denied++ })
		s.server.warnings.warn(s.log(), func(e *zerolog.Event) {
			e.Str("stream", withoutToken(t.Name)).Msg("refused a client: --" + action + "-keys has no line for this stream and token")
		})
		s.server.holdUp(s.server.config.DenialDelay)
	}
	return "not allowed to " + action + " " + t.Name + ": check the stream key, and the token behind ?token="
}

// withoutToken keeps a token out of the log that is part of the name, because the
// client has no question mark before it, or an escaped one.
func withoutToken(stream string) string {
	if i := strings.Index(strings.ToLower(stream), "token"); i >= 0 {
		return stream[:i] + "..."
	}
	return stream
}

// holdUp waits, but not longer than the server runs.
func (s *Server) holdUp(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.running.Done():
	}
}
