package cmd

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

const envFile = "../.packaging/rtmptool.env"

// serviceSettings are what the service does not leave at the default.
var serviceSettings = map[string]string{
	"record-all": "true",
	"record-dir": "/var/lib/rtmptool/recordings",
}

// The environment file of the service has every flag of serve, once: its usage as a
// comment, then its variable with the default behind a #, or with the service's value.
// With -update what changed is written anew in its place, and what is new at the end,
// from where it is moved to its group by hand.
func TestEnvironmentFile(t *testing.T) {
	text := readEnvFile(t)
	known := map[string]bool{}
	fresh := text
	newServe().Flags().VisitAll(func(f *pflag.Flag) {
		known[envName(f.Name)] = true
		want := envLines(f)
		if strings.Count(text, "\n"+want+"\n") == 1 {
			return
		}
		old := regexp.MustCompile(`(?m)^# .*\n#?` + envName(f.Name) + `=.*$`)
		if old.MatchString(fresh) {
			fresh = old.ReplaceAllLiteralString(fresh, want)
		} else {
			fresh += "\n" + want + "\n"
		}
		if !*update {
			t.Errorf("%s has not once (go test ./cmd -run TestEnvironmentFile -update writes it):\n\n%s", envFile, want)
		}
	})
	for _, m := range envVariable.FindAllStringSubmatch(text, -1) {
		if !known[m[1]] {
			t.Errorf("%s has %s, but serve has no such flag", envFile, m[1])
		}
	}
	if *update {
		if err := os.WriteFile(envFile, []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var envVariable = regexp.MustCompile(`(?m)^#?(RTMPTOOL_[A-Z_]+)=(.*)$`)

func readEnvFile(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(envFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// envLines describes a flag.
func envLines(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	if value, ok := serviceSettings[f.Name]; ok {
		return fmt.Sprintf("# %s\n%s=%s", usage, envName(f.Name), value)
	}
	return fmt.Sprintf("# %s\n#%s=%s", usage, envName(f.Name), envDefault(f))
}

// envDefault is a default as a variable gives it: of a list its one element.
func envDefault(f *pflag.Flag) string {
	if _, ok := f.Value.(pflag.SliceValue); ok {
		return strings.Trim(f.DefValue, "[]")
	}
	return f.DefValue
}

// Taking a # away changes nothing: the default is what the variable sets.
func TestEnvironmentFileDefaults(t *testing.T) {
	for _, m := range envVariable.FindAllStringSubmatch(readEnvFile(t), -1) {
		// systemd knows quotes and backslashes, a shell would split words.
		if strings.ContainsAny(m[2], " \t\"'\\$`") {
			t.Errorf("%s: a value that needs quotes", m[0])
		}
		t.Setenv(m[1], m[2])
	}
	c := newServe()
	if err := applyEnv(c, func(text string) { t.Error(text) }); err != nil {
		t.Fatal(err)
	}
	var changed []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Value.String() != f.DefValue {
			changed = append(changed, f.Name)
		}
	})
	slices.Sort(changed)
	if want := slices.Sorted(maps.Keys(serviceSettings)); !slices.Equal(changed, want) {
		t.Errorf("%q are not as by default, want only %q", changed, want)
	}
}
