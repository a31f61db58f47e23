package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rtmptool/rtmptool/internal/certtest"
	"github.com/rtmptool/rtmptool/internal/peers"
)

// Who has no key is refused in words that FFmpeg and GStreamer show, and leaves
// nothing behind. Who has one publishes and plays. The token is nowhere.
func TestKeys(t *testing.T) {
	realTime(t)
	source := peers.Source(t, "h264")
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("live/main=sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--publish-keys", keys, "--play-keys", keys, "--log-level", "trace")
	denied := map[string]*peers.Process{
		"publish live/other": s.publish(source, "live/other"),
		"publish live/main":  s.publish(source, "live/main?token=wrong"),
		"publish live/gst": peers.Start(t, peers.GStreamer(t), "-q", "videotestsrc", "num-buffers=30", "!", "x264enc", "!", "flvmux", "streamable=true", "!",
			"rtmp2sink", "location="+s.URL+"/live/gst"),
	}
	denied["play live/main"], _ = s.watch("live/main")
	for what, p := range denied {
		if err := p.Wait(patience); err == nil {
			t.Errorf("%s was not refused", what)
		}
		if want := "not allowed to " + what + ": check the stream key"; !strings.Contains(p.Stderr(), want) {
			t.Errorf("the client does not say %q: %s", want, p.Stderr())
		}
	}
	if paths := s.recordings(); len(paths) > 0 {
		t.Errorf("recordings of those who were refused: %v", paths)
	}

	viewer, viewerFile := s.watch("live/main?token=sesame")
	s.await("playing", "live/main")
	publisher := s.publish(source, "live/main?token=sesame")
	path := s.await("recording", "live/main")["path"].(string)
	finish(t, "publisher", publisher)
	s.await("recorded", "live/main")
	finish(t, "viewer", viewer)
	sameStreams(t, source, path, "v", "a")
	for _, stream := range []string{"v", "a"} {
		if at := unbrokenRun(t, source, viewerFile, stream); at != 0 {
			t.Errorf("the viewer begins at packet %d of stream %s", at, stream)
		}
	}
	if err := s.interrupt(); err != nil {
		t.Errorf("serve: %v", err)
	}
	for _, said := range append(s.recordings(), fmt.Sprint(s.log())) {
		if strings.Contains(said, "sesame") || strings.Contains(said, "wrong") {
			t.Errorf("a token can be read in %s", said)
		}
	}
}

// RTMPS with FFmpeg on both ends, which checks the certificate. It is replaced while
// a stream is published: who is there stays, who comes gets the new one.
func TestRTMPS(t *testing.T) {
	t.Parallel()
	codecs := []string{"h264"}
	if number(t, "RTMPTOOL_LONG", 0) != 0 {
		codecs = append(codecs, "h265") // by Enhanced RTMP, of which TLS knows nothing
	}
	for _, codec := range codecs {
		t.Run(codec, func(t *testing.T) {
			realTime(t)
			source := peers.Source(t, codec)
			dir := t.TempDir()
			cert, key, second := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "second.pem")
			first := filepath.Join(dir, "first.pem")
			certificate, private := certtest.New(t)
			write(t, first, certificate)
			write(t, cert, certificate)
			write(t, key, private)
			s := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
			url := s.await("ready", "")["publish"].([]any)[1].(string) + "/live/main"
			trusting := func(file string) []string { return []string{"-tls_verify", "1", "-ca_file", file} }

			early, earlyFile := watchFrom(t, url, trusting(first)...)
			plain, plainFile := s.watch("live/main")
			s.awaitNth("playing", "live/main", 2)
			publisher := publishTo(t, source, url, trusting(first)...)
			path := s.await("recording", "live/main")["path"].(string)
			awaitRecorded(t, path, 3*time.Second)
			certificate, private = certtest.New(t)
			write(t, second, certificate)
			write(t, cert, certificate)
			write(t, key, private)
			s.await("took over a changed file", "")
			late, lateFile := watchFrom(t, url, trusting(second)...)
			deceived, _ := watchFrom(t, url, trusting(first)...)
			if err := deceived.Wait(patience); err == nil || !strings.Contains(deceived.Stderr(), "certificate") {
				t.Errorf("a viewer that trusts the old certificate: %v", err)
			}
			finish(t, "publisher", publisher)
			s.await("recorded", "live/main")
			for what, p := range map[string]*peers.Process{"early viewer": early, "viewer without TLS": plain, "late viewer": late} {
				finish(t, what, p)
			}
			sameStreams(t, source, path, "v", "a")
			whole(t, path)
			for _, stream := range []string{"v", "a"} {
				for what, file := range map[string]string{"early viewer": earlyFile, "viewer without TLS": plainFile} {
					if at := unbrokenRun(t, source, file, stream); at != 0 {
						t.Errorf("the %s begins at packet %d of stream %s", what, at, stream)
					}
				}
				if at := unbrokenRun(t, source, lateFile, stream); at == 0 {
					t.Errorf("the late viewer begins at the first packet of stream %s", stream)
				}
			}
		})
	}
}

// write replaces a file as a whole.
func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
