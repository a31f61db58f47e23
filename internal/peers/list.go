package peers

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// ListExt is the extension of a list of packets, as FFmpeg's muxer framemd5 writes it: what one
// FFmpeg receives or reads need not be read again by another. Keyframes are not marked in it.
const ListExt = ".framemd5"

func listed(tb testing.TB, path, kind string) []Packet {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	packets, err := parseList(string(text), kind)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return packets
}

func parseList(text, kind string) (packets []Packet, err error) {
	var num, den int64
	stream := "" // its number
	bases := make(map[string]string)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if n, ok := strings.CutPrefix(key, "#tb "); ok {
			bases[n] = value
		} else if n, ok := strings.CutPrefix(key, "#media_type "); ok && strings.HasPrefix(value, kind) {
			if stream != "" {
				return nil, fmt.Errorf("two streams are %q", kind)
			}
			stream = n
			if _, err := fmt.Sscanf(bases[n], "%d/%d", &num, &den); err != nil || den == 0 {
				return nil, fmt.Errorf("the time base of %q is %q", kind, bases[n])
			}
		}
		if fields := strings.Split(strings.ReplaceAll(key, " ", ""), ","); fields[0] == stream && len(fields) > 5 {
			dts, err1 := strconv.ParseInt(fields[1], 10, 64)
			pts, err2 := strconv.ParseInt(fields[2], 10, 64)
			size, err3 := strconv.Atoi(fields[4])
			if err := errors.Join(err1, err2, err3); err != nil {
				return nil, err
			}
			packets = append(packets, Packet{PTS: seconds(pts*num, den), DTS: seconds(dts*num, den), Size: size, Hash: fields[5]})
		}
	}
	if stream == "" {
		return nil, fmt.Errorf("no stream is %q", kind)
	}
	return packets, nil
}
