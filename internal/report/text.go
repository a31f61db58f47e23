package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/internal/recfile"
	"github.com/rtmptool/rtmptool/pkg/codec"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// maxListed is how many findings and gaps of a file are listed.
const maxListed = 100

// Text writes what is known of a recording: the verdict first.
func Text(w io.Writer, r *recfile.Recording) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", r.Path, verdict(r))
	fmt.Fprintf(&b, "  %s\n", strings.Join(general(r), "  "))
	for _, t := range r.Index.Tracks {
		fmt.Fprintf(&b, "  %s\n", strings.Join(track(t), "  "))
	}
	gaps := r.Gaps()
	for i, g := range gaps {
		if i == maxListed {
			fmt.Fprintf(&b, "  ... and %s more gaps\n", count(len(gaps)-i))
			break
		}
		fmt.Fprintf(&b, "  gap  %s  at %s  %s without a frame\n", g.Kind, clock(g.At), g.Length.Round(time.Millisecond))
	}
	findings(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

// findings lists the findings, as many as a person reads.
func findings(b *strings.Builder, r *recfile.Recording) {
	times, losses := r.Times(), r.Losses()
	for i, f := range r.Findings {
		if i == maxListed {
			fmt.Fprintf(b, "  ... and %s more findings\n", count(len(r.Findings)-i))
			return
		}
		fmt.Fprintf(b, "  %s\n", finding(f, r.Size, times[i], losses[i]))
	}
}

// verdict says what a user wants to know: is it whole, and if not, what then.
func verdict(r *recfile.Recording) string {
	switch r.Verdict {
	case recfile.Whole:
		return "WHOLE"
	case recfile.Live:
		return "LIVE: being recorded, consistent so far"
	case recfile.Unfinished:
		if r.Copies() {
			return "UNFINISHED: fix writes a finished copy, nothing is lost"
		}
		return "UNFINISHED: fix finishes it, nothing is lost"
	case recfile.Damaged:
		does := "fix mends it, "
		if r.Copies() {
			does = "fix writes a mended copy, "
		}
		if n := r.Rotten(); n > 0 {
			return "DAMAGED: " + does + lost(r) + "; " + size(n) + " are rotten and stay so"
		}
		return "DAMAGED: " + does + lost(r)
	case recfile.Rotten:
		return "ROTTEN: " + size(r.Rotten()) + " of media are damaged, " + places(r) + "; fix cannot bring them back, players show the rest"
	}
	if r.Duration() > 0 {
		return "BEYOND REPAIR: players may show some of it"
	}
	return "BEYOND REPAIR"
}

// places says at what times of a recording its media is rotten.
func places(r *recfile.Recording) string {
	var first, last time.Duration
	n := 0
	times := r.Times()
	for i, f := range r.Findings {
		if !recfile.IsRot(f) {
			continue
		}
		if n++; n == 1 {
			first, last = times[i], times[i]
		}
		first, last = min(first, times[i]), max(last, times[i])
	}
	if n == 1 {
		return "at " + clock(first)
	}
	return fmt.Sprintf("at %s places from %s to %s", count(n), clock(first), clock(last))
}

func general(r *recfile.Recording) []string {
	format := r.Format
	if r.Fragments > 0 {
		format += fmt.Sprintf(" (fragmented, %s fragments)", count(r.Fragments))
	}
	parts := []string{format}
	if d := r.Duration(); d > 0 {
		parts = append(parts, clock(d))
		parts = append(parts, size(r.Size), fmt.Sprintf("%.1f Mbit/s", float64(r.Size)*8/1e6/d.Seconds()))
	} else {
		parts = append(parts, size(r.Size))
	}
	if !r.Index.Created.IsZero() {
		parts = append(parts, "recorded "+r.Index.Created.Local().Format("2006-01-02 15:04:05 MST"))
	}
	return parts
}

func track(t *container.Track) []string {
	if t.Kind == media.Video {
		return videoTrack(t)
	}
	parts := []string{fmt.Sprintf("%-5s", t.Kind)}
	name := map[media.Codec]string{media.AC3: "AC-3", media.EAC3: "E-AC-3", media.ALaw: "G.711 A-law", media.MuLaw: "G.711 mu-law"}[t.Codec]
	if name == "" {
		name = strings.ToUpper(t.Codec.String())
	}
	if a, err := codec.ParseAudio(t.Codec, t.Config); err == nil {
		if a.Profile != "" {
			name = a.Profile
		}
		name += " " + strconv.FormatFloat(float64(a.SampleRate)/1000, 'f', -1, 64) + " kHz " + channels(a.Channels)
	}
	return append(parts, name, several(t.Samples, "frame"))
}

func videoTrack(t *container.Track) []string {
	name := map[media.Codec]string{media.H264: "H.264", media.H265: "H.265"}[t.Codec]
	if name == "" {
		name = strings.ToUpper(t.Codec.String())
	}
	v, _ := codec.ParseVideo(t.Codec, t.Config) // what could be read is shown
	if v.Profile != "" {
		name += " " + v.Profile
	}
	if v.Width > 0 {
		name += fmt.Sprintf(" %dx%d", v.Width, v.Height)
	}
	seconds := t.Duration().Seconds()
	fps := v.FPS
	if fps == 0 && seconds > 0 {
		fps = float64(t.Samples) / seconds
	}
	if fps > 0 {
		name += " " + strconv.FormatFloat(float64(int(fps*100+0.5))/100, 'f', -1, 64) + " fps"
	}
	keys := several(t.Keys, "keyframe")
	if t.Keys > 1 {
		keys += fmt.Sprintf(", every %.1f s", keyInterval(t).Seconds())
	}
	return []string{fmt.Sprintf("%-5s", t.Kind), name, several(t.Samples, "frame"), keys}
}

// keyInterval is the mean time between keyframes.
func keyInterval(t *container.Track) time.Duration {
	first, last, keys := int64(0), int64(0), int64(0)
	for r := range t.Rows() {
		if r.Key {
			if keys++; keys == 1 {
				first = r.DTS
			}
			last = r.DTS
		}
	}
	if keys < 2 {
		return 0
	}
	return t.Time((last - first) / (keys - 1))
}

func channels(n int) string {
	switch n {
	case 1:
		return "mono"
	case 2:
		return "stereo"
	}
	return fmt.Sprintf("%d channels", n)
}

func finding(f container.Finding, fileSize int64, at time.Duration, loss recfile.Loss) string {
	end := strconv.FormatInt(f.End, 10)
	if f.End >= fileSize {
		end = "end"
	}
	line := fmt.Sprintf("%s  %s  %d..%s", f.Code, f.Severity, f.Offset, end)
	if at >= 0 {
		line += "  at " + clock(at)
	}
	line += "  " + f.Text
	if f.Repair != "" {
		line += "  -> " + f.Repair
	}
	switch {
	case loss.Nothing():
	case loss.Incomplete:
		line += "; " + size(loss.Bytes) + ", incomplete"
	default:
		line += "; loses " + amount(loss)
	}
	return line
}

// lost says what all of a repair costs.
func lost(r *recfile.Recording) string {
	loss := r.Loss()
	if loss.Nothing() {
		return "nothing is lost"
	}
	return "lost: " + amount(loss)
}

// amount says how much a loss is: 12.3 kB, 0.066 s of video. Of several tracks of a
// kind the one that loses most is told.
func amount(l recfile.Loss) string {
	var parts []string
	if l.Bytes > 0 {
		parts = append(parts, size(l.Bytes))
	}
	switch end := fmt.Sprintf("%.3f s from the end", l.Duration.Seconds()); {
	case l.Duration == 0:
	case l.Estimated:
		parts = append(parts, "about "+end)
	default:
		parts = append(parts, end)
	}
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		most := time.Duration(0)
		for _, t := range l.Tracks {
			if t.Kind == kind {
				most = max(most, t.Duration)
			}
		}
		if most > 0 {
			parts = append(parts, fmt.Sprintf("%.3f s of %s", most.Seconds(), kind))
		}
	}
	return strings.Join(parts, ", ")
}

// several writes a number of things.
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// count writes a number with commas: 3,120.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func size(bytes int64) string {
	name, unit := unitOf(bytes)
	switch unit {
	case 1:
		return fmt.Sprintf("%d bytes", bytes)
	case gigabyte:
		return fmt.Sprintf("%.2f GB", float64(bytes)/unit)
	}
	return fmt.Sprintf("%.1f %s", float64(bytes)/unit, name)
}

const gigabyte = 1e9

// unitOf is the largest unit that a number of bytes has one of.
func unitOf(bytes int64) (name string, unit float64) {
	switch {
	case bytes >= gigabyte:
		return "GB", gigabyte
	case bytes >= 1e6:
		return "MB", 1e6
	case bytes >= 1e3:
		return "kB", 1e3
	}
	return "bytes", 1
}

// clock writes a time as 00:01:44.000.
func clock(d time.Duration) string {
	ms := d.Round(time.Millisecond).Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3600000, ms/60000%60, ms/1000%60, ms%1000)
}
