package flv

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/container"
	"github.com/rtmptool/rtmptool/pkg/media"
)

// metadata is onMetaData as a player reads it.
type metadata struct {
	names     []string
	values    map[string]any // without arrays
	keyframes []point        // nil without "keyframes"
	spacer    int
}

// readMetadata reads the body of a script tag of ours and checks its form: numbers
// only in the arrays, the spacer behind the index, as many times as positions.
func readMetadata(t testing.TB, body []byte) metadata {
	t.Helper()
	values, err := amf.Parse(body)
	if err != nil || len(values) != 2 || values[0] != "onMetaData" {
		t.Fatalf("%d values, first %v: %v", len(values), values[0], err)
	}
	s := metadata{values: map[string]any{}}
	for _, p := range values[1].(amf.ECMAArray) {
		s.names = append(s.names, p.Key)
		switch v := p.Value.(type) {
		case amf.Object:
			if p.Key != "keyframes" || len(v) != 3 || v[0].Key != "times" || v[1].Key != "filepositions" || v[2].Key != "spacer" {
				t.Fatalf("object %s of %d", p.Key, len(v))
			}
			s.keyframes = keyframesOf(t, numbers(t, v[0].Value), numbers(t, v[1].Value))
			s.spacer = len(numbers(t, v[2].Value))
		case amf.StrictArray:
			s.spacer = len(numbers(t, v))
		default:
			s.values[p.Key] = v
		}
	}
	if pad := s.values["padding"].(string); len(pad) >= numberSize || s.names[len(s.names)-1] != "padding" {
		t.Fatalf("%d bytes of padding, last name %s", len(pad), s.names[len(s.names)-1])
	}
	return s
}

func numbers(t testing.TB, v any) (numbers []float64) {
	t.Helper()
	for _, v := range v.(amf.StrictArray) {
		f, ok := v.(float64)
		if !ok || math.IsNaN(f) {
			t.Fatalf("%v in an array of numbers", v)
		}
		numbers = append(numbers, f)
	}
	return numbers
}

func keyframesOf(t testing.TB, times, positions []float64) (points []point) {
	t.Helper()
	if len(times) != len(positions) {
		t.Fatalf("%d times, %d positions", len(times), len(positions))
	}
	for i := range times {
		points = append(points, point{time.Duration(math.Round(times[i]*1000)) * time.Millisecond, int64(positions[i])})
	}
	return points
}

var (
	someTime  = time.Date(2026, 3, 29, 23, 59, 59, 0, time.UTC)
	someVideo = trackInfo{seen: true, codec: media.H264, codecID: 7, width: 1280, height: 720, frames: 3,
		first: 0, last: 80 * time.Millisecond, step: 40 * time.Millisecond}
	someAudio = trackInfo{seen: true, codec: media.AAC, codecID: 10, rate: 48000, channels: 2, frames: 2,
		first: 10 * time.Millisecond, last: 31 * time.Millisecond, step: 21 * time.Millisecond}
)

func TestScriptGolden(t *testing.T) {
	var x Index
	got := x.appendScript(nil)
	want := unhex(`02 000A 6F6E4D65746144617461
		08 00000009
		0008 6475726174696F6E 00 0000000000000000
		0008 66696C6573697A65 00 0000000000000000
		0008 686173566964656F 01 00
		0008 686173417564696F 01 00
		000C 6861734B65796672616D6573 01 00
		000C 63616E5365656B546F456E64 01 01
		0007 656E636F646572 02 0008 72746D70746F6F6C
		0006 737061636572 0A 00000FEE`)
	if !bytes.HasPrefix(got, want) {
		t.Errorf("begins with\n% x\nwant\n% x", got[:len(want)], want)
	}
	room := len(want) + 0xFEE*numberSize
	end := unhex(`0007 70616464696E67 02 0002 2020 000009`)
	if !bytes.Equal(got[len(want):room], make([]byte, room-len(want))) || !bytes.Equal(got[room:], end) {
		t.Errorf("ends with\n% x\nwant\n% x", got[room:], end)
	}
}

func TestScriptValues(t *testing.T) {
	points := []point{{0, 40000}, {2 * time.Second, 50000}}
	for _, tc := range []struct {
		name      string
		index     Index
		names     []string
		values    map[string]any
		keyframes []point
	}{
		{
			"finished", Index{Index: container.Index{Created: someTime, End: 70000}, FrameRate: 25, finished: true, video: someVideo, audio: someAudio,
				start: point{0, headSize}, points: points},
			[]string{"duration", "filesize", "width", "height", "videocodecid", "framerate", "audiosamplerate", "audiosamplesize", "audiochannels",
				"stereo", "audiocodecid", "hasVideo", "hasAudio", "hasKeyframes", "canSeekToEnd", "encoder", "creationdate", "keyframes", "padding"},
			map[string]any{"duration": 0.12, "filesize": 70000.0, "width": 1280.0, "height": 720.0, "videocodecid": 7.0, "framerate": 25.0,
				"audiosamplerate": 48000.0, "audiosamplesize": 16.0, "audiochannels": 2.0, "stereo": true, "audiocodecid": 10.0,
				"hasVideo": true, "hasAudio": true, "hasKeyframes": true, "canSeekToEnd": true, "encoder": "rtmptool",
				"creationdate": "2026-03-29T23:59:59Z"},
			append([]point{{0, headSize}}, points...),
		},
		{
			"open: players look for the end", Index{Index: container.Index{End: 70000}, video: someVideo, start: point{0, headSize}, points: points[:1]},
			[]string{"duration", "filesize", "width", "height", "videocodecid", "hasVideo", "hasAudio", "hasKeyframes", "canSeekToEnd",
				"encoder", "keyframes", "padding"},
			map[string]any{"duration": 0.0, "filesize": 0.0, "width": 1280.0, "height": 720.0, "videocodecid": 7.0,
				"hasVideo": true, "hasAudio": false, "hasKeyframes": true, "canSeekToEnd": true, "encoder": "rtmptool"},
			[]point{{0, headSize}, points[0]},
		},
		{
			"audio alone, video announced", Index{Index: container.Index{End: 50000}, FrameRate: 30, finished: true,
				audio: trackInfo{seen: true, codec: 0x41554462, codecID: 11, frames: 1}, start: point{0, headSize}},
			[]string{"duration", "filesize", "framerate", "audiocodecid", "hasVideo", "hasAudio", "hasKeyframes", "canSeekToEnd", "encoder",
				"spacer", "padding"},
			map[string]any{"duration": 0.0, "filesize": 50000.0, "framerate": 30.0, "audiocodecid": 11.0,
				"hasVideo": false, "hasAudio": true, "hasKeyframes": false, "canSeekToEnd": true, "encoder": "rtmptool"},
			nil,
		},
		{
			"mono of a known rate, size unknown", Index{finished: true, video: trackInfo{seen: true, codecID: float64(media.VP9), fps: 50},
				audio: trackInfo{seen: true, codecID: 2, rate: 8000, channels: 1}},
			[]string{"duration", "filesize", "videocodecid", "framerate", "audiosamplerate", "audiosamplesize", "audiochannels", "stereo",
				"audiocodecid", "hasVideo", "hasAudio", "hasKeyframes", "canSeekToEnd", "encoder", "spacer", "padding"},
			map[string]any{"duration": 0.0, "filesize": 0.0, "videocodecid": 1987063865.0, "framerate": 50.0, "audiosamplerate": 8000.0,
				"audiosamplesize": 16.0, "audiochannels": 1.0, "stereo": false, "audiocodecid": 2.0,
				"hasVideo": true, "hasAudio": true, "hasKeyframes": false, "canSeekToEnd": true, "encoder": "rtmptool"},
			nil,
		},
	} {
		got := readMetadata(t, tc.index.appendScript(nil))
		delete(got.values, "padding")
		if diff := cmp.Diff(tc.names, got.names); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
		if diff := cmp.Diff(tc.values, got.values); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
		if diff := cmp.Diff(tc.keyframes, got.keyframes, allIndex); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
	}
}

var allIndex = cmp.AllowUnexported(Index{}, trackInfo{}, point{}, claims{}, outcast{}, unproven{})

// An index shows keyframes only if FFmpeg takes them: two at least, and each
// behind the one before it.
func TestKeyframes(t *testing.T) {
	a, b := point{time.Second, 50000}, point{2 * time.Second, 60000}
	for _, tc := range []struct {
		name   string
		start  point
		points []point
		want   []point // in onMetaData
	}{
		{"none", point{}, nil, nil},
		{"configuration only", point{0, headSize}, nil, nil},
		{"one", point{}, []point{a}, nil},
		{"one behind a configuration", point{0, headSize}, []point{a}, []point{{0, headSize}, a}},
		{"no configuration", point{}, []point{a, b}, []point{a, b}},
		{"configuration behind the first keyframe", point{time.Second, 55000}, []point{a, b}, []point{a, b}},
		{"late configuration", point{time.Second, 49000}, []point{a}, []point{{time.Second, 49000}, a}},
	} {
		x := Index{start: tc.start, points: tc.points}
		if diff := cmp.Diff(tc.want, readMetadata(t, x.appendScript(nil)).keyframes, allIndex); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
	}
}

// Whatever a file holds, its script tag has one size and reads back.
func TestScriptSize(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	counts := []int{0, 1, 2, 100, maxKeyframes/2 - 1, maxKeyframes / 2, maxKeyframes - 1, maxKeyframes, maxKeyframes + 1, 3*maxKeyframes + 7}
	for n := range 60 {
		x := randomIndex(random, counts[n%len(counts)])
		before := []byte("before")
		head := x.appendHead(before)[len(before):]
		if len(head) != headSize {
			t.Fatalf("%+v: %d bytes, want %d", x, len(head), headSize)
		}
		s := readMetadata(t, head[headerSize+tagHeaderSize:headSize-backPointer])
		if s.spacer < minSpacer || len(s.keyframes) > maxKeyframes {
			t.Fatalf("%d keyframes, spacer %d", len(s.keyframes), s.spacer)
		}
		if want := x.keyframes(); len(want) > 1 {
			if diff := cmp.Diff(want, s.keyframes, allIndex); diff != "" {
				t.Fatalf("-want +got\n%s", diff)
			}
		}
	}
}

func randomIndex(random *rand.Rand, keyframes int) Index {
	odd := func() float64 {
		return []float64{0, 1, math.Pi, math.MaxFloat64, math.Inf(1), math.NaN(), -1}[random.IntN(7)]
	}
	track := func() trackInfo {
		if random.IntN(3) == 0 {
			return trackInfo{}
		}
		return trackInfo{seen: true, codecID: odd(), width: random.IntN(2) * math.MaxInt32, height: random.IntN(1 << 16), fps: odd(),
			rate: random.IntN(2) * math.MaxInt32, channels: random.IntN(256), frames: random.IntN(1 << 20),
			last: time.Duration(random.Int64N(1 << 55)), step: time.Duration(random.Int64N(1 << 40))}
	}
	x := Index{Index: container.Index{End: random.Int64N(1 << 50)}, FrameRate: odd(), finished: random.IntN(2) == 0, video: track(), audio: track()}
	if random.IntN(2) == 0 {
		x.Created = someTime
	}
	if random.IntN(2) == 0 {
		x.start = point{0, headSize}
	}
	for i := range keyframes {
		x.addPoint(point{time.Duration(i) * time.Second, int64(headSize + 100 + i*1000)})
	}
	return x
}

// The index stays evenly spread over the file, from its first keyframe on.
func TestKeyframesThinned(t *testing.T) {
	var x Index
	for i := range 5*maxKeyframes + 3 {
		x.addPoint(point{time.Duration(i), int64(i)})
		if n := len(x.points); n >= maxKeyframes || i >= maxKeyframes && n < maxKeyframes/2 {
			t.Fatalf("%d entries of %d keyframes", n, i+1)
		}
		for j, p := range x.points {
			if want := int64(j * x.stride); p.offset != want {
				t.Fatalf("after %d keyframes entry %d is keyframe %d, want %d", i+1, j, p.offset, want)
			}
		}
		if newest := x.points[len(x.points)-1].offset; int64(i)-newest >= int64(x.stride) {
			t.Fatalf("after %d keyframes the newest entry is %d, stride %d", i+1, newest, x.stride)
		}
	}
	if x.stride != 8 {
		t.Errorf("stride %d, want 8", x.stride)
	}
}

func TestCreated(t *testing.T) {
	for _, tc := range []struct {
		date any
		want time.Time
	}{
		{"2026-03-29T23:59:59Z", someTime},
		{"2026-03-30T01:59:59.999+02:00", someTime},
		{"0000-01-01T00:00:00+00:01", time.Time{}}, // before the year 0, which RFC 3339 cannot write
		{"9999-12-31T23:59:59-00:01", time.Time{}},
		{"Sun Mar 29 2026", time.Time{}},
		{1.0, time.Time{}},
	} {
		got := created([]any{"onMetaData", amf.Object{{Key: "creationdate", Value: tc.date}}})
		if !got.Equal(tc.want) {
			t.Errorf("%v: got %v", tc.date, got)
		}
	}
}
