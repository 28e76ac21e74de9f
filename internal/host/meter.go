package host

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sources of a Meter.
const (
	SourceCgroup1  = "cgroup-v1"
	SourceCgroup2  = "cgroup-v2"
	SourceProcStat = "proc-stat"
)

// userTick is the unit of /proc/stat: USER_HZ, which the auxiliary vector gives as AT_CLKTCK, is 100 on every
// architecture that Go supports.
const userTick = 10 * time.Millisecond

// Sample is a reading of the machine's CPU counters. Only differences of two samples of one meter mean anything.
type Sample struct {
	At      time.Time
	TotalNS int64 // CPU time used by all: on the whole machine, or on the given CPUs from proc-stat
	StealNS int64 // time that the hypervisor withheld from the given CPUs; in whole ticks
	TickNS  int64 // resolution of TotalNS
}

// Meter reads how much CPU time everyone on the machine used. Subtract the trial's own, the fixtures' and the harness's
// to see others. A meter is safe for concurrent use; a reading costs 6 to 14 microseconds (see docs/doctor.md).
type Meter interface {
	// Source says what is read: cgroup-v1, cgroup-v2 or proc-stat; empty when nothing can be.
	Source() string
	// Read takes a sample. cpus are the CPUs whose steal counts, and from proc-stat whose use counts; none means all.
	Read(cpus []int) (Sample, error)
}

var (
	_ Meter = rootMeter{}
	_ Meter = (*childMeter)(nil)
	_ Meter = statMeter{}
	_ Meter = noMeter{}
)

// NewMeter chooses the finest source the machine has:
//
//   - the cpuacct counter of the machine's own root group in cgroup v1: charged at every context switch and tick, in ns;
//   - the sum over the root's child groups in cgroup v2, where an init system put every process into one. The v2 root's
//     own counter is no use for short spans: it is the kernel's tick-sampled accounting (measured on Linux 6.18: it moves
//     in steps of 4 ms), while its children's are charged like v1's. Kernel threads are left out of the sum;
//   - /proc/stat of the given CPUs, in ticks of 10 ms.
//
// A container's own root group is recognised and not taken for the machine's. Inside one, and where /proc/stat is
// written by someone else (lxcfs, gVisor), nothing may be left: Source is then empty.
func (m *Machine) NewMeter() Meter {
	for _, h := range m.hierarchies() {
		file := h.mount + "/cpuacct.usage"
		if !h.v2 && h.has("cpuacct") && m.isRoot(h) && m.Setting(file) != "" {
			return rootMeter{m, file}
		}
	}
	for _, h := range m.hierarchies() {
		if !h.v2 || !m.isRoot(h) || h.own == h.mount || !m.initGrouped() {
			continue
		}
		c := &childMeter{m: m, dir: h.mount, last: make(map[string]int64)}
		if _, err := c.total(); err == nil && len(c.last) > 0 {
			return c
		}
	}
	if _, _, err := m.stat(nil); err == nil && !m.fakeStat() {
		return statMeter{m}
	}
	return noMeter{}
}

// initGrouped reports whether process 1 is in a group of its own in the v2 hierarchy, the sign of an init system that
// leaves no process in the root group.
func (m *Machine) initGrouped() bool {
	for line := range m.lines("/proc/1/cgroup") {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return p != "/" && p != ""
		}
	}
	return false
}

// fakeStat reports whether /proc/stat is not the kernel's: lxcfs mounts its own over it.
func (m *Machine) fakeStat() bool {
	for line := range m.lines("/proc/self/mountinfo") {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/proc/stat" {
			return true
		}
	}
	return false
}

// rootMeter reads the v1 root group.
type rootMeter struct {
	m    *Machine
	file string
}

func (rootMeter) Source() string { return SourceCgroup1 }

func (r rootMeter) Read(cpus []int) (Sample, error) {
	n, err := strconv.ParseInt(r.m.Setting(r.file), 10, 64)
	if err != nil {
		return Sample{}, fmt.Errorf("read %s: %w", r.file, err)
	}
	return Sample{At: time.Now(), TotalNS: n, StealNS: r.m.steal(cpus), TickNS: 1}, nil
}

// childMeter adds up the v2 root's children. Groups come and go, so it accumulates what each gained since the last
// reading; a group that vanished takes what it used since then with it.
type childMeter struct {
	m    *Machine
	dir  string
	mu   sync.Mutex
	last map[string]int64
	sum  int64
	read bool
}

func (*childMeter) Source() string { return SourceCgroup2 }

func (c *childMeter) Read(cpus []int) (Sample, error) {
	total, err := c.total()
	if err != nil {
		return Sample{}, err
	}
	return Sample{At: time.Now(), TotalNS: total, StealNS: c.m.steal(cpus), TickNS: 1000}, nil
}

// total reads every child. A child that is new since the first reading counts from zero.
func (c *childMeter) total() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := make(map[string]int64, len(c.last))
	for _, name := range c.m.names(c.dir) {
		kv := c.m.pairs(c.dir + "/" + name + "/cpu.stat")
		us, ok := kv["usage_usec"]
		if !ok {
			continue
		}
		now[name] = us * 1000
		if was, known := c.last[name]; known || c.read {
			c.sum += max(0, us*1000-was)
		}
	}
	if len(now) == 0 {
		return 0, fmt.Errorf("read %s/*/cpu.stat: the CPU time of groups is %w", c.dir, ErrUnknown)
	}
	c.last, c.read = now, true
	return c.sum, nil
}

// statMeter reads /proc/stat.
type statMeter struct{ m *Machine }

func (statMeter) Source() string { return SourceProcStat }

func (s statMeter) Read(cpus []int) (Sample, error) {
	busy, steal, err := s.m.stat(cpus)
	if err != nil {
		return Sample{}, err
	}
	return Sample{At: time.Now(), TotalNS: busy, StealNS: steal, TickNS: int64(userTick)}, nil
}

// noMeter knows nothing.
type noMeter struct{}

func (noMeter) Source() string { return "" }

func (noMeter) Read([]int) (Sample, error) {
	return Sample{}, fmt.Errorf("read the machine's CPU time: neither a root group nor /proc/stat is there on %s: %w", runtime.GOOS, ErrUnknown)
}

// steal returns the stolen time of the given CPUs, 0 where it is not known.
func (m *Machine) steal(cpus []int) int64 {
	_, steal, err := m.stat(cpus)
	if err != nil {
		return 0
	}
	return steal
}

// stat returns the busy time (user, nice, system, irq, softirq; guests are part of user) and the stolen time of the
// given CPUs, of all for none, in nanoseconds. A file that says no CPU was ever busy is not the kernel's.
func (m *Machine) stat(cpus []int) (busy, steal int64, err error) {
	want := make(map[string]bool, len(cpus))
	for _, id := range cpus {
		want["cpu"+strconv.Itoa(id)] = true
	}
	if len(cpus) == 0 {
		want["cpu"] = true
	}
	found := 0
	for line := range m.lines("/proc/stat") {
		if !strings.HasPrefix(line, "cpu") {
			break // the CPUs come first; the rest can be long
		}
		f := strings.Fields(line)
		if len(f) < 8 || !want[f[0]] {
			continue
		}
		found++
		for i, v := range f[1:] {
			n, perr := strconv.ParseInt(v, 10, 64)
			if perr != nil || n < 0 || n > 1<<36 {
				return 0, 0, fmt.Errorf("read /proc/stat: field %d of %s is not a count: %w", i+1, f[0], ErrUnknown)
			}
			switch i {
			case 0, 1, 2, 5, 6:
				busy += n * int64(userTick)
			case 7:
				steal += n * int64(userTick)
			}
		}
	}
	if found < len(want) || found == 0 {
		return 0, 0, fmt.Errorf("read /proc/stat: %d of %d CPUs are listed: %w", found, len(want), ErrUnknown)
	}
	if busy == 0 && len(cpus) == 0 {
		return 0, 0, fmt.Errorf("read /proc/stat: no CPU was ever busy: %w", ErrUnknown)
	}
	return busy, steal, nil
}
