package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// probeTimeout bounds an ffprobe run; a file of 12 s takes a tenth of a second.
const probeTimeout = 60 * time.Second

// File is a file as FFmpeg reads it.
type File struct {
	Format  Entries
	Streams []Stream
}

// Stream is one of a file's streams, with its packets in file order.
type Stream struct {
	Entries
	Packets []Packet
}

// Packet is one packet of a file as FFmpeg reads it.
type Packet struct {
	PTS, DTS time.Duration
	Size     int
	Key      bool
	Hash     string // MD5 of the payload, which is the same in every container
}

// Entries are what ffprobe tells of a format or of a stream, by its names for them.
type Entries map[string]any

// Get returns an entry as ffprobe writes it, or "" where there is none.
func (e Entries) Get(name string) string {
	if value, ok := e[name]; ok {
		return fmt.Sprint(value)
	}
	return ""
}

// Tag is Get for a tag.
func (e Entries) Tag(name string) string {
	tags, _ := e["tags"].(map[string]any)
	return Entries(tags).Get(name)
}

// Packets returns the packets of the only stream of a kind, "v" or "a", of a file or of a list.
func Packets(tb testing.TB, path, kind string) []Packet {
	tb.Helper()
	if filepath.Ext(path) == ListExt {
		return listed(tb, path, kind)
	}
	return Probe(tb, path).Only(tb, kind).Packets
}

// Only returns the only stream of a kind, "v" or "a", and ends the test if there are more or none.
func (f *File) Only(tb testing.TB, kind string) Stream {
	tb.Helper()
	found := f.All(kind)
	if len(found) != 1 {
		tb.Fatalf("%s: %d streams are %q, want 1", f.Format.Get("filename"), len(found), kind)
	}
	return found[0]
}

// All returns the streams of a kind.
func (f *File) All(kind string) (found []Stream) {
	for _, s := range f.Streams {
		if strings.HasPrefix(s.Get("codec_type"), kind) {
			found = append(found, s)
		}
	}
	return found
}

// state is a file until something writes to it.
type state struct {
	path    string
	size    int64
	changed time.Time
}

// probed has what was read of each state of a file: a start of ffprobe costs more than the reading.
var probed sync.Map // state to func() (*File, error)

// Probe reads a file. It ends the test when ffprobe reports any error.
func Probe(tb testing.TB, path string) *File {
	tb.Helper()
	info, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	ffprobe := FFprobe(tb)
	read, _ := probed.LoadOrStore(state{path, info.Size(), info.ModTime()}, sync.OnceValues(func() (*File, error) { return probe(tb, ffprobe, path) }))
	f, err := read.(func() (*File, error))()
	if err != nil {
		tb.Fatalf("ffprobe %s: %v", path, err)
	}
	return f
}

func probe(tb testing.TB, ffprobe, path string) (*File, error) {
	tb.Helper()
	stdout, stderr, err := Run(tb, probeTimeout, ffprobe, "-v", "error", "-show_format", "-show_streams",
		"-show_packets", "-show_data_hash", "md5", "-show_entries", "packet=stream_index,pts,dts,size,flags,data_hash", "-of", "json", path)
	if err == nil && stderr != "" {
		err = fmt.Errorf("%s", tail(stderr))
	}
	if err != nil {
		return nil, err
	}
	return parseProbe([]byte(stdout))
}

func parseProbe(out []byte) (*File, error) {
	var all struct {
		Packets []struct {
			PTS, DTS *int64 // in units of the stream's time base; absent where unknown
			Size     string
			Flags    string // K__: a keyframe
			Hash     string `json:"data_hash"` // MD5:...
			Index    int    `json:"stream_index"`
		}
		Streams []Entries
		Format  Entries
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		return nil, err
	}
	f := &File{Format: all.Format}
	for _, entries := range all.Streams {
		f.Streams = append(f.Streams, Stream{Entries: entries})
	}
	for i, p := range all.Packets {
		if p.PTS == nil {
			p.PTS = p.DTS
		}
		if p.DTS == nil {
			p.DTS = p.PTS
		}
		size, err := strconv.Atoi(p.Size)
		if err != nil || p.PTS == nil || p.Hash == "" || p.Index >= len(f.Streams) {
			return nil, fmt.Errorf("packet %d has no size, time, hash or stream", i)
		}
		s := &f.Streams[p.Index]
		var num, den int64 // of the time base: 1/1000
		if _, err := fmt.Sscanf(s.Get("time_base"), "%d/%d", &num, &den); err != nil || den == 0 {
			return nil, fmt.Errorf("stream %d has the time base %q", p.Index, s.Get("time_base"))
		}
		s.Packets = append(s.Packets, Packet{
			PTS:  seconds(*p.PTS*num, den),
			DTS:  seconds(*p.DTS*num, den),
			Size: size,
			Key:  strings.HasPrefix(p.Flags, "K"),
			Hash: strings.ToLower(strings.TrimPrefix(p.Hash, "MD5:")),
		})
	}
	return f, nil
}

// seconds is a fraction of them, which must not overflow for files of months.
func seconds(num, den int64) time.Duration {
	return time.Duration(num/den)*time.Second + time.Duration(num%den)*time.Second/time.Duration(den)
}
