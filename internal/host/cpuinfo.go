package host

import (
	"iter"
	"strconv"
	"strings"
)

// cpuEntry is what /proc/cpuinfo tells of one logical CPU; numbers it does not tell are -1.
type cpuEntry struct {
	id, pkg, core int
	model         string
	flags         string
	mhz           float64
	part          string // Arm: "implementer 0x41 part 0xd0c"
}

// lines iterates over a file's lines; none when it cannot be read.
func (m *Machine) lines(p string) iter.Seq[string] {
	s, err := m.read(p)
	if err != nil {
		return func(func(string) bool) {}
	}
	return strings.Lines(s)
}

// cpuinfo reads /proc/cpuinfo: one entry per "processor" line. Fields differ by architecture; absent ones stay unknown.
func (m *Machine) cpuinfo() []cpuEntry {
	var out []cpuEntry
	for line := range m.lines("/proc/cpuinfo") {
		k, v, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		k, v = strings.TrimSpace(k), strings.TrimSpace(v)
		if k == "processor" {
			if id, err := listNumber(v); err == nil {
				out = append(out, cpuEntry{id: id, pkg: -1, core: -1})
			}
			continue
		}
		if len(out) == 0 {
			continue
		}
		e := &out[len(out)-1]
		switch k {
		case "physical id":
			e.pkg = atoi(v, -1)
		case "core id":
			e.core = atoi(v, -1)
		case "model name", "cpu", "uarch":
			e.model = v
		case "flags", "Features":
			e.flags = " " + v + " "
		case "cpu MHz":
			e.mhz, _ = strconv.ParseFloat(v, 64)
		case "CPU implementer":
			e.part = "implementer " + v
		case "CPU part":
			e.part += " part " + v
		}
	}
	return out
}

// has reports whether a flag is listed.
func (e cpuEntry) has(flag string) bool { return strings.Contains(e.flags, " "+flag+" ") }

// atoi reads a decimal number; malformed gives the default.
func atoi(s string, def int) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return def
	}
	return n
}

// cache is one data or unified cache of one CPU.
type cache struct {
	level int
	bytes int64
	cpus  []int
}

// caches returns the data and unified caches of a CPU by ascending level.
func (m *Machine) caches(id int) []cache {
	var out []cache
	for i := range 16 {
		dir := cpuPath(id, "cache/index"+strconv.Itoa(i)+"/")
		level := m.number(dir+"level", 0)
		if level <= 0 {
			break
		}
		if m.Setting(dir+"type") == "Instruction" {
			continue
		}
		c := cache{level: level, bytes: parseSize(m.Setting(dir + "size")), cpus: m.list(dir + "shared_cpu_list")}
		at := len(out)
		for at > 0 && out[at-1].level > level {
			at--
		}
		out = append(out[:at], append([]cache{c}, out[at:]...)...)
	}
	return out
}

// llc returns a CPU's last-level cache; the zero value where it is not known.
func (m *Machine) llc(id int) cache {
	cs := m.caches(id)
	if len(cs) == 0 {
		return cache{}
	}
	return cs[len(cs)-1]
}

// parseSize reads sizes such as "48K", "266240K" and "2M"; malformed gives 0.
func parseSize(s string) int64 {
	shift := 0
	switch {
	case strings.HasSuffix(s, "K"):
		shift = 10
	case strings.HasSuffix(s, "M"):
		shift = 20
	case strings.HasSuffix(s, "G"):
		shift = 30
	}
	if shift > 0 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > 1<<40>>shift {
		return 0
	}
	return n << shift
}

// LLCShare returns a CPU's share of its last-level data cache, in bytes: the size divided by the logical CPUs that share
// it, for the CPU that Usable hands out first. It is 0 where the cache is not known.
func (m *Machine) LLCShare() int64 {
	c := m.llc(m.first())
	if c.bytes <= 0 {
		return 0
	}
	return c.bytes / int64(max(1, len(c.cpus)))
}

// first returns the CPU that Usable hands out first, 0 where that is not known.
func (m *Machine) first() int {
	u, err := m.Usable()
	if err != nil {
		return 0
	}
	return u.CPUs[0]
}

// Mhz returns the mean current frequency of the given CPUs in MHz, 0 where it cannot be read: from cpufreq, or from
// /proc/cpuinfo where the kernel measures it (the aperfmperf counters, and no hypervisor, under which the number is the
// nominal one).
func (m *Machine) Mhz(cpus []int) float64 {
	var sum float64
	n := 0
	for _, id := range cpus {
		if khz := m.number(cpuPath(id, "cpufreq/scaling_cur_freq"), 0); khz > 0 {
			sum += float64(khz) / 1e3
			n++
		}
	}
	if n == 0 {
		want := make(map[int]bool, len(cpus))
		for _, id := range cpus {
			want[id] = true
		}
		for _, e := range m.cpuinfo() {
			if want[e.id] && e.mhz > 0 && e.has("aperfmperf") && !e.has("hypervisor") {
				sum += e.mhz
				n++
			}
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// Load1 returns the load average of the last minute, 0 where it is not known.
func (m *Machine) Load1() float64 {
	s, _, _ := strings.Cut(m.Setting("/proc/loadavg"), " ")
	l, err := strconv.ParseFloat(s, 64)
	if err != nil || l < 0 || l != l || l > 1e9 {
		return 0
	}
	return l
}
