package peers

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// probeTimeout bounds an ffprobe run; a file of 12 s takes a tenth of a second.
const probeTimeout = 60 * time.Second

// Packet is one packet of a file as FFmpeg reads it.
type Packet struct {
	PTS, DTS time.Duration
	Size     int
	Key      bool
	Hash     string // MD5 of the payload, which is the same in every container
}

// Packets returns the packets of one stream of a file in file order; the stream is chosen as in
// FFmpeg: "v", "a:0", "1". It ends the test when ffprobe reports any error.
func Packets(tb testing.TB, path, stream string) []Packet {
	tb.Helper()
	stdout, stderr, err := Run(tb, probeTimeout, FFprobe(tb), "-v", "error", "-select_streams", stream,
		"-show_packets", "-show_data_hash", "md5", "-of", "json", "-show_entries",
		"stream=index,time_base:packet=stream_index,pts,dts,size,flags,data_hash", path)
	if err != nil {
		tb.Fatal(err)
	}
	if stderr != "" {
		tb.Fatalf("ffprobe %s: %s", path, tail(stderr))
	}
	packets, err := parsePackets([]byte(stdout))
	if err != nil {
		tb.Fatalf("ffprobe %s: %v", path, err)
	}
	return packets
}

func parsePackets(out []byte) ([]Packet, error) {
	var probe struct {
		Packets []struct {
			PTS, DTS *int64 // in units of the stream's time base; absent where unknown
			Size     string
			Flags    string // K__: a keyframe
			Hash     string `json:"data_hash"` // MD5:...
			Index    int    `json:"stream_index"`
		}
		Streams []struct {
			Index    int
			TimeBase string `json:"time_base"` // 1/1000
		}
	}
	if err := json.Unmarshal(out, &probe); err != nil {
		return nil, err
	}
	if len(probe.Streams) != 1 {
		return nil, fmt.Errorf("%d streams match, want 1", len(probe.Streams))
	}
	var num, den int64
	if _, err := fmt.Sscanf(probe.Streams[0].TimeBase, "%d/%d", &num, &den); err != nil || den == 0 {
		return nil, fmt.Errorf("bad time base %q", probe.Streams[0].TimeBase)
	}
	packets := make([]Packet, 0, len(probe.Packets))
	for i, p := range probe.Packets {
		if p.PTS == nil {
			p.PTS = p.DTS
		}
		if p.DTS == nil {
			p.DTS = p.PTS
		}
		size, err := strconv.Atoi(p.Size)
		if err != nil || p.PTS == nil || p.Hash == "" {
			return nil, fmt.Errorf("packet %d has no size, time or hash", i)
		}
		packets = append(packets, Packet{
			PTS:  seconds(*p.PTS*num, den),
			DTS:  seconds(*p.DTS*num, den),
			Size: size,
			Key:  strings.HasPrefix(p.Flags, "K"),
			Hash: strings.ToLower(strings.TrimPrefix(p.Hash, "MD5:")),
		})
	}
	return packets, nil
}

// seconds is a fraction of them, which must not overflow for files of months.
func seconds(num, den int64) time.Duration {
	return time.Duration(num/den)*time.Second + time.Duration(num%den)*time.Second/time.Duration(den)
}
