package record

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rtmptool/rtmptool/internal/disk"
)

const (
	askEvery = time.Second // between two questions to the file system

	// By default recordings end, cleanly, while so much is free: the smaller of the
	// two.
	defaultMinFree  = 256 << 20
	defaultMinShare = 20 // a twentieth of the file system
)

// ErrLowSpace says that the disk has too little room for recordings to go on.
var ErrLowSpace = errors.New("the disk is almost full")

// Space watches the room on the disk of recordings. All recorders share one.
type Space struct {
	dir  string
	min  uint64
	room func(dir string) (free, total uint64, err error)

	mu    sync.Mutex
	asked time.Time
	low   error
}

// NewSpace watches the file system of a directory, which must keep so many bytes
// free; fewer than 0 mean the default.
func NewSpace(dir string, minFree int64) (*Space, error) {
	s := &Space{dir: dir, min: uint64(max(0, minFree)), room: disk.Room}
	_, total, err := s.room(dir)
	if err != nil {
		return nil, fmt.Errorf("ask for the room in %s: %w", dir, err)
	}
	if minFree < 0 {
		s.min = min(defaultMinFree, total/defaultMinShare)
	}
	return s, nil
}

// Low returns an error while the disk has too little room, which names it. Once it
// was low a quarter more must be free. The file system is asked once a second; one
// that does not answer has room, for a write will tell.
func (s *Space) Low() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.asked) >= askEvery {
		s.asked = now
		s.ask()
	}
	return s.low
}

// Spare tells whether so many bytes can be taken from the disk while it keeps free
// what it must. One that does not answer has them.
func (s *Space) Spare(bytes int64) bool {
	free, _, err := s.room(s.dir)
	return err != nil || free >= s.min && free-s.min >= uint64(bytes)
}

func (s *Space) ask() {
	free, _, err := s.room(s.dir)
	want := s.min
	if s.low != nil {
		want += want / 4
	}
	s.low = nil
	if err == nil && free < want {
		s.low = fmt.Errorf("%w: %d MB are free, --record-min-free is %d MB", ErrLowSpace, free/1e6, s.min/1e6)
	}
}
