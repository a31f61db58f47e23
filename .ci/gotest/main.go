// Command gotest runs go test with the given arguments and prints one line a package, failures in
// full, every reason for which tests were not run once, and closes with the number of each.
// Subtests count, the tests that only hold them do not.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// event is one line of go test -json: see go doc test2json.
type event struct {
	Action     string
	Package    string
	ImportPath string // of a build-output
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// pkg is what is known of one package.
type pkg struct {
	state  map[string]string           // by test: the newest of run, pass, fail, skip
	output map[string]*strings.Builder // by test; "" is the package's own
}

// totals of a whole run.
type totals struct {
	passed, failed, skipped int
	reasons                 map[string]int
}

func main() {
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
	t := totals{reasons: map[string]int{}}
	pkgs := map[string]*pkg{}
	in := bufio.NewReader(stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			fmt.Print(string(line))
			continue
		}
		t.add(pkgs, e)
	}
	err = cmd.Wait()
	if err != nil && t.failed == 0 {
		fmt.Println("go test:", err)
		t.failed++
	}
	for _, reason := range slices.Sorted(maps.Keys(t.reasons)) {
		fmt.Printf("not run: %d: %s\n", t.reasons[reason], reason)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	if t.failed > 0 {
		os.Exit(1)
	}
}

func (t *totals) add(pkgs map[string]*pkg, e event) {
	if e.Action == "build-output" {
		fmt.Print(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := pkgs[e.Package]
	if p == nil {
		p = &pkg{state: map[string]string{}, output: map[string]*strings.Builder{}}
		pkgs[e.Package] = p
	}
	switch e.Action {
	case "output":
		if p.output[e.Test] == nil {
			p.output[e.Test] = &strings.Builder{}
		}
		p.output[e.Test].WriteString(e.Output)
	case "run", "pass", "fail", "skip":
		if e.Test != "" {
			p.state[e.Test] = e.Action
		} else if e.Action != "run" {
			t.close(p, e)
		}
	}
}

// close counts and prints a package that has ended with event e.
func (t *totals) close(p *pkg, e event) {
	if e.Action == "skip" && len(p.state) == 0 {
		return // no test files
	}
	var passed, failed, skipped int
	for _, name := range slices.Sorted(maps.Keys(p.state)) {
		switch p.state[name] {
		case "pass":
			if !p.hasChild(name, "pass", "skip") {
				passed++
			}
		case "skip":
			skipped++
			t.reasons[p.reason(name)]++
		default: // fail, or run: it never ended, as after a panic
			if !p.hasChild(name, "fail", "run") {
				failed++
			}
			p.print(name)
		}
	}
	if e.Action == "fail" && failed == 0 { // not built, or failed outside any test
		failed++
		p.print("")
	}
	word, note := "ok  ", ""
	if e.Action == "fail" {
		word = "FAIL"
	}
	if skipped > 0 {
		note = fmt.Sprintf(", %d skipped", skipped)
	}
	if failed > 0 {
		note += fmt.Sprintf(", %d failed", failed)
	}
	fmt.Printf("%s %-44s %6.1f s  %d passed%s\n", word, e.Package, e.Elapsed, passed, note)
	t.passed += passed
	t.failed += failed
	t.skipped += skipped
}

// hasChild tells whether a subtest of the test is in one of the states.
func (p *pkg) hasChild(test string, states ...string) bool {
	for name, state := range p.state {
		if strings.HasPrefix(name, test+"/") && slices.Contains(states, state) {
			return true
		}
	}
	return false
}

func (p *pkg) print(test string) {
	if out := p.output[test]; out != nil {
		fmt.Print(out.String())
	}
}

var logLine = regexp.MustCompile(`(?m)^\s+\S+\.go:\d+: (.*)$`)

// reason is what the test said when it skipped itself: its last log line.
func (p *pkg) reason(test string) string {
	var last string
	if out := p.output[test]; out != nil {
		for _, m := range logLine.FindAllStringSubmatch(out.String(), -1) {
			last = m[1]
		}
	}
	return cmp.Or(last, "no reason given")
}
