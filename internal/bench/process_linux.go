package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is a process with its children, or none.
type process struct{ pid int }

func openProcess(pid int) (process, error) {
	if pid == 0 {
		return process{}, nil
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/stat", pid)); err != nil {
		return process{}, fmt.Errorf("process %d: there is none", pid)
	}
	return process{pid}, nil
}

func self() process { return process{os.Getpid()} }

// usage returns the processor time since it began, that of children that have ended
// included, and the most memory that was resident, in bytes (proc_pid_stat(5),
// proc_pid_status(5)); false if there is none, or it has ended.
func (p process) usage() (cpu time.Duration, peak int64, ok bool) {
	if p.pid == 0 {
		return 0, 0, false
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	parents, times := map[int]int{}, map[int]time.Duration{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if len(fields) < 15 {
			continue
		}
		const zombie = "Z" // has ended, and is still there for its parent to ask how
		if pid == p.pid && string(fields[0]) == zombie {
			return 0, 0, false
		}
		parents[pid], _ = strconv.Atoi(string(fields[1]))
		const tick = 10 * time.Millisecond // USER_HZ
		for _, field := range fields[11:15] {
			ticks, _ := strconv.Atoi(string(field))
			times[pid] += time.Duration(ticks) * tick
		}
	}
	if _, ok := parents[p.pid]; !ok {
		return 0, 0, false
	}
	for pid := range parents {
		if !isBelow(parents, pid, p.pid) {
			continue
		}
		cpu += times[pid]
		peak += peakOf(pid)
	}
	return cpu, peak, true
}

func isBelow(parents map[int]int, pid, root int) bool {
	for range 64 {
		if pid == root {
			return true
		}
		pid = parents[pid]
	}
	return false
}

func peakOf(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}
