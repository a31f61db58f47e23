package status

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rs/zerolog"
)

// Table is a line for each stream on a terminal, with aligned columns:
//
//	REC live/main h264+aac 00:12:03 4.1 Mbit/s 3 viewers 512 MB, disk left 71 h
//
// A line is red, with the reason, when recording is disabled.
func Table(streams []Stream) []string {
	var width [columns]int
	rows := make([][columns]string, len(streams))
	for i, s := range streams {
		rows[i] = s.columns()
		if s.failed() {
			continue // its reason is long
		}
		for c, text := range rows[i] {
			width[c] = max(width[c], utf8.RuneCountInString(text))
		}
	}
	texts := make([]string, len(streams))
	for i, row := range rows {
		if !streams[i].failed() {
			texts[i] = align(row, width)
			continue
		}
		texts[i] = strings.Join(slices.DeleteFunc(row[:], func(s string) bool { return s == "" }), " ")
		if os.Getenv("NO_COLOR") == "" {
			texts[i] = red + texts[i] + plain
		}
	}
	return texts
}

// Colours of a terminal.
const (
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

// columns of a line: state, name, codecs, time, rate, viewers, the rest.
const (
	columns    = 7
	rateColumn = 4
)

func (s *Stream) columns() [columns]string {
	name := strings.Map(printable, s.Name)
	if !s.Live {
		return [columns]string{"WAIT", name, "", "", "", s.viewers()}
	}
	state, rest := "LIVE", ""
	switch {
	case s.recording():
		state, rest = "REC", size(s.Recording.Bytes)
		if s.DiskLeft > 0 {
			rest += ", disk left " + roughly(s.DiskLeft)
		}
		if s.Recording.Skipped > 0 {
			rest += fmt.Sprintf(", %d packets lost: the disk is too slow", s.Recording.Skipped)
		}
	case s.failed():
		// What matters stands first: a narrow terminal shows no more.
		state, name = "NOT RECORDED", name+" ("+reason(s.Recording.Err)+")"
	}
	rate := fmt.Sprintf("%.1f Mbit/s", s.Rate*8/1e6)
	return [columns]string{state, name, s.codecs(), clock(s.Elapsed), rate, s.viewers(), rest}
}

// align pads a row. Columns that are empty in every row take no room.
func align(row [columns]string, width [columns]int) string {
	var b strings.Builder
	for c, text := range row {
		if width[c] == 0 {
			continue
		}
		pad := strings.Repeat(" ", width[c]-utf8.RuneCountInString(text))
		if c == rateColumn {
			text, pad = pad+text, ""
		}
		b.WriteString(text + pad + " ")
	}
	return strings.TrimRight(b.String(), " ")
}

// printable keeps a publisher's name from moving the cursor.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// Log writes the stream to a log.
func (s *Stream) Log(log zerolog.Logger) {
	event := log.Info()
	if s.failed() {
		event = log.Error().Str("not_recorded", reason(s.Recording.Err))
	}
	event = event.Str("stream", s.Name).Bool("live", s.Live).Int("viewers", s.Viewers)
	if s.Live {
		event = event.Str("codecs", s.codecs()).Str("elapsed", clock(s.Elapsed)).Float64("mbit_s", float64(int(s.Rate*8/1e5))/10)
	}
	if s.recording() {
		event = event.Str("path", s.Recording.Path).Int64("bytes", s.Recording.Bytes).Uint64("lost_packets", s.Recording.Skipped)
	}
	if s.DiskLeft > 0 {
		event = event.Str("disk_left", roughly(s.DiskLeft))
	}
	event.Msg("status")
}

func (s *Stream) codecs() string {
	var names []string
	if s.Video != 0 {
		names = append(names, s.Video.String())
	}
	if s.Audio != 0 {
		names = append(names, s.Audio.String())
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, "+")
}

func (s *Stream) viewers() string {
	if s.Viewers == 1 {
		return "1 viewer"
	}
	return fmt.Sprintf("%d viewers", s.Viewers)
}

// reason is an error in few words, on one line: the system's own where it is one.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

func clock(d time.Duration) string {
	s := int(d.Seconds())
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

func size(bytes int64) string {
	switch b := float64(bytes); {
	case b >= 1e12:
		return fmt.Sprintf("%.2f TB", b/1e12)
	case b >= 1e10:
		return fmt.Sprintf("%.1f GB", b/1e9)
	case b >= 1e9:
		return fmt.Sprintf("%.2f GB", b/1e9)
	case b >= 1e7:
		return fmt.Sprintf("%.0f MB", b/1e6)
	default:
		return fmt.Sprintf("%.1f MB", b/1e6)
	}
}

func roughly(d time.Duration) string {
	switch h := d.Hours(); {
	case h >= 24*30:
		return "30+ days"
	case h >= 96:
		return fmt.Sprintf("%.0f days", h/24)
	case h >= 2:
		return fmt.Sprintf("%.0f h", h)
	default:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
}
