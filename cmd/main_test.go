package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/rtmptool/rtmptool/pkg/amf"
	"github.com/rtmptool/rtmptool/pkg/flv"
	"github.com/rtmptool/rtmptool/pkg/rtmp"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"rtmptool": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"hang":     hang,
	})
}

// leakChecked fails when a goroutine outlives the tests. Variables that say how to test are
// no settings of the programs that these start.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, envPrefix) {
			_ = os.Unsetenv(name) // fails for names that cannot be
		}
	}
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// hang is a command that does not end when it is interrupted.
func hang() {
	ctx, stop := interruptible(context.Background())
	defer stop()
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("stopping")
	select {}
}

// patience bounds every wait of a script.
const patience = 30 * time.Second

// TestScripts runs testdata/script through Main, in processes of their own.
func TestScripts(t *testing.T) {
	made, certs := recordings(t), certificates(t)
	testscript.Run(t, testscript.Params{
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Dir:           "testdata/script",
		Deadline:      time.Now().Add(2 * patience),
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // not a second for each process
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"await":    awaitText,
			"signal":   sendSignal,
			"address":  setAddress,
			"web":      setWeb,
			"get":      get,
			"occupy":   occupy,
			"publish":  publish,
			"recorded": recorded,
			"oneline":  oneLine,

			"make":        makeRecordings(made),
			"untouched":   untouched(made),
			"hold":        hold,
			"manager":     manager,
			"certificate": writeCertificate(certs),
			"trusted":     trusted,
		},
	})
}

// exits CODE PROGRAM ARG...: runs a program that must end with the code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await FILE [REGEXP]: waits until a file is there, and has a match.
func awaitText(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + strings.Join(args[1:], " "))
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		b, _ := os.ReadFile(ts.MkAbs(args[0]))
		_, err := os.Stat(ts.MkAbs(args[0]))
		if err == nil && want.Match(b) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s: %v, no match for %s:\n%s", args[0], err, want, b)
		}
	}
}

// signal TERM|HUP: to every program in the background.
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]))
	}
}

// address VARIABLE FILE: the last host and port that serve says in its log.
func setAddress(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		var ready struct{ Publish []string }
		if json.Unmarshal([]byte(line), &ready) == nil && len(ready.Publish) > 0 {
			_, address, _ := strings.Cut(ready.Publish[len(ready.Publish)-1], "://")
			ts.Setenv(args[0], address)
			return
		}
	}
	ts.Fatalf("%s names no address", args[1])
}

// web VARIABLE FILE: the URL of --http that serve says in its log.
func setWeb(ts *testscript.TestScript, _ bool, args []string) {
	url := regexp.MustCompile(`"http":"(http://[^"]+)"`).FindStringSubmatch(ts.ReadFile(args[1]))
	if url == nil {
		ts.Fatalf("%s names no URL", args[1])
	}
	ts.Setenv(args[0], url[1])
}

// get CODE URL: asks for what is there, which becomes stdout.
func get(ts *testscript.TestScript, _ bool, args []string) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(args[1])
	ts.Check(err)
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(ts.Stdout(), response.Body)
	ts.Check(err)
	if fmt.Sprint(response.StatusCode) != args[0] {
		ts.Fatalf("%s, want %s", response.Status, args[0])
	}
}

// occupy VARIABLE: listens on a port until the end of the script.
func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// publish ADDRESS APP/KEY: publishes three frames, which the server has read when
// it returns, and stays until the end of the script. With ! it must be refused.
func publish(ts *testscript.TestScript, neg bool, args []string) {
	address, err := rtmp.ParseAddress("rtmp://" + args[0] + "/" + args[1])
	ts.Check(err)
	conn, err := net.Dial("tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	client := rtmp.NewClient(rtmp.NewConn(conn, conn), address)
	if err := client.Publish(); neg {
		if !errors.Is(err, rtmp.ErrRefused) {
			ts.Fatalf("%v, want a refusal", err)
		}
		return
	} else {
		ts.Check(err)
	}
	for i := range uint32(3) {
		ts.Check(client.WriteMessages(rtmp.Message{
			Type: rtmp.TypeVideo, StreamID: client.StreamID, Timestamp: 40 * i,
			Body: []byte("\x17\x01\x00\x00\x00\x00\x00\x00\x02\x65k"),
		}))
	}
	ts.Check(client.WriteMessages(rtmp.Command{Name: "_checkbw", Transaction: 99}.Message(0)))
	for answered := false; !answered; {
		m, err := client.ReadMessage()
		ts.Check(err)
		cmd, _ := rtmp.ParseCommand(m)
		answered = m.Type == rtmp.TypeCommandAMF0 && cmd.Transaction == 99
	}
}

// recorded DIRECTORY N: N recordings, finished, of three frames.
func recorded(ts *testscript.TestScript, _ bool, args []string) {
	paths, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*"))
	ts.Check(err)
	if fmt.Sprint(len(paths)) != args[1] {
		ts.Fatalf("recordings: %q, want %s", paths, args[1])
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		ts.Check(err)
		tags, err := flv.NewReader(bytes.NewReader(b), int64(len(b)))
		ts.Check(err)
		script, err := tags.Next()
		ts.Check(err)
		values, err := amf.Parse(script.Body)
		ts.Check(err)
		if size, _ := amf.Get(values[1], "filesize"); size != float64(len(b)) {
			ts.Fatalf("%s is not finished: %v, want %d", path, size, len(b))
		}
		frames := 0
		for {
			var tag flv.Tag
			if tag, err = tags.Next(); err != nil {
				break
			}
			if tag.Type != flv.TagScriptAMF3 { // a mark of what is synced
				frames++
			}
		}
		if err != io.EOF || frames != 3 {
			ts.Fatalf("%s: %d frames, then %v", path, frames, err)
		}
	}
}

// oneline: the last command said one line on stderr and nothing on stdout.
func oneLine(ts *testscript.TestScript, _ bool, _ []string) {
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("stdout: %s", out)
	}
	text := ts.ReadFile("stderr")
	if !strings.HasPrefix(text, "rtmptool: ") || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("want one line, got %q", text)
	}
}

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"version":              "version",
		"serve --record-all":   "serve --record-all",
		"serve -record-all":    "serve --record-all",
		"serve -record-all -q": "serve --record-all -q",
		"serve -record-all true -record-dir ./recordings -log-level info": "serve --record-all=true --record-dir ./recordings --log-level info",
		"serve -record-all false -quiet true":                             "serve --record-all=false --quiet=true",
		"serve --record-all true":                                         "serve --record-all=true",
		"serve --record-all=false":                                        "serve --record-all=false",
		"serve -record-all=true true":                                     "serve --record-all=true true",
		"serve -record-all yes":                                           "serve --record-all yes",
		"serve -record-dir=a=b":                                           "serve --record-dir=a=b",
		"serve -listen :1 -listen [::1]:2":                                "serve --listen :1 --listen [::1]:2",
		// Values that look like flags, or like true.
		"serve -record-dir -record-all": "serve --record-dir -record-all",
		"serve -record-dir true":        "serve --record-dir true",
		"serve -record-dir -q":          "serve --record-dir -q",
		"serve -read-timeout -5s":       "serve --read-timeout -5s",
		"serve -record-dir --":          "serve --record-dir --",
		"serve -record-dir":             "serve --record-dir",
		// After -- there are no flags.
		"serve -- -record-all true": "serve -- -record-all true",
		// Shorthands, alone and together.
		"-h":          "-h",
		"serve -q":    "serve -q",
		"serve -qh":   "serve -qh",
		"-help":       "--help",
		"serve -help": "serve --help",
		// What nobody knows is said of the long form.
		"serve -record-al true": "serve --record-al true",
		"serve -x":              "serve -x",
		"serve -":               "serve -",
		"serve -=":              "serve -=",
	} {
		got := normalize(NewRoot(), strings.Fields(in))
		if diff := cmp.Diff(strings.Fields(want), append([]string{}, got...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestEnvironmentNames(t *testing.T) {
	for name, want := range map[string]string{"listen": "RTMPTOOL_LISTEN", "record-dir": "RTMPTOOL_RECORD_DIR", "max-connections": "RTMPTOOL_MAX_CONNECTIONS"} {
		if got := envName(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
		if newServe().Flags().Lookup(name) == nil {
			t.Errorf("no flag %s", name)
		}
	}
}
