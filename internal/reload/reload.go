// Package reload keeps a value that is made of files, and makes it anew when they
// change.
//
// It reads the files again every second and compares what they hold. Unlike a
// notification from the system this sees every way in which files change: written
// in place, renamed over, reached through links that are swapped, mounted one by
// one, on a network. It costs some 20 microseconds a file.
package reload

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	pollEvery = time.Second
	settle    = 100 * time.Millisecond // a change counts when it has stood still for so long
	maxFile   = 1 << 20                // bytes
)

// Value holds the newest value that could be made of its files.
type Value[T any] struct {
	paths  []string
	parse  func(contents [][]byte) (T, error)
	log    zerolog.Logger
	newest atomic.Pointer[T]
	quit   chan struct{}
	done   chan struct{}

	// Owned by the goroutine.
	seen  reading // by the last look
	taken reading // of which a value was made, or an error was told
}

// reading is what the files held at one time.
type reading struct {
	contents [][]byte
	err      error
}

func (r reading) equal(o reading) bool {
	return fmt.Sprint(r.err) == fmt.Sprint(o.err) && slices.EqualFunc(r.contents, o.contents, bytes.Equal)
}

// Open makes a value of what the files hold, and follows their changes until Close.
// What cannot be read or parsed later is logged once, and the value stays. The
// errors of parse name the file.
func Open[T any](log zerolog.Logger, parse func(contents [][]byte) (T, error), paths ...string) (*Value[T], error) {
	v := &Value[T]{paths: paths, parse: parse, log: log, quit: make(chan struct{}), done: make(chan struct{})}
	v.seen = v.read()
	v.taken = v.seen
	if err := v.take(); err != nil {
		return nil, err
	}
	go v.follow()
	return v, nil
}

// Get returns the newest value.
func (v *Value[T]) Get() T { return *v.newest.Load() }

// Close ends the following of changes.
func (v *Value[T]) Close() {
	close(v.quit)
	<-v.done
}

func (v *Value[T]) follow() {
	defer close(v.done)
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	for {
		select {
		case <-v.quit:
			return
		case <-timer.C:
		}
		if v.poll() {
			timer.Reset(settle)
		} else {
			timer.Reset(pollEvery)
		}
	}
}

// poll looks once. It reports a change that has not stood still yet.
func (v *Value[T]) poll() (unsettled bool) {
	now := v.read()
	if !now.equal(v.seen) {
		v.seen = now
		return true
	}
	if now.equal(v.taken) {
		return false
	}
	v.taken = now
	if err := v.take(); err != nil {
		v.log.Error().Err(err).Msg("a file has changed and cannot be used: what it held before stays in force")
		return false
	}
	v.log.Info().Strs("path", v.paths).Msg("took over a changed file")
	return false
}

// take makes a value of what was read.
func (v *Value[T]) take() error {
	if v.taken.err != nil {
		return v.taken.err
	}
	value, err := v.parse(v.taken.contents)
	if err != nil {
		return err
	}
	v.newest.Store(&value)
	return nil
}

func (v *Value[T]) read() reading {
	var r reading
	for _, path := range v.paths {
		b, err := readFile(path)
		if err != nil {
			return reading{err: err}
		}
		r.contents = append(r.contents, b)
	}
	return r
}

// readFile reads a regular file of bounded size: any other one may not end, or
// hold something else each time.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}
