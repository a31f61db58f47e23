package server

import (
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A frame goes through the functions that docs/ARCHITECTURE.md names for it, in that order: they
// are on the stack of the read that brings it, and of the write that takes it to a viewer.
func TestLifeOfAMessage(t *testing.T) {
	s := start(t, Config{})
	var mu sync.Mutex
	var read, written []string
	note := func(stack *[]string) {
		mu.Lock()
		defer mu.Unlock()
		*stack = callers()
	}
	viewer := s.attach(func(k *socket) {
		k.write = func(fd uintptr) { note(&written); k.tryWrite(fd) }
	}).play("main")
	p := s.attach(func(k *socket) {
		k.read = func(fd uintptr) bool { note(&read); return k.tryRead(fd) }
	}).publish("main")
	p.send(video(0, avcHeader), video(0, keyFrame("one")))
	viewer.expect("video/1@0 avc", "video/1@0 one")
	want := lifeOfAMessage(t)
	var path []string
	for range 1000 { // the first ones may come before the viewer keeps up
		p.send(video(40, interFrame("two")))
		viewer.expect("video/1@40 two")
		mu.Lock()
		path = slices.Concat(read, written)
		mu.Unlock()
		if inOrder(path, want) {
			return
		}
	}
	t.Errorf("a frame goes through\n%s\nwhich is not\n%s", strings.Join(path, "\n"), strings.Join(want, "\n"))
}

// attach is dial to a session whose socket is changed first.
func (s *testServer) attach(change func(*socket)) *peer {
	s.t.Helper()
	s.dial() // Run has begun
	ours, theirs := tcpPair(s.t)
	sess := newSession(s.Server, ours, false)
	change(sess.conn.socket)
	if err := s.admit(sess); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		defer s.sessions.Done()
		defer s.forget(sess)
		sess.run()
	}()
	return s.dialOn(theirs)
}

// lifeOfAMessage is what the document names, as the runtime names it.
func lifeOfAMessage(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range regexp.MustCompile("(?m)^[0-9]\\. `(.+?)`").FindAllStringSubmatch(string(text), -1) {
		names = append(names, "github.com/rtmptool/rtmptool/"+step[1])
	}
	if len(names) != 5 {
		t.Fatalf("docs/ARCHITECTURE.md names %q, want five functions", names)
	}
	return names
}

// callers are the functions on the stack, the outermost first.
func callers() (names []string) {
	pcs := make([]uintptr, 100)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		f, more := frames.Next()
		names = append(names, f.Function)
		if !more {
			slices.Reverse(names)
			return names
		}
	}
}

// inOrder tells whether all that is wanted is in the path, in that order.
func inOrder(path, want []string) bool {
	for _, name := range path {
		if len(want) > 0 && name == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}
