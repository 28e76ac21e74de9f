package host

import (
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// hierarchy is one mounted cgroup hierarchy and this process's place in it.
type hierarchy struct {
	v2          bool
	controllers []string // of a v1 hierarchy
	mount       string   // where it is mounted
	own         string   // directory of this process's group; equal to mount or below it
}

// hierarchies reads /proc/self/mountinfo and /proc/self/cgroup (proc(5), cgroups(7)).
func (m *Machine) hierarchies() []hierarchy {
	paths := m.ownPaths()
	var out []hierarchy
	for line := range m.lines("/proc/self/mountinfo") {
		left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 || r[0] != "cgroup" && r[0] != "cgroup2" {
			continue
		}
		h := hierarchy{v2: r[0] == "cgroup2", mount: unescape(l[4])}
		key := ""
		if !h.v2 {
			h.controllers = strings.Split(r[2], ",")
			for c := range paths {
				if c != "" && slices.Contains(h.controllers, c) {
					key = c
				}
			}
			if key == "" {
				continue
			}
		}
		own, ok := paths[key]
		if !ok {
			continue
		}
		h.own = m.place(h.mount, unescape(l[3]), own)
		out = append(out, h)
	}
	return out
}

// ownPaths maps each v1 controller, and "" for the v2 hierarchy, to this process's group.
func (m *Machine) ownPaths() map[string]string {
	out := make(map[string]string)
	for line := range m.lines("/proc/self/cgroup") {
		parts := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(parts) != 3 || !strings.HasPrefix(parts[2], "/") {
			continue
		}
		for c := range strings.SplitSeq(parts[1], ",") {
			out[c] = parts[2]
		}
	}
	return out
}

// place finds the directory of a group below a mount point whose root is itself a group. Inside a container the two
// need not fit: the path may be the host's while the mount shows the container's, or may lead out of the namespace
// ("/.."). Then the nearest existing directory counts, at worst the mount point.
func (m *Machine) place(mount, root, own string) string {
	own = path.Clean(own)
	rel := own
	if root != "/" && !strings.HasPrefix(root, "/..") {
		if own == root || strings.HasPrefix(own, root+"/") {
			rel = own[len(root):]
		}
	}
	dir := path.Join(mount, rel)
	for dir != mount && !m.exists(dir) {
		dir = path.Dir(dir)
	}
	return dir
}

// chain lists a group's directory and those above it up to the mount point.
func (h hierarchy) chain() []string {
	var out []string
	for dir := h.own; ; dir = path.Dir(dir) {
		out = append(out, dir)
		if dir == h.mount || dir == "/" || dir == "." {
			return out
		}
	}
}

// has reports whether a v1 hierarchy has a controller; a v2 hierarchy has what its files show.
func (h hierarchy) has(controller string) bool {
	return h.v2 || slices.Contains(h.controllers, controller)
}

// isRoot reports whether the mount point is the root group of the whole machine, not of a container: the kernel gives
// some files to the real root only (release_agent, v1) or to every group but it (cgroup.events, v2), whatever the
// namespace shows.
func (m *Machine) isRoot(h hierarchy) bool {
	if h.v2 {
		return m.exists(h.mount+"/cgroup.procs") && !m.exists(h.mount+"/cgroup.events")
	}
	return m.exists(h.mount + "/release_agent")
}

// unescape undoes mountinfo's octal escapes (\040 for a space).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// Quota returns the CPU quota in cores: the tightest of this process's group and all that contain it, in every
// hierarchy. ok is false where there is none. Groups outside a container's namespace cannot be seen.
func (m *Machine) Quota() (cores float64, ok bool) {
	cores = math.Inf(1)
	for _, h := range m.hierarchies() {
		if !h.has("cpu") {
			continue
		}
		for _, dir := range h.chain() {
			cores = math.Min(cores, m.quotaAt(h, dir))
		}
	}
	if math.IsInf(cores, 1) {
		return 0, false
	}
	return cores, true
}

// quotaAt returns one group's quota in cores, +Inf for none or malformed.
func (m *Machine) quotaAt(h hierarchy, dir string) float64 {
	var quota, period string
	if h.v2 {
		quota, period, _ = strings.Cut(m.Setting(dir+"/cpu.max"), " ")
	} else {
		quota, period = m.Setting(dir+"/cpu.cfs_quota_us"), m.Setting(dir+"/cpu.cfs_period_us")
	}
	q, err1 := strconv.ParseInt(quota, 10, 64)
	p, err2 := strconv.ParseInt(period, 10, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return math.Inf(1)
	}
	return float64(q) / float64(p)
}

// Throttle is how often the CPU quota stopped a group since it was made.
type Throttle struct {
	Periods   int64 // enforcement periods that passed
	Throttled int64 // periods in which the group was stopped
	NS        int64 // CPU time for which its run queues were stopped
}

// Throttle returns the throttling of the group, among this process's and those that contain it, that was stopped most
// often. ok is false where no group keeps such a count.
func (m *Machine) Throttle() (t Throttle, ok bool) {
	for _, h := range m.hierarchies() {
		if !h.has("cpu") {
			continue
		}
		for _, dir := range h.chain() {
			kv := m.pairs(dir + "/cpu.stat")
			n, there := kv["nr_throttled"]
			if !there || ok && n <= t.Throttled {
				continue
			}
			ns := kv["throttled_time"]
			if h.v2 {
				ns = kv["throttled_usec"] * 1000
			}
			t, ok = Throttle{Periods: kv["nr_periods"], Throttled: n, NS: ns}, true
		}
	}
	return t, ok
}

// pairs reads a file of "key value" lines; malformed lines are left out.
func (m *Machine) pairs(p string) map[string]int64 {
	out := make(map[string]int64)
	for line := range m.lines(p) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(f[1], 10, 64); err == nil && n >= 0 {
			out[strings.TrimSuffix(f[0], ":")] = n
		}
	}
	return out
}

// Memory is the machine's memory in bytes; 0 for what is not known.
type Memory struct {
	Total, Available    int64
	SwapTotal, SwapFree int64
	Limit               int64 // cgroup limit, the tightest of the chain; 0: none
}

// Memory reads /proc/meminfo and the cgroup limits.
func (m *Machine) Memory() Memory {
	kv := m.pairs("/proc/meminfo")
	kb := func(key string) int64 {
		if n := kv[key]; n < math.MaxInt64/1024 {
			return n * 1024
		}
		return 0
	}
	mem := Memory{Total: kb("MemTotal"), Available: kb("MemAvailable"), SwapTotal: kb("SwapTotal"), SwapFree: kb("SwapFree")}
	limit := int64(math.MaxInt64)
	for _, h := range m.hierarchies() {
		file := "/memory.max"
		if !h.v2 {
			file = "/memory.limit_in_bytes"
		}
		if !h.has("memory") {
			continue
		}
		for _, dir := range h.chain() {
			if n, err := strconv.ParseInt(m.Setting(dir+file), 10, 64); err == nil && n > 0 {
				limit = min(limit, n)
			}
		}
	}
	// v1 writes "no limit" as a number near 2^63, so what exceeds the machine is no limit.
	if limit < 1<<60 && (mem.Total == 0 || limit < mem.Total) {
		mem.Limit = limit
	}
	return mem
}
