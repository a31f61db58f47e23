package recfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rtmptool/rtmptool/pkg/bmff"
	"github.com/rtmptool/rtmptool/pkg/container"
)

// Verdict is the judgement of a recording.
type Verdict uint8

// The verdicts.
const (
	Whole      Verdict = iota // nothing is wrong; fix may still have something to add to another program's
	Live                      // being recorded; consistent so far
	Unfinished                // the recorder was stopped: fix finishes it, nothing is lost
	Damaged                   // fix mends it
	Rotten                    // media has changed: nothing brings it back, players show the rest
	Hopeless                  // fix can do nothing for it; players may still show some
)

// String is the verdict in a word.
func (v Verdict) String() string {
	return [...]string{"whole", "live", "unfinished", "damaged", "rotten", "beyond repair"}[v]
}

// Recording is what is known of a file.
type Recording struct {
	Path      string
	Size      int64
	Format    string // "FLV" or "MP4"
	Fragments int    // of an MP4 that is not closed, or of a rebuilt one
	Ours      bool   // written by rtmptool
	Verdict   Verdict
	Index     container.Index
	Findings  []container.Finding

	spent   bool          // behind what could be read there is nothing that could be
	missing time.Duration // from the end of a file that was finished once

	plan container.Plan                 // mends a file of ours in place
	copy func(dst container.File) error // makes a finished copy of anybody's
}

// Plan lists what fix would do to the file, in place; nil if it needs nothing or
// would write a new file.
func (r *Recording) Plan() container.Plan { return r.plan }

// Copies reports whether fix would write a new file beside this one.
func (r *Recording) Copies() bool { return r.copy != nil }

// Duration is from the first sample to the end of the last one of all tracks.
func (r *Recording) Duration() time.Duration {
	var first, last time.Duration
	seen := false
	for _, t := range r.Index.Tracks {
		if t.Samples == 0 {
			continue
		}
		begin := t.Time(t.First.DTS)
		end := begin + t.Duration()
		if !seen || begin < first {
			first = begin
		}
		last, seen = max(last, end), true
	}
	return last - first
}

// ErrUnknown says that a file is no recording of a kind that we read.
var ErrUnknown = errors.New("neither FLV nor MP4, by its first bytes")

// Open reads a file's structure. It never writes. A file that somebody is
// recording is Live.
func Open(path string) (*Recording, error) { return new(Job).Open(path) }

// Open is the function Open, as a part of the job.
func (j *Job) Open(path string) (*Recording, error) {
	j.next(path)
	return j.inspect(path)
}

func (j *Job) inspect(path string) (*Recording, error) {
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	locked := isLocked(path)
	r, err := j.scan(path, f)
	if err != nil {
		return nil, err
	}
	if locked {
		r.live()
	}
	return r, nil
}

// open opens a file, but waits for nobody at a pipe.
func open(path string, flags int) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() { // one that could not be listed
		_, err := os.ReadDir(path)
		return nil, cmp.Or(err, fmt.Errorf("%s: is a directory", path))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	return openFile(path, flags)
}

// isLocked reports whether somebody writes a file. Its own lock is given back at once:
// held while the file is read it would be in the way of a recorder.
func isLocked(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer container.Close(f)
	return container.Locked(f)
}

// live judges a file that is being written: that it is not finished is no fault.
func (r *Recording) live() {
	r.plan, r.copy = nil, nil
	if r.Verdict == Whole || r.Verdict == Unfinished || r.Verdict == Hopeless && r.Rotten() == 0 {
		r.Verdict = Live
		r.Findings = nil
	}
}

// scan reads a file by what its first bytes say it is.
func (j *Job) scan(path string, file *os.File) (*Recording, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	j.step(file, info.Size())
	f := bare{file, j}
	r := &Recording{Path: path, Size: info.Size()}
	head := make([]byte, 56)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	err = nil
	format := sniff(path, head[:n])
	if format == "" && bmff.Committed(f, r.Size) {
		format = "MP4" // of ours, without its first page
	}
	switch format {
	case "FLV":
		r.Format = "FLV"
		err = r.scanFLV(f)
	case "MP4":
		r.Format = "MP4"
		err = r.scanMP4(f)
	default:
		return nil, fmt.Errorf("%s: %w", path, ErrUnknown)
	}
	// What could not be read may be anything: then no verdict stands.
	if err = cmp.Or(err, j.fail); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// sniff tells the format by the first bytes, or by the name of a file that has too
// few of them.
func sniff(path string, head []byte) string {
	switch {
	case strings.HasPrefix(string(head), "FLV"), strings.Contains(string(head), "onMetaData"): // the latter where the header is damaged
		return "FLV"
	case isBox(head, 4), isBox(head, 36), isBox(head, 52): // the latter two where the head of ours is damaged
		return "MP4"
	case len(head) >= 8 && strings.Trim(string(head), "\x00") != "":
		return ""
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".flv":
		return "FLV"
	case ".mp4", ".m4a", ".m4v", ".mov":
		return "MP4"
	}
	return ""
}

// isBox: the type of an MP4 box is there.
func isBox(head []byte, at int) bool {
	return len(head) >= at+4 && slices.Contains([]string{"ftyp", "moov", "mdat", "moof", "free", "skip", "styp", "wide"}, string(head[at:at+4]))
}

// Rotten is how many bytes of the file hold media that is not what was written, as far as
// it was read. It stays so, whatever fix does.
func (r *Recording) Rotten() (bytes int64) {
	for _, f := range r.Findings {
		if IsRot(f) {
			bytes += f.End - f.Offset
		}
	}
	return bytes
}

// improvable: fix can add something that a whole file of another program lacks.
func (r *Recording) improvable() bool {
	return slices.ContainsFunc(r.Findings, func(f container.Finding) bool { return f.Severity == container.Note && f.Repair != "" })
}

// judge derives the verdict from the findings.
func (r *Recording) judge(unfinished bool) {
	samples := 0
	for _, t := range r.Index.Tracks {
		samples += t.Samples
	}
	worst := container.Note // of what fix can do something about
	for _, f := range r.Findings {
		if !rot[f.Code] {
			worst = max(worst, f.Severity)
		}
	}
	rotten := r.Rotten() > 0
	switch {
	case samples == 0:
		r.Verdict, r.plan, r.copy = Hopeless, nil, nil
	case worst == container.Note && rotten:
		r.Verdict, r.plan, r.copy = Rotten, nil, nil
	case worst == container.Note:
		r.Verdict, r.plan = Whole, nil
		if !r.improvable() {
			r.copy = nil
		}
	case r.plan == nil && r.copy == nil:
		r.Verdict = Hopeless
	case unfinished && !rotten:
		r.Verdict = Unfinished
	default:
		r.Verdict = Damaged
	}
	if r.Verdict == Hopeless || r.Verdict == Rotten {
		for i := range r.Findings {
			r.Findings[i].Repair = "" // nothing is done about it
		}
	}
}
