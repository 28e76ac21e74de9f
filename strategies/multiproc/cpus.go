package multiproc

import (
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// CPUs returns how many CPUs this process can keep busy: those that its affinity allows, or fewer, rounded up, where
// its control group or one above it has a quota of processor time. At least 1. GOMAXPROCS follows the same two, but not
// below 2, and an environment variable may set it to something else.
func CPUs() int { return min(runtime.NumCPU(), quota("/")) }

// quota returns the tightest limit of the control groups (cgroups(7), versions 1 and 2) in CPUs, or a large number.
// Under root it finds the process's proc/self and the mount points.
func quota(root string) int {
	const unlimited = 1 << 30
	groups, err1 := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	mounts, err2 := os.ReadFile(path.Join(root, "proc/self/mountinfo"))
	if err1 != nil || err2 != nil {
		return unlimited
	}
	least := unlimited
	for line := range strings.Lines(string(groups)) {
		// ID:CONTROLLERS:PATH; version 2 has no controllers.
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, _ := strings.Cut(rest, ":")
		v2 := controllers == ""
		if !v2 && !has(controllers, "cpu") {
			continue
		}
		base, top := mountPoint(string(mounts), v2)
		if base == "" {
			continue
		}
		// The mount shows the hierarchy from top on.
		if top != "/" {
			if group = strings.TrimPrefix(group, top); group == "" {
				group = "/"
			}
		}
		for group = path.Clean("/" + group); ; group = path.Dir(group) {
			least = min(least, groupLimit(path.Join(root, base, group), v2, unlimited))
			if group == "/" {
				break
			}
		}
	}
	return least
}

// has reports whether a comma-separated list has the word.
func has(list, word string) bool {
	for s := range strings.SplitSeq(list, ",") {
		if s == word {
			return true
		}
	}
	return false
}

// mountPoint finds where the cpu controller is mounted, and which group the mount shows. Fields of a line of mountinfo,
// proc_pid_mountinfo(5): ID parent device ROOT POINT options... - TYPE source SUPER.
func mountPoint(mounts string, v2 bool) (point, top string) {
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		for i := 6; i+3 < len(f); i++ {
			if f[i] != "-" {
				continue
			}
			if v2 && f[i+1] == "cgroup2" || !v2 && f[i+1] == "cgroup" && has(f[i+3], "cpu") {
				return f[4], f[3]
			}
			break
		}
	}
	return "", ""
}

// groupLimit returns the quota of one group, rounded up to CPUs.
func groupLimit(dir string, v2 bool, unlimited int) int {
	var q, p string
	if v2 {
		b, _ := os.ReadFile(path.Join(dir, "cpu.max"))
		f := strings.Fields(string(b))
		if len(f) != 2 {
			return unlimited
		}
		q, p = f[0], f[1]
	} else {
		b, _ := os.ReadFile(path.Join(dir, "cpu.cfs_quota_us"))
		q = strings.TrimSpace(string(b))
		b, _ = os.ReadFile(path.Join(dir, "cpu.cfs_period_us"))
		p = strings.TrimSpace(string(b))
	}
	quota, err1 := strconv.Atoi(q) // "max" and -1 mean none
	period, err2 := strconv.Atoi(p)
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return unlimited
	}
	return (quota + period - 1) / period
}
