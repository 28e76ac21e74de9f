package host

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// The kinds of core a machine may mix.
const (
	Performance = "performance"
	Efficiency  = "efficiency"
)

// CPU is one online logical CPU. Numbers that the machine does not tell are -1.
type CPU struct {
	ID      int
	Core    int    // the lowest CPU number of its core, so that it identifies the core on the whole machine
	Package int    // physical package (socket)
	LLC     int    // the lowest CPU number that shares its last-level cache
	Node    int    // NUMA node
	Type    string // Performance, Efficiency, or empty where all cores are alike
	// Siblings are all online CPUs of the core, itself included, ascending.
	Siblings []int
}

// Topology is the machine's online CPUs, by ascending number.
type Topology struct {
	CPUs     []CPU
	Cores    int // physical cores
	Packages int // sockets; 0 where unknown
	Nodes    int // NUMA nodes; 0 where unknown
}

const cpuDir = "/sys/devices/system/cpu/"

// cpuPath returns the sysfs path of a file of one CPU.
func cpuPath(id int, file string) string { return cpuDir + "cpu" + strconv.Itoa(id) + "/" + file }

// Topology reads the online CPUs from /sys, and what /sys does not tell from /proc/cpuinfo. The error wraps ErrUnknown
// when neither names a CPU. On the real machine there always is an answer: at worst, CPUs without any relation.
func (m *Machine) Topology() (Topology, error) {
	info := m.cpuinfo()
	online := m.list(cpuDir + "online")
	if online == nil {
		for _, c := range info {
			online = append(online, c.id)
		}
		slices.Sort(online)
		online = slices.Compact(online)
	}
	if len(online) == 0 && m.Real() {
		for i := range runtime.NumCPU() {
			online = append(online, i)
		}
	}
	if len(online) == 0 {
		return Topology{}, fmt.Errorf("read %sonline: the CPUs are %w", cpuDir, ErrUnknown)
	}
	byID := make(map[int]cpuEntry, len(info))
	for _, c := range info {
		byID[c.id] = c
	}
	types := m.coreTypes(online)
	node := m.nodes()
	llc := make(map[int]int) // by CPU; reading one CPU's cache answers for all that share it
	t := Topology{CPUs: make([]CPU, 0, len(online))}
	for _, id := range online {
		c := CPU{ID: id, Package: -1, LLC: -1, Node: -1, Type: types[id]}
		c.Package = m.number(cpuPath(id, "topology/physical_package_id"), -1)
		e, known := byID[id]
		if c.Package < 0 && known {
			c.Package = e.pkg
		}
		c.Siblings = m.siblings(id, e, known, info)
		c.Siblings = intersect(c.Siblings, online)
		if !slices.Contains(c.Siblings, id) {
			c.Siblings = []int{id}
		}
		c.Core = c.Siblings[0]
		if _, done := llc[id]; !done {
			shared := intersect(m.llc(id).cpus, online)
			for _, o := range shared {
				llc[o] = shared[0]
			}
		}
		if first, ok := llc[id]; ok {
			c.LLC = first
		}
		if n, ok := node[id]; ok {
			c.Node = n
		}
		t.CPUs = append(t.CPUs, c)
	}
	t.Cores = distinct(t.CPUs, func(c CPU) int { return c.Core })
	t.Packages = distinct(t.CPUs, func(c CPU) int { return c.Package })
	t.Nodes = distinct(t.CPUs, func(c CPU) int { return c.Node })
	return t, nil
}

// siblings returns the CPUs of a CPU's core: from sysfs under its new or old name, else from cpuinfo.
func (m *Machine) siblings(id int, e cpuEntry, known bool, info []cpuEntry) []int {
	for _, f := range []string{"topology/core_cpus_list", "topology/thread_siblings_list"} {
		if l := m.list(cpuPath(id, f)); len(l) > 0 {
			return l
		}
	}
	if !known || e.core < 0 {
		return nil
	}
	var out []int
	for _, o := range info {
		if o.core == e.core && o.pkg == e.pkg {
			out = append(out, o.id)
		}
	}
	slices.Sort(out)
	return out
}

// coreTypes tells performance from efficiency cores: by the two PMUs Intel's hybrid processors have, else by the
// scheduler's capacities, of which the largest is the performance core's. The map is empty where all are alike.
func (m *Machine) coreTypes(online []int) map[int]string {
	types := make(map[int]string)
	fast := intersect(m.list("/sys/devices/cpu_core/cpus"), online)
	slow := intersect(m.list("/sys/devices/cpu_atom/cpus"), online)
	slow = append(slow, intersect(m.list("/sys/devices/cpu_lowpower/cpus"), online)...)
	if len(fast) > 0 && len(slow) > 0 {
		for _, id := range fast {
			types[id] = Performance
		}
		for _, id := range slow {
			types[id] = Efficiency
		}
		return types
	}
	capacity := make(map[int]int, len(online))
	low, high := math.MaxInt, 0
	for _, id := range online {
		c := m.number(cpuPath(id, "cpu_capacity"), 0)
		if c <= 0 {
			return types
		}
		capacity[id] = c
		low, high = min(low, c), max(high, c)
	}
	// Favoured cores of one kind differ by a few percent (turbo bins); kinds of core differ by a quarter and more.
	if float64(low) > 0.85*float64(high) {
		return types
	}
	for id, c := range capacity {
		types[id] = Efficiency
		if float64(c) > 0.85*float64(high) {
			types[id] = Performance
		}
	}
	return types
}

// nodes maps CPUs to NUMA nodes.
func (m *Machine) nodes() map[int]int {
	out := make(map[int]int)
	const dir = "/sys/devices/system/node"
	for _, name := range m.names(dir) {
		n, err := strconv.Atoi(strings.TrimPrefix(name, "node"))
		if err != nil || !strings.HasPrefix(name, "node") {
			continue
		}
		for _, id := range m.list(dir + "/" + name + "/cpulist") {
			out[id] = n
		}
	}
	return out
}

// number reads a file that holds one decimal number; absent and malformed give the default.
func (m *Machine) number(p string, def int) int {
	n, err := strconv.Atoi(m.Setting(p))
	if err != nil {
		return def
	}
	return n
}

// intersect returns the members of a that are in b, in a's order.
func intersect(a, b []int) []int {
	in := make(map[int]bool, len(b))
	for _, x := range b {
		in[x] = true
	}
	var out []int
	for _, x := range a {
		if in[x] {
			out = append(out, x)
		}
	}
	return out
}

// distinct counts the distinct known numbers that f gives.
func distinct(cpus []CPU, f func(CPU) int) int {
	seen := make(map[int]bool)
	for _, c := range cpus {
		if n := f(c); n >= 0 {
			seen[n] = true
		}
	}
	return len(seen)
}

// Affinity returns the CPUs this process may run on, ascending: from the system call (for the process's main thread,
// because others may be pinned), and below an injected root from /proc/self/status.
func (m *Machine) Affinity() ([]int, error) {
	if m.Real() {
		cpus, err := affinity()
		if err == nil && len(cpus) > 0 {
			return cpus, nil
		}
		if err != nil && !errors.Is(err, ErrUnknown) {
			return nil, fmt.Errorf("ask for the CPU affinity: %w", err)
		}
	}
	for line := range m.lines("/proc/self/status") {
		if v, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			cpus, err := ParseList(v)
			if err == nil && len(cpus) > 0 {
				return cpus, nil
			}
			return nil, fmt.Errorf("read Cpus_allowed_list in /proc/self/status: %q: %w", strings.TrimSpace(v), ErrUnknown)
		}
	}
	return nil, fmt.Errorf("read Cpus_allowed_list in /proc/self/status: the CPU affinity is %w", ErrUnknown)
}

// Usable is what a run may use of the machine.
type Usable struct {
	CPUs  []int   // allowed by affinity, in the order to hand them out
	Cores int     // min(len(CPUs), max(1, floor(Quota)))
	Quota float64 // cgroup CPU quota in cores; 0: none
}

// Usable returns the CPUs to measure on, in the order to hand them out, so that the first k of them are the most alike
// and the least disturbed: performance cores before efficiency cores; within a type one CPU of each core before any
// sibling; package by package, and last-level cache by last-level cache, the one with most usable cores first; CPU 0,
// where interrupts and housekeeping land by default, last among its equals.
func (m *Machine) Usable() (Usable, error) {
	allowed, affErr := m.Affinity()
	topo, err := m.Topology()
	switch {
	case err == nil && affErr == nil:
	case err == nil:
		for _, c := range topo.CPUs {
			allowed = append(allowed, c.ID)
		}
	default:
		return Usable{}, err
	}
	u := Usable{CPUs: handOut(topo, allowed)}
	if len(u.CPUs) == 0 {
		return Usable{}, fmt.Errorf("no online CPU is in this process's affinity (%s): start it with taskset -c and a CPU that is online", FormatList(allowed))
	}
	u.Cores = len(u.CPUs)
	if q, ok := m.Quota(); ok {
		u.Quota = q
		u.Cores = max(1, min(u.Cores, int(math.Floor(math.Min(q, maxCPU)))))
	}
	return u, nil
}

// handOut orders the allowed online CPUs as Usable says.
func handOut(t Topology, allowed []int) []int {
	ok := make(map[int]bool, len(allowed))
	for _, id := range allowed {
		ok[id] = true
	}
	type entry struct {
		CPU
		kind, sibling int // rank of its type; rank among the usable CPUs of its core
		zero          int // 1 for CPU 0
	}
	type domain struct{ kind, pkg, llc int }
	type size struct{ cores, zero int }
	var es []entry
	taken := make(map[int]int)
	for _, c := range t.CPUs {
		if !ok[c.ID] {
			continue
		}
		e := entry{CPU: c}
		if c.Type == Efficiency {
			e.kind = 1
		}
		if c.ID == 0 {
			e.zero = 1
		}
		es = append(es, e)
	}
	// CPU 0's sibling, if it is usable, is its core's first choice.
	slices.SortStableFunc(es, func(a, b entry) int { return cmp.Or(a.zero-b.zero, a.ID-b.ID) })
	packages, caches := make(map[domain]size), make(map[domain]size)
	for i := range es {
		e := &es[i]
		e.sibling = taken[e.Core]
		taken[e.Core]++
		for _, d := range []struct {
			m map[domain]size
			k domain
		}{{packages, domain{e.kind, e.Package, 0}}, {caches, domain{e.kind, e.Package, e.LLC}}} {
			s := d.m[d.k]
			if e.sibling == 0 {
				s.cores++
			}
			s.zero |= e.zero
			d.m[d.k] = s
		}
	}
	bySize := func(a, b size) int { return cmp.Or(b.cores-a.cores, a.zero-b.zero) }
	slices.SortStableFunc(es, func(a, b entry) int {
		return cmp.Or(
			a.kind-b.kind,
			a.sibling-b.sibling,
			bySize(packages[domain{a.kind, a.Package, 0}], packages[domain{b.kind, b.Package, 0}]),
			a.Package-b.Package,
			bySize(caches[domain{a.kind, a.Package, a.LLC}], caches[domain{b.kind, b.Package, b.LLC}]),
			a.LLC-b.LLC,
			a.zero-b.zero,
			a.ID-b.ID,
		)
	})
	out := make([]int, len(es))
	for i, e := range es {
		out[i] = e.ID
	}
	return out
}
