package status

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Screen is a terminal whose last lines are a block that is redrawn in place,
// with log lines scrolling above it. On anything but a terminal it is a plain
// writer.
type Screen struct {
	interactive bool
	size        func() (width, height int) // of the terminal, 0 if it is not known

	mu    sync.Mutex // guards what follows
	out   io.Writer
	block []string // as drawn
}

// NewScreen makes a screen of a writer.
func NewScreen(out io.Writer, interactive bool) *Screen {
	size := func() (int, int) { return 0, 0 }
	if f, ok := out.(*os.File); ok {
		size = func() (int, int) {
			width, height, _ := term.GetSize(int(f.Fd())) // 0 on an error
			return width, height
		}
	}
	return &Screen{out: out, interactive: interactive, size: size}
}

// Interactive tells whether the screen is a terminal.
func (s *Screen) Interactive() bool { return s.interactive }

// Write writes log lines above the block.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.interactive {
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
	if len(s.block)+len(lines) == 0 {
		return
	}
	text := s.erase()
	s.block = s.fit(lines)
	// A terminal that is gone is no reason to stop serving.
	_, _ = io.WriteString(s.out, text+s.draw())
}

// fit shortens a block to what the terminal shows at once, with room for a log
// line: what has scrolled away cannot be erased.
func (s *Screen) fit(lines []string) []string {
	width, height := s.size()
	lines = slices.Clone(lines)
	for i, line := range lines {
		lines[i] = cut(line, width)
	}
	if height -= 2; height < 1 || len(lines) <= height {
		return lines
	}
	return append(lines[:height-1], fmt.Sprintf("and %d more", len(lines)-height+1))
}

// cut shortens a line to a width, with a mark that it goes on.
func cut(line string, width int) string {
	text, colored := strings.CutPrefix(line, red)
	text = strings.TrimSuffix(text, plain)
	if runes := []rune(text); width > 0 && len(runes) > width {
		text = string(runes[:width-1]) + "…"
	}
	if colored {
		return red + text + plain
	}
	return text
}

// erase moves to the first line of the block and clears to the end of the screen,
// what the terminal echoes of the keyboard included.
func (s *Screen) erase() string {
	if len(s.block) == 0 {
		return "\r\x1b[J"
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
