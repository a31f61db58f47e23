package cmd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/rtmptool/rtmptool/internal/bench"
	"github.com/rtmptool/rtmptool/internal/status"
)

type benchOptions struct {
	bench.Options
	bitrate rateValue
	format  string
	out     string
	quiet   bool
}

func newBench() *cobra.Command {
	o := benchOptions{bitrate: 4e6}
	c := &cobra.Command{
		Use:   "bench URL",
		Short: "Put load on an RTMP server, and measure what it delivers",
		Long: `bench publishes streams to any RTMP server, plays them, and measures: the share that
is delivered, gaps, the latency of video frames, the time to the first keyframe, and
with the server's process id what it costs. Each frame carries a stamp that servers
pass on. With several publishers the keys of the streams are key_1, key_2 and so on.

Latency is from the moment a frame was due to be sent until a player has read it all; of
streams that somebody else publishes there is none. One player in ten reads stamps, and of
each stream one at least; the others only count bytes, and acknowledge them about once a
second.

A warning tells when the machine may be the limit and not the server: when one frame in a
hundred is written more than 10 ms late, or bench and the server (with --pid) use 80 % of
the processors. Then measure with less load, or from another machine.

rtmps://HOST/app/key publishes and plays over TLS, on port 443 unless the URL names
another. Its players decrypt everything.

What is shown of the URL lacks its password and the values of its query.

Measuring begins when every player has seen a keyframe. Those that see none within 15 s
of the last one's start are given up, and lost. Some servers refuse players while they
find out what is published: of a stream that bench publishes, players ask again, until one
is in or 5 s have passed; the time to the first keyframe includes that.

Pictures are noise, behind the parameter sets and slice headers of an encoder without B
frames.

Exit status: 0 measured, and nobody was lost; 1 it could not be, publishers or players
lost their connection, or players got no keyframe; 2 wrong arguments.`,
		Example: `  rtmptool bench rtmp://127.0.0.1/live/bench
  rtmptool bench rtmp://127.0.0.1/live/bench --players 200 --pid $(pidof rtmptool)
  rtmptool bench rtmp://127.0.0.1/live/bench --publishers 100 --players 1 --bitrate 2M
  rtmptool bench rtmp://server/live/main --publishers 0 --players 50 --out load.html
  rtmptool bench rtmps://127.0.0.1:1936/live/bench --tls-insecure`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return usageError{hintError{errors.New("want one URL"), "for example: rtmptool bench rtmp://127.0.0.1/live/bench"}}
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := applyEnv(c, onStderr(c)); err != nil {
				return err
			}
			if err := checkFormat(o.format); err != nil {
				return err
			}
			o.URL, o.Bitrate = args[0], int64(o.bitrate)
			if err := o.Check(); err != nil {
				return usageError{hintError{err, "see: rtmptool bench --help"}}
			}
			return runBench(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.IntVar(&o.Publishers, "publishers", 1, "streams to publish; 0: play one that is there")
	f.IntVar(&o.Players, "players", 10, "players of each stream")
	f.IntVar(&o.Slow, "slow", 0, "players of each stream beside them that stop reading")
	f.Var(&o.bitrate, "bitrate", "of a stream, sound included, for example 500k or 4M bit/s")
	f.IntVar(&o.FPS, "fps", 30, "frames a second")
	f.DurationVar(&o.GOP, "gop", 2*time.Second, "from one keyframe to the next")
	f.StringVar(&o.Codec, "codec", "h264", "video: h264, hevc (Enhanced RTMP)")
	f.DurationVar(&o.Duration, "duration", 20*time.Second, "how long to measure, once everybody is there; whole seconds")
	f.DurationVar(&o.Ramp, "ramp", 0, "time over which players join; 0: all at once")
	f.IntVar(&o.PID, "pid", 0, "process of the server, to measure its CPU and memory, children included (Linux)")
	f.BoolVar(&o.AnyCert, "tls-insecure", false, "rtmps: take any certificate, one that signs itself for example")
	f.StringVar(&o.out, "out", "", "also write a page with charts to this HTML file")
	f.StringVar(&o.format, "format", "text", "output: text, json")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "result only, no table on a terminal")
	return c
}

func runBench(ctx context.Context, o benchOptions, stdout, stderr io.Writer) error {
	if o.out != "" { // an error is told before the work
		if err := status.CheckFile(o.out); err != nil {
			return hintError{fmt.Errorf("--out: %w", err), "name a file in a directory that is there and can be written to"}
		}
	}
	screen := status.NewScreen(stderr, isTerminal(stderr) && !o.quiet)
	lines := []string{bench.Header}
	result, err := bench.Run(ctx, o.Options, func(s bench.Second) {
		const kept = 10 // lines
		if !screen.Interactive() {
			return
		}
		if len(lines) > kept {
			lines = append(lines[:1], lines[2:]...)
		}
		lines = append(lines, bench.Line(s))
		screen.Show(lines)
	})
	screen.Show(nil)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return hintError{err, "is a server listening there?"}
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return hintError{err, "--tls-insecure takes any certificate"}
	case strings.HasPrefix(o.URL, "rtmps:") && (errors.As(err, new(tls.RecordHeaderError)) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)):
		return hintError{err, "is RTMPS served there?"}
	case err != nil:
		return err
	}
	if o.format == "json" {
		err = bench.JSON(stdout, result)
	} else {
		err = bench.Text(stdout, result)
	}
	if o.out != "" {
		var page bytes.Buffer
		err = errors.Join(err, bench.HTML(&page, result))
		if err == nil {
			err = status.ReplaceFile(o.out, page.Bytes())
		}
	}
	if err == nil {
		err = lost(result)
	}
	return err
}

// lost is an error if somebody did not stay to the end, or was never there.
func lost(r *bench.Result) error {
	var who, all []string
	if r.LostPublishers > 0 {
		who = append(who, fmt.Sprintf("%d of %d publishers", r.LostPublishers, r.Publishers))
	}
	players := r.Players + r.Slow
	if n := r.Lost - r.WithoutKeyframe; n > 0 {
		who = append(who, fmt.Sprintf("%d of %d players", n, players))
	}
	if who != nil {
		all = append(all, strings.Join(who, " and ")+" lost their connection")
	}
	if r.WithoutKeyframe > 0 {
		all = append(all, fmt.Sprintf("%d of %d players got no keyframe", r.WithoutKeyframe, players))
	}
	if all == nil {
		return nil
	}
	return hintError{errors.New(strings.Join(all, ", ")), "the result's problems and the server's log tell why"}
}

// rateValue is a flag's number of bits a second: "500k", "4M", "2500000".
type rateValue int64

func (v *rateValue) String() string {
	switch n := int64(*v); {
	case n >= 1e6 && n%1e5 == 0:
		return strconv.FormatFloat(float64(n)/1e6, 'f', -1, 64) + "M"
	case n >= 1e3 && n%1e3 == 0:
		return strconv.FormatInt(n/1e3, 10) + "k"
	default:
		return strconv.FormatInt(n, 10)
	}
}

func (*rateValue) Type() string { return "bitrate" }

func (v *rateValue) Set(text string) error {
	number, factor := strings.TrimRight(text, "kKM"), 1.0
	switch text[len(number):] {
	case "":
	case "k", "K":
		factor = 1e3
	case "M":
		factor = 1e6
	default:
		number = "?"
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0) || n*factor > math.MaxInt32 {
		return wantError("bits a second, for example 500k or 4M")
	}
	*v = rateValue(n * factor)
	return nil
}
