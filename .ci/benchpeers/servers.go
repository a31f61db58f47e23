package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// server is one that takes part.
type server struct {
	name    string
	version string
	config  string // what the report says of it
	formats string // that it records
	secure  bool   // RTMPS
	command func(home string, port int, sc scenario) (*exec.Cmd, error)
}

// can tells whether a server has what a scenario needs. nginx-rtmp's FLV is what both of
// our formats are compared with.
func (s server) can(sc scenario) bool {
	return sc.record == "" || strings.Contains(s.formats, sc.record)
}

func findServers(ctx context.Context, dir, tool string) (all []server, err error) {
	version := func(args ...string) string {
		out, _ := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return first
	}
	all = append(all, server{
		name: "rtmptool", version: version("git", "describe", "--tags", "--always", "--dirty") + ", " + runtime.Version(),
		config: "`serve --log-level warn --max-connections-per-ip 0`; throughput mode `--min-latency 350ms --max-latency 350ms`; recording `--record-all`, else defaults", formats: "flv mp4",
		command: rtmptoolCommand(tool),
	})
	nginx, modules, module, err := findNginx(ctx)
	if err != nil {
		return nil, err
	}
	all = append(all, server{
		name: "nginx-rtmp", version: version(nginx, "-v") + ", " + module, config: "1 worker, `live on`, `chunk_size 60000`, no access log; recording `record all`, always FLV", formats: "flv mp4",
		command: func(home string, port int, sc scenario) (*exec.Cmd, error) {
			record := ""
			if sc.record != "" {
				record = fmt.Sprintf("record all; record_path %s; record_unique on;", home)
			}
			return configured(home, "nginx.conf", fmt.Sprintf(`
daemon off; user root; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log error;
load_module %[2]s/ngx_rtmp_module.so;
events { worker_connections 4096; }
rtmp { server { listen 127.0.0.1:%[3]d; chunk_size 60000; access_log off;
  application live { live on; %[4]s } } }
`, home, modules, port, record), func(path string) *exec.Cmd { return exec.Command(nginx, "-p", home, "-c", path) })
		},
	})
	if bin := os.Getenv("SRS_BIN"); bin != "" {
		for _, mode := range []struct{ name, set, says, formats string }{
			{"SRS", "", "; recording `dvr_plan session`", "flv"},
			{"SRS low", "min_latency on; play { mw_latency 0; mw_msgs 0; }", ", `min_latency on`, `mw_latency 0`, `mw_msgs 0`", ""},
		} {
			all = append(all, server{name: mode.name, version: version(bin, "-v"), config: "`tcp_nodelay on`" + mode.says, formats: mode.formats, command: func(home string, port int, sc scenario) (*exec.Cmd, error) {
				record := ""
				if sc.record != "" {
					record = fmt.Sprintf("dvr { enabled on; dvr_plan session; dvr_path %s/[stream].flv; }", home)
				}
				return configured(home, "srs.conf", fmt.Sprintf(`
listen 127.0.0.1:%d; max_connections 4000; daemon off; srs_log_tank console; srs_log_level error; pid %s/pid;
vhost __defaultVhost__ { tcp_nodelay on; %s %s }
`, port, home, mode.set, record), func(path string) *exec.Cmd { return exec.Command(bin, "-c", path) })
			}})
		}
	}
	if bin := os.Getenv("MEDIAMTX_BIN"); bin != "" {
		all = append(all, server{name: "MediaMTX", version: version(bin, "--version"), config: "RTMP alone; recording `recordFormat: fmp4`", formats: "mp4", command: func(home string, port int, sc scenario) (*exec.Cmd, error) {
			return configured(home, "mediamtx.yml", fmt.Sprintf(`
logLevel: error
rtsp: no
hls: no
webrtc: no
srt: no
rtmpAddress: 127.0.0.1:%d
pathDefaults: {record: %t, recordFormat: fmp4, recordPath: %q}
paths: {all_others: {}}
`, port, sc.record != "", home+"/%path/%Y-%m-%d_%H-%M-%S-%f"), func(path string) *exec.Cmd { return exec.Command(bin, path) })
		}})
	}
	if bin := os.Getenv("LAL_BIN"); bin != "" {
		all = append(all, server{name: "lal", version: strings.TrimPrefix(version(bin, "-v"), "GitTag="), config: "RTMP alone; recording `enable_flv`", formats: "flv", command: func(home string, port int, sc scenario) (*exec.Cmd, error) {
			return configured(home, "lal.json", fmt.Sprintf(`{"conf_version": "v0.4.1", "rtmp": {"enable": true, "addr": "127.0.0.1:%[1]d", "gop_num": 1},
"record": {"enable_flv": %[3]t, "flv_out_path": "%[2]s/"}, "log": {"level": 4, "filename": "%[2]s/log"}}`, port, home, sc.record != ""),
				func(path string) *exec.Cmd { return exec.Command(bin, "-c", path) })
		}})
	}
	return all, nil
}

// absent names the servers that could take part.
func absent() (names []string) {
	for _, s := range []struct{ name, variable string }{{"SRS", "SRS_BIN"}, {"MediaMTX", "MEDIAMTX_BIN"}, {"lal", "LAL_BIN"}} {
		if os.Getenv(s.variable) == "" {
			names = append(names, s.name+" (`"+s.variable+"`)")
		}
	}
	return names
}

// rtmptoolCommand runs serve with its defaults, but for some flags.
func rtmptoolCommand(tool string, flags ...string) func(home string, port int, sc scenario) (*exec.Cmd, error) {
	return func(home string, port int, sc scenario) (*exec.Cmd, error) {
		args := []string{"serve", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--log-level", "warn", "--max-connections-per-ip", "0"}
		if sc.wait > 0 {
			args = append(args, "--min-latency", sc.wait.String(), "--max-latency", sc.wait.String())
		}
		if sc.record != "" {
			args = append(args, "--record-all", "--record-dir", home, "--record-format", sc.record)
		}
		return exec.Command(tool, append(args, flags...)...), nil
	}
}

// configured writes a configuration and returns the command that takes it.
func configured(home, name, text string, command func(path string) *exec.Cmd) (*exec.Cmd, error) {
	path := filepath.Join(home, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, err
	}
	cmd := command(path)
	cmd.Dir = home
	return cmd, nil
}

// findNginx returns nginx, the directory of its RTMP module and the version of that: those that are
// installed, or else Debian's packages, unpacked in the cache once.
func findNginx(ctx context.Context) (bin, modules, version string, err error) {
	const module, installed = "ngx_rtmp_module.so", "/usr/lib/nginx/modules"
	if path, err := exec.LookPath("nginx"); err == nil {
		if _, err := os.Stat(filepath.Join(installed, module)); err == nil {
			name, _ := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Package}_${Version}", "libnginx-mod-rtmp").Output()
			return path, installed, string(name), nil
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", "", err
	}
	root := filepath.Join(cache, "rtmptool-tools", "nginx")
	bin, modules = filepath.Join(root, "usr/sbin/nginx"), filepath.Join(root, installed)
	packages := filepath.Join(root, "packages")
	if names, err := os.ReadFile(packages); err == nil {
		return bin, modules, strings.TrimSpace(string(names)), nil
	}
	fetch := exec.CommandContext(ctx, "sh", "-ec", `
		rm -rf "$1.new" "$1"
		mkdir -p "$1.new" && cd "$1.new"
		apt-get download nginx libnginx-mod-rtmp
		for deb in *.deb; do dpkg -x "$deb" .; done
		basename -s .deb libnginx-mod-rtmp_*.deb | sed 's/_[^_]*$//; s/%3a/:/' >packages
		rm *.deb
		mv "$1.new" "$1"`, "sh", root)
	if out, err := fetch.CombinedOutput(); err != nil {
		return "", "", "", fmt.Errorf("nginx with libnginx-mod-rtmp cannot be fetched; install it: %w\n%s", err, out)
	}
	names, err := os.ReadFile(packages)
	return bin, modules, strings.TrimSpace(string(names)), err
}
