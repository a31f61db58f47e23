package bench

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/internal/certtest"
	"github.com/rtmptool/rtmptool/internal/server"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/media"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStamp(t *testing.T) {
	for _, tc := range []struct {
		stamp stamp
		want  string
	}{
		{stamp{}, "f1e2d3c4 80808080 808080808080 8080808080"},
		{stamp{131, 129 * time.Microsecond, 300}, "f1e2d3c4 80808183 808080808181 80808082ac"},
		{stamp{maxRun - 1, (1<<42 - 1) * time.Microsecond, 1<<35 - 1}, "f1e2d3c4 ffffffff ffffffffffff ffffffffff"},
	} {
		b := make([]byte, stampSize)
		tc.stamp.put(b)
		if got := hex.EncodeToString(b); got != strings.ReplaceAll(tc.want, " ", "") {
			t.Errorf("%v is %s, want %s", tc.stamp, got, tc.want)
		}
		if got, ok := readStamp(b); !ok || got != tc.stamp {
			t.Errorf("read %v, %v, want %v", got, ok, tc.stamp)
		}
	}
	if _, ok := readStamp([]byte(stampMark)); ok {
		t.Error("a stamp that is cut was read")
	}
}

// Whatever was added, a quantile is at most 1/32 above what it should be, and not below.
func TestHistogram(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var h histogram
		var all []time.Duration
		for range 1 + random.IntN(2000) {
			d := time.Duration(random.Int64N(1<<random.IntN(32))) * time.Microsecond
			h.add(d)
			all = append(all, d)
		}
		slices.Sort(all)
		shares := []float64{0, 0.5, 0.9, 0.99, 0.999}
		got, n := h.quantiles(shares...)
		if n != uint64(len(all)) {
			t.Fatalf("%d of %d", n, len(all))
		}
		for i, share := range shares {
			want := all[min(int(share*float64(len(all))), len(all)-1)]
			if got[i] < want || got[i] > want+want/fine {
				t.Errorf("%g of %d: %v, want %v", share, n, got[i], want)
			}
		}
	}
	var none histogram
	if got, n := none.quantiles(0.5); n != 0 || got[0] != 0 {
		t.Errorf("of nothing: %v, %d", got, n)
	}
}

// Slices begin as the encoders' do whose parameter sets are sent, but for their slice_qp_delta.
func TestSlice(t *testing.T) {
	longest := 0
	for _, tc := range []struct {
		slice func([]byte, int, uint64) []byte
		inGOP int
		n     uint64
		want  string
	}{
		{appendAVCSlice, 0, 0, "65 8884ff"},
		{appendAVCSlice, 0, 1, "65 88823f"},
		{appendAVCSlice, 1, 1, "41 9a23ff"},
		{appendAVCSlice, 59, 59, "41 9b63ff"},
		{appendHEVCSlice, 0, 0, "2801 af80"},
		{appendHEVCSlice, 1, 1, "0201 d009789c"},
		{appendHEVCSlice, 300, 300, "0201 d161789c"},
	} {
		got := tc.slice(nil, tc.inGOP, tc.n)
		if longest = max(longest, len(got)); hex.EncodeToString(got) != strings.ReplaceAll(tc.want, " ", "") {
			t.Errorf("frame %d is %x, want %s", tc.n, got, tc.want)
		}
	}
	if longest != maxSlice {
		t.Errorf("the longest has %d bytes, want %d", longest, maxSlice)
	}
}

// Only the first GOP is shorter, and the smallest frame holds its stamp.
func TestGOP(t *testing.T) {
	for _, tc := range []struct {
		gop, early int
		want       []int
	}{
		{1, 0, []int{0, 0, 0}},
		{3, 0, []int{0, 1, 2, 0, 1, 2, 0}},
		{3, 1, []int{0, 1, 0, 1, 2, 0}},
		{3, 2, []int{0, 0, 1, 2, 0}},
	} {
		s := &source{gop: tc.gop}
		for n, want := range tc.want {
			if got := s.inGOP(n, tc.early); got != want {
				t.Errorf("%d early of %d: frame %d is %d after its keyframe, want %d", tc.early, tc.gop, n, got, want)
			}
		}
	}
	for codec := range codecs {
		least := int64(0)
		for least = range int64(1 << 20) {
			if _, err := newSource(codec, least, 30, 60); err == nil {
				break
			}
		}
		s, err := newSource(codec, least, 30, 60)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			st := stamp{7, time.Second, uint64(n)}
			if got, ok := findStamp(s.appendFrame(nil, n, st)); !ok || got != st {
				t.Errorf("%s, %d bit/s: frame %d has the stamp %v, %v", codec, least, n, got, ok)
			}
		}
	}
}

// What is sent is of the bitrate that was asked for, what servers take it for, free of
// start codes, and carries its stamp.
func TestSource(t *testing.T) {
	for codec, want := range map[string]media.Codec{"h264": media.H264, "hevc": media.H265} {
		for _, bitrate := range []int64{300e3, 4e6, 20e6} {
			s, err := newSource(codec, bitrate, 30, 60)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range s.head() {
				if p, err := flv.Parse(m.Type, m.Body); err != nil || p.Role != media.Decoder {
					t.Errorf("%s: header %x: %+v, %v", codec, m.Body, p, err)
				}
			}
			total := 0
			for n := range 120 {
				st := stamp{7, s.dueAt(n).Truncate(time.Microsecond), uint64(n)}
				body := s.appendFrame(nil, n%s.gop, st)
				total += len(body)
				p, err := flv.Parse(rtmp.TypeVideo, body)
				if err != nil || p.Codec != want || p.Key != (n%60 == 0) || p.Role != media.Frame {
					t.Fatalf("%s: frame %d: %+v, %v", codec, n, p, err)
				}
				if got, ok := findStamp(body); !ok || got != st {
					t.Errorf("%s: frame %d has the stamp %v, %v", codec, n, got, ok)
				}
				unit := len(s.video.frame)
				if size := binary.BigEndian.Uint32(body[unit:]); int(size) != len(body)-unit-4 {
					t.Errorf("%s: a NAL unit of %d bytes in a message of %d", codec, size, len(body))
				}
				if strings.Contains(string(body[unit+4:]), "\x00\x00") {
					t.Errorf("%s: frame %d looks like a start code", codec, n)
				}
			}
			sound := float64(len(aacFrame)) * 8 * float64(time.Second) / float64(aacTime)
			if got := float64(total)*8/4 + sound; got < 0.98*float64(bitrate) || got > float64(bitrate) {
				t.Errorf("%s: %.0f bit/s, want %d", codec, got, bitrate)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	good := Options{URL: "rtmp://host/live/a", Publishers: 1, Players: 1, Bitrate: 4e6, FPS: 30, GOP: 2 * time.Second, Codec: "h264", Duration: time.Second}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(o *Options){
		`codec "vp6" is unknown`:   func(o *Options) { o.Codec = "vp6" },
		`want rtmp://host/app/key`: func(o *Options) { o.URL = "http://host/live/a" },
		"nobody would publish":     func(o *Options) { o.Publishers, o.Players = 0, 0 },
		"is negative":              func(o *Options) { o.Slow = -1 },
		"ramp of -1s is negative":  func(o *Options) { o.Ramp = -time.Second },
		"is too short":             func(o *Options) { o.Duration = time.Millisecond },
		"of whole seconds: use 2s": func(o *Options) { o.Duration = 1900 * time.Millisecond },
		"is too small":             func(o *Options) { o.Bitrate = 70e3 },
		"a keyframe would be":      func(o *Options) { o.Bitrate, o.FPS = 1e9, 1 },
		"0 frames a second":        func(o *Options) { o.FPS = 0 },
		"a keyframe every 0s":      func(o *Options) { o.GOP = 0 },
		"a bitrate of 0":           func(o *Options) { o.Bitrate = 0 },
	} {
		o := good
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func serve(t *testing.T, c server.Config) string {
	t.Helper()
	c.Listen = []string{"127.0.0.1:0"}
	s := running(t, c)
	return "rtmp://" + s.Addresses()[0].String() + "/live/bench"
}

// serveTLS has a certificate that nobody knows.
func serveTLS(t *testing.T, c server.Config) string {
	t.Helper()
	pair, err := tls.X509KeyPair(certtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	c.ListenTLS = []string{"127.0.0.1:0"}
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
	s := running(t, c)
	return "rtmps://" + s.AddressesTLS()[0].String() + "/live/bench"
}

func running(t *testing.T, c server.Config) *server.Server {
	t.Helper()
	s := server.New(c)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// Everybody gets everything, those that stop reading count for nothing, and each second is told.
func TestRun(t *testing.T) {
	o := Options{Publishers: 2, Players: 6, Slow: 1, Bitrate: 1e6, FPS: 30, GOP: time.Second / 2, Codec: "hevc", Duration: 2 * time.Second, Ramp: 100 * time.Millisecond}
	t.Run("RTMP", func(t *testing.T) {
		o.URL = serve(t, server.Config{})
		runAll(t, o)
	})
	t.Run("RTMPS", func(t *testing.T) {
		o.URL, o.AnyCert = serveTLS(t, server.Config{}), true
		runAll(t, o)
	})
}

func runAll(t *testing.T, o Options) {
	var seconds []Second
	r, err := Run(t.Context(), o, func(s Second) { seconds = append(seconds, s) })
	if err != nil {
		t.Fatal(err)
	}
	if r.GOP != 0.5 || r.Ramp != 0.1 || r.Duration != 2 || r.Processors < 1 {
		t.Errorf("a run could not be repeated from %+v", r)
	}
	if r.Players != 12 || r.Slow != 2 || r.Lost != 0 || len(r.Problems) != 0 {
		t.Errorf("%d players, %d slow, %d lost: %v", r.Players, r.Slow, r.Lost, r.Problems)
	}
	if len(seconds) != 2 || !slices.Equal(seconds, r.PerSecond) {
		t.Errorf("seconds: %+v, %+v", seconds, r.PerSecond)
	}
	// Frames may be on their way at either end.
	if r.Share < 0.4 || r.LeastShare < 0.3 || r.Share > 1 || r.LeastShare > r.Share {
		t.Errorf("share %g, least %g", r.Share, r.LeastShare)
	}
	if r.Sampled != 2 || r.Frames == 0 || r.Gaps != 0 || r.Missing != 0 || r.Latency.Max < r.Latency.P50 || r.FirstKeyframe.Max == 0 {
		t.Errorf("%+v", r)
	}
}

// underWay begins a run and returns once it measures; stop ends it, with its result.
func underWay(t *testing.T, o Options) (stop func() (*Result, error)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan struct{})
	begin := sync.OnceFunc(func() { close(began) })
	var r *Result
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer begin() // also if it fails
		r, err = Run(ctx, o, func(Second) { begin() })
	}()
	<-began
	return func() (*Result, error) {
		cancel()
		<-done
		return r, err
	}
}

// A stream that somebody else publishes has no share that could be known, and stamps by
// another clock: they tell of gaps, not of latency.
func TestRunPlayersOnly(t *testing.T) {
	o := Options{URL: serve(t, server.Config{}), Publishers: 1, Bitrate: 1e6, FPS: 30, GOP: time.Second / 2, Codec: "h264", Duration: time.Hour}
	stop := underWay(t, o)
	o.Publishers, o.Players, o.Duration = 0, 2, time.Second
	r, err := Run(t.Context(), o, nil)
	if err != nil || r.Delivered.Bytes == 0 || r.Published.Bytes != 0 || r.Share != 0 || r.Lost != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if r.Frames == 0 || r.Gaps != 0 || r.Latency != (Latency{}) || r.PerSecond[0].Latency != (Latency{}) {
		t.Errorf("%d frames, %d gaps, latency %v, %v", r.Frames, r.Gaps, r.Latency, r.PerSecond)
	}
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

func TestRunFails(t *testing.T) {
	url := serve(t, server.Config{})
	o := Options{URL: url, Publishers: 1, Players: 1, Bitrate: 1e6, FPS: 30, GOP: time.Second, Codec: "h264", Duration: time.Hour}
	stop := underWay(t, o)
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "publish "+url) || !strings.Contains(err.Error(), "BadName") {
		t.Errorf("a name that is taken: %v", err)
	}
	if r, err := stop(); err != nil || len(r.PerSecond) == 0 {
		t.Errorf("what was measured before it was interrupted is gone: %v", err)
	}

	o.URL = serveTLS(t, server.Config{})
	if _, err := Run(t.Context(), o, nil); !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	o.URL = "rtmp://" + l.Addr().String() + "/live/bench"
	if _, err := Run(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	o.URL = url + "2"
	if _, err := Run(ended, o, nil); err == nil {
		t.Error("a run that was over before it began has a result")
	}
}

// Players that never see a keyframe are lost, also beside others that do.
func TestWithoutKeyframe(t *testing.T) {
	t.Parallel()
	o := Options{URL: serve(t, server.Config{}), Publishers: 1, Bitrate: 1e6, FPS: 30, GOP: time.Second / 4, Codec: "h264", Duration: time.Hour}
	stop := underWay(t, o)
	o.Publishers, o.Players, o.Slow, o.Duration = 0, 2, 1, time.Second
	r := newRun(o)
	r.patience = 3 * time.Second
	missing := &stream{url: o.URL + "_missing"}
	r.streams = append(r.streams, missing)
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	if err := r.startPlayers(t.Context(), ctx, &working); err != nil {
		t.Fatal(err)
	}
	got := r.measure(t.Context(), process{}, nil)
	if got.Lost != 3 || got.WithoutKeyframe != 3 || got.PerSecond[0].Players != 2 {
		t.Errorf("%+v", got)
	}
	if want := "player: no keyframe of " + missing.url + " came within 3s: is it published?"; !slices.Equal(got.Problems, []string{want}) || got.More != 2 {
		t.Errorf("%q and %d more, want %q and 2", got.Problems, got.More, want)
	}

	alone := newRun(o)
	alone.patience, alone.streams = time.Millisecond, []*stream{missing}
	if err := alone.startPlayers(t.Context(), ctx, &working); err == nil || !strings.Contains(err.Error(), "nothing was played: player: no keyframe of "+missing.url) {
		t.Errorf("%v", err)
	}
	cancel()
	working.Wait()
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

// Players that are refused while a server finds out what is published ask again; a stream that
// somebody watches, that is settled, or that somebody else publishes refuses for good.
func TestRefusedAtFirst(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	o := Options{Publishers: 1, Players: 2, Bitrate: 1e6, FPS: 30, GOP: time.Second / 2, Codec: "h264", Duration: time.Second}
	allow := func(allowed func(n int32) bool) {
		asked.Store(0)
		o.URL = serve(t, server.Config{DenialDelay: time.Millisecond, Play: func(_, _ string) bool { return allowed(asked.Add(1)) }})
	}
	allow(func(n int32) bool { return n > 5 })
	if r, err := Run(t.Context(), o, nil); err != nil || r.Lost != 0 || len(r.Problems) != 0 || r.FirstKeyframe.Max < 100 {
		t.Errorf("refused five times: %+v, %v", r, err)
	}

	allow(func(n int32) bool { return n == 1 })
	o.Players, o.Ramp = 3, 600*time.Millisecond
	if r, err := Run(t.Context(), o, nil); err != nil || r.Lost != 2 || asked.Load() > 5 {
		t.Errorf("one of them watches: %+v after %d attempts, %v", r, asked.Load(), err)
	}

	allow(func(int32) bool { return false })
	o.Players, o.Ramp = 2, 0
	r := newRun(o)
	r.settling = 500 * time.Millisecond
	ctx, stopAll := context.WithCancel(t.Context())
	var working sync.WaitGroup
	if err := r.startPublishers(t.Context(), ctx, &working); err != nil {
		t.Fatal(err)
	}
	if err := r.startPlayers(t.Context(), ctx, &working); !strings.Contains(fmt.Sprint(err), "NetStream.Play.Failed") || asked.Load() < 3 || asked.Load() > 2*7 {
		t.Errorf("refused for ever: %v after %d attempts", err, asked.Load())
	}
	stopAll()
	working.Wait()

	allow(func(int32) bool { return false })
	publisher := o
	publisher.Players, publisher.Duration = 0, time.Hour
	stop := underWay(t, publisher)
	o.Publishers = 0
	if _, err := Run(t.Context(), o, nil); err == nil || asked.Load() != 2 {
		t.Errorf("%v after %d attempts of 2 players", err, asked.Load())
	}
	if _, err := stop(); err != nil {
		t.Error(err)
	}
}

// A player that watched and has lost its connection is lost, also while others join.
func TestLostWhileOthersJoin(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	behind := serve(t, server.Config{})
	var passed atomic.Int32
	go func() { // a server that ends the second connection, a player's, soon
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				s, err := net.Dial("tcp", strings.Split(behind, "/")[2])
				if err != nil {
					return
				}
				defer s.Close()
				go io.Copy(s, c)
				if passed.Add(1) == 2 {
					_, _ = io.CopyN(c, s, 100<<10)
					return
				}
				_, _ = io.Copy(c, s)
			}()
		}
	}()
	o := Options{URL: "rtmp://" + l.Addr().String() + "/live/bench", Publishers: 1, Players: 2, Bitrate: 4e6, FPS: 30, GOP: time.Second / 4, Codec: "h264", Duration: time.Second, Ramp: 2 * time.Second}
	if r, err := Run(t.Context(), o, nil); err != nil || r.Lost != 1 || passed.Load() != 3 {
		t.Errorf("%+v after %d connections, %v", r, passed.Load(), err)
	}
}

// Publishers that are lost count, also where nobody plays.
func TestLostPublishers(t *testing.T) {
	s := server.New(server.Config{Listen: []string{"127.0.0.1:0"}})
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	serving, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(serving) }()
	o := Options{URL: "rtmp://" + s.Addresses()[0].String() + "/live/bench", Publishers: 3, Bitrate: 1e6, FPS: 30, GOP: time.Second, Codec: "h264", Duration: 2 * time.Second}
	r, err := Run(t.Context(), o, func(Second) { kill() })
	if err != nil || r.LostPublishers != 3 || r.Lost != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRedact(t *testing.T) {
	for url, want := range map[string]string{
		"rtmp://h/live/a":                       "rtmp://h/live/a",
		"rtmp://h:1935/live/me@home":            "rtmp://h:1935/live/me@home",
		"rtmp://h/live/a?token=SECRET":          "rtmp://h/live/a?token=xxxxx",
		"rtmp://h/live/a?v=1&SECRET&e=SEC=RET#": "rtmp://h/live/a?v=xxxxx&xxxxx&e=xxxxx",
		"rtmp://h/live/a?token=SEC#RET":         "rtmp://h/live/a?token=xxxxx",
		"rtmps://me:SEC:R@T@h/live/a":           "rtmps://me:xxxxx@h/live/a",
		"rtmp://me@h/live/a":                    "rtmp://me@h/live/a",
	} {
		if got := redact(url); got != want {
			t.Errorf("%s is shown as %s, want %s", url, got, want)
		}
	}
}

// Nothing that comes out of a run tells a secret: results, problems, errors.
func TestNoSecrets(t *testing.T) {
	o := Options{URL: serve(t, server.Config{}) + "?token=SECRET", Publishers: 1, Players: 1, Bitrate: 1e6, FPS: 30, GOP: 250 * time.Millisecond, Codec: "h264", Duration: time.Second}
	o.URL = strings.Replace(o.URL, "://", "://me:SECRET@", 1)
	result, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := errors.Join(Text(&b, result), JSON(&b, result), HTML(&b, result)); err != nil {
		t.Fatal(err)
	}
	r := run{secrets: secrets(o.URL)}
	r.problem("the server says: no bench_1?token=SECRET")
	b.WriteString(r.problems.all[0])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	o.URL = "rtmp://me:SECRET@" + l.Addr().String() + "/live/bench?token=SECRET"
	_, err = Run(t.Context(), o, nil)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	for _, url := range []string{o.URL, "http://me:SECRET@h/live/a?token=SECRET", "rtmp://me:SECRET@h h/live/a?token=SECRET"} {
		o.URL = url
		_, err := Run(t.Context(), o, nil)
		b.WriteString(err.Error())
	}
	if strings.Contains(b.String(), "SECRET") || !strings.Contains(b.String(), "token=xxxxx") {
		t.Errorf("%s", b.String())
	}
}

// Each stream is read by somebody, about one player in ten reads, and neither the first to
// join nor the last are left out.
func TestReads(t *testing.T) {
	for _, streams := range []int{1, 2, 3, 5, 7, 10, 20, 100} {
		for _, players := range []int{1, 2, 3, 9, 10, 11, 25, 200} {
			all, rounds := 0, map[int]bool{}
			for i := range streams {
				var of []int
				for n := range players {
					if reads(i, streams, n, players) {
						of = append(of, n)
						rounds[n] = true
					}
				}
				if len(of) == 0 {
					t.Errorf("%d streams x %d: nobody reads stream %d", streams, players, i)
					continue
				}
				for k, n := range of[1:] {
					if apart := n - of[k]; apart < players/len(of) || apart > players/len(of)+1 {
						t.Errorf("%d streams x %d: stream %d is read by %v", streams, players, i, of)
					}
				}
				all += len(of)
			}
			if want := max(streams, (streams*players+9)/10); all != want || len(rounds) < min(streams, players) {
				t.Errorf("%d streams x %d: %d players read, of %d rounds; want %d", streams, players, all, len(rounds), want)
			}
		}
	}
}

func TestStreamURL(t *testing.T) {
	for _, tc := range []struct {
		i, publishers int
		want          string
	}{
		{0, 1, "rtmp://h/live/a?token=x"},
		{0, 2, "rtmp://h/live/a_1?token=x"},
		{9, 10, "rtmp://h/live/a_10?token=x"},
	} {
		if got := streamURL("rtmp://h/live/a?token=x", tc.i, tc.publishers); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}
