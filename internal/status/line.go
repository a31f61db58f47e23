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

	"github.com/rtmptool/rtmptool/internal/server"
)

// Line is the state of one stream.
type Line struct {
	server.Status
	Elapsed  time.Duration // of the publication
	Rate     float64       // bytes a second received
	DiskLeft time.Duration // until the disk is full at this rate; 0 if unknown
}

func (l *Line) recording() bool {
	return l.Recording != nil && l.Recording.Path != "" && l.Recording.Err == nil
}

func (l *Line) failed() bool { return l.Recording != nil && l.Recording.Err != nil }

// Table is the lines for a terminal, with aligned columns:
//
//	REC live/main h264+aac 00:12:03 4.1 Mbit/s 3 viewers 512 MB, disk left 71 h
//
// A line is red, with the reason, when recording is disabled.
func Table(lines []Line) []string {
	var width [columns]int
	rows := make([][columns]string, len(lines))
	for i, l := range lines {
		rows[i] = l.columns()
		if l.failed() {
			continue // its reason is long
		}
		for c, text := range rows[i] {
			width[c] = max(width[c], utf8.RuneCountInString(text))
		}
	}
	texts := make([]string, len(lines))
	for i, row := range rows {
		if !lines[i].failed() {
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

func (l *Line) columns() [columns]string {
	name := strings.Map(printable, l.Name)
	if !l.Live {
		return [columns]string{"WAIT", name, "", "", "", l.viewers()}
	}
	state, rest := "LIVE", ""
	switch {
	case l.recording():
		state, rest = "REC", size(l.Recording.Bytes)
		if l.DiskLeft > 0 {
			rest += ", disk left " + roughly(l.DiskLeft)
		}
		if l.Recording.Skipped > 0 {
			rest += fmt.Sprintf(", %d packets lost: the disk is too slow", l.Recording.Skipped)
		}
	case l.failed():
		// What matters stands first: a narrow terminal shows no more.
		state, name = "NOT RECORDED", name+" ("+reason(l.Recording.Err)+")"
	}
	rate := fmt.Sprintf("%.1f Mbit/s", l.Rate*8/1e6)
	return [columns]string{state, name, l.codecs(), clock(l.Elapsed), rate, l.viewers(), rest}
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

// Log writes the line to a log.
func (l *Line) Log(log zerolog.Logger) {
	event := log.Info()
	if l.failed() {
		event = log.Error().Str("not_recorded", reason(l.Recording.Err))
	}
	event = event.Str("stream", l.Name).Bool("live", l.Live).Int("viewers", l.Viewers)
	if l.Live {
		event = event.Str("codecs", l.codecs()).Str("elapsed", clock(l.Elapsed)).Float64("mbit_s", float64(int(l.Rate*8/1e5))/10)
	}
	if l.recording() {
		event = event.Str("path", l.Recording.Path).Int64("bytes", l.Recording.Bytes).Uint64("lost_packets", l.Recording.Skipped)
	}
	if l.DiskLeft > 0 {
		event = event.Str("disk_left", roughly(l.DiskLeft))
	}
	event.Msg("status")
}

func (l *Line) codecs() string {
	var names []string
	if l.Video != 0 {
		names = append(names, l.Video.String())
	}
	if l.Audio != 0 {
		names = append(names, l.Audio.String())
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, "+")
}

func (l *Line) viewers() string {
	if l.Viewers == 1 {
		return "1 viewer"
	}
	return fmt.Sprintf("%d viewers", l.Viewers)
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
