package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// licences writes the licence of Go and of every module that is linked into the
// program on one of the platforms: they want to go with it.
func licences(path string) error {
	modules := map[string]string{} // name and version: directory
	for _, goos := range []string{"linux", "darwin", "windows"} {
		if err := linked(goos, modules); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		text, err := licence(modules[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "%s\n%s\n\n%s\n\n", name, strings.Repeat("=", len(name)), text)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// linked adds Go and the modules that a build for a system needs.
func linked(goos string, modules map[string]string) error {
	list := func(args ...string) (string, error) {
		c := exec.Command("go", args...)
		c.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		c.Stderr = os.Stderr
		out, err := c.Output()
		return strings.TrimSpace(string(out)), err
	}
	out, err := list("list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", ".")
	if err != nil {
		return fmt.Errorf("list modules: %w", err)
	}
	for line := range strings.Lines(out) {
		if name, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			modules[name] = dir
		}
	}
	root, err := list("env", "GOROOT")
	modules["Go"] = root
	return err
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)(\.\w+)?$`)

// licence returns the text of every licence and notice in a directory.
func licence(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, e := range entries {
		if !licenceName.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		texts = append(texts, strings.TrimSpace(string(text)))
	}
	if len(texts) == 0 {
		return "", errors.New("no licence in " + dir)
	}
	return strings.Join(texts, "\n\n"), nil
}
