package status

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Screen is a terminal whose last lines are a block that is redrawn in place,
// with log lines scrolling above it. On anything but a terminal it is a plain
// writer.
type Screen struct {
	interactive bool

	mu    sync.Mutex // guards what follows
	out   io.Writer
	block []string // as drawn
}

// NewScreen makes a screen of a writer.
func NewScreen(out io.Writer, interactive bool) *Screen {
	return &Screen{out: out, interactive: interactive}
}

// Interactive tells whether the screen is a terminal.
func (s *Screen) Interactive() bool { return s.interactive }

// Write writes log lines above the block.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.block) == 0 {
		return s.out.Write(p)
	}
	// One write, so that the terminal never shows half of it.
	if _, err := io.WriteString(s.out, s.erase()+string(p)+s.draw()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Show replaces the block.
func (s *Screen) Show(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.erase()
	s.block = lines
	// A terminal that is gone is no reason to stop serving.
	_, _ = io.WriteString(s.out, text+s.draw())
}

// erase moves to the first line of the block and clears to the end of the screen.
func (s *Screen) erase() string {
	if len(s.block) == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", len(s.block))
}

// draw writes the block without wrapping long lines, which would break erase.
func (s *Screen) draw() string {
	if len(s.block) == 0 {
		return ""
	}
	return "\x1b[?7l" + strings.Join(s.block, "\n") + "\n\x1b[?7h"
}
