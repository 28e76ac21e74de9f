package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"github.com/parbench/parbench/internal/host"
)

func checkCPUs(f facts) Check {
	c := Check{Name: "cpus", Severity: OK, Why: "core counts are taken from the CPUs that this process may run on"}
	if f.useErr != nil {
		c.Value, c.Severity = "unknown: "+f.useErr.Error(), Unknown
		return c
	}
	n := len(f.usable.CPUs)
	c.Value = fmt.Sprintf("%d usable of %d online, in the order %s", n, len(f.topo.CPUs), host.FormatList(f.usable.CPUs))
	if n < len(f.topo.CPUs) {
		c.Severity = Note
		c.Why = "an affinity mask or a cpuset keeps this process from the other CPUs"
		c.Remedy = "start it outside that cpuset, or with taskset -c " + onlineList(f.topo)
	}
	return c
}

// onlineList writes the online CPUs.
func onlineList(t host.Topology) string {
	ids := make([]int, len(t.CPUs))
	for i, c := range t.CPUs {
		ids[i] = c.ID
	}
	return host.FormatList(ids)
}

func checkCoreTypes(f facts) Check {
	c := Check{Name: "core types", Value: "all cores are alike", Severity: OK}
	names, counts := f.kinds()
	if len(names) == 0 {
		c.Value, c.Severity = "unknown", Unknown
		return c
	}
	if len(names) == 1 {
		return c
	}
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("%d %s", counts[n], n)
	}
	c.Value, c.Severity = strings.Join(parts, ", "), Note
	c.Why = "core counts beyond the first type mix cores of different speed, which bends scaling curves for every strategy"
	c.Remedy = fmt.Sprintf("keep to one type: parbench run -c up to %d", counts[names[0]])
	return c
}

func checkSMT(f facts) Check {
	c := Check{Name: "smt", Value: f.env.SMT, Severity: OK}
	physical, logical := f.physical(), len(f.usable.CPUs)
	switch {
	case physical > 0 && logical > physical:
		c.Value = fmt.Sprintf("on: %d CPUs on %d cores", logical, physical)
		c.Severity = Note
		c.Why = "two siblings share one core's units, so core counts beyond the number of cores scale less; siblings are handed out last"
		c.Remedy = fmt.Sprintf("keep to cores: parbench run -c up to %d; or echo off | sudo tee /sys/devices/system/cpu/smt/control", physical)
	case f.env.SMT == "on":
		c.Value = "on, but no two usable CPUs share a core"
		c.Severity = Note
		c.Why = "others may run on the siblings of the usable CPUs and share their cores"
	case f.env.SMT == "":
		c.Value, c.Severity = "unknown", Unknown
	}
	if f.virtual() && c.Severity == OK {
		c.Why = "a virtual CPU may be one of two siblings on the host, which cannot be seen from here"
	}
	return c
}

func checkGovernor(f facts) Check {
	c := Check{Name: "governor", Value: f.env.Governor, Severity: OK}
	switch f.env.Governor {
	case "performance":
	case "":
		c.Value, c.Severity = "unknown", Unknown
		c.Why = "the frequency is not set from here"
		if f.virtual() {
			c.Why = "the host decides on the frequency"
		}
	default:
		c.Severity = Warn
		c.Why = "the frequency follows the load with a delay, so short batches and few busy cores run slower than long ones"
		c.Remedy = "sudo cpupower frequency-set -g performance"
		if f.env.Governor == "userspace" {
			c.Severity = Note
			c.Why = "a program sets the frequency; results hold for that frequency"
		}
	}
	return c
}

func checkTurbo(f facts) Check {
	c := Check{Name: "turbo", Value: f.env.Turbo, Severity: OK}
	switch f.env.Turbo {
	case "on":
		c.Severity = Note
		c.Why = "one busy core runs at a higher frequency than all of them, so speedups look smaller than the strategy deserves; reports show the machine's own ceiling beside them"
		off := "0"
		if strings.HasSuffix(f.turboFile, "no_turbo") {
			off = "1"
		}
		c.Remedy = "echo " + off + " | sudo tee " + f.turboFile
	case "":
		c.Value, c.Severity = "unknown", Unknown
		c.Why = "no switch is shown here"
	}
	return c
}

// Load averages count runnable and uninterruptible tasks. A quarter of a task is what a desktop at rest shows; from one
// task on, some CPU is always busy with something else; with as many as there are CPUs none is ever free.
func checkLoad(f facts) Check {
	c := Check{Name: "load", Value: number(f.env.Load1) + " over the last minute", Severity: OK}
	cpus := float64(max(1, len(f.topo.CPUs)))
	switch l := f.env.Load1; {
	case l == 0:
		c.Value = "0 or unknown"
	case l >= cpus && l >= 1:
		c.Severity = Bad
		c.Why = "every CPU had other work to do in the last minute"
	case l >= 1:
		c.Severity = Warn
		c.Why = "about " + number(l) + " CPUs had other work to do in the last minute"
	case l >= 0.25:
		c.Severity = Note
		c.Why = "something ran for a part of the last minute; it may have been the build of this program"
	}
	if c.Severity == Warn || c.Severity == Bad {
		c.Remedy = "end other programs (top shows them), or wait a minute if they have ended"
	}
	return c
}

func checkQuota(f facts) Check {
	c := Check{Name: "cpu quota", Value: "none", Severity: OK}
	q := f.usable.Quota
	if q <= 0 {
		return c
	}
	c.Value = number(q) + " cores"
	c.Severity = Warn
	c.Why = fmt.Sprintf("a group that uses up its quota is stopped until the period (usually 100 ms) ends; core counts go up to %d", f.usable.Cores)
	c.Remedy = "raise or remove the quota (docker run --cpus, Kubernetes limits.cpu, systemd CPUQuota=), and restrict with --cpuset-cpus instead"
	if q < 1 {
		c.Severity = Bad
		c.Why = "less than one core: even a sequential run is stopped in most periods"
	}
	return c
}

func checkThrottling(f facts) Check {
	c := Check{Name: "throttling", Severity: OK}
	t := f.throttle
	switch {
	case !f.counted:
		c.Value = "no counter"
		if f.usable.Quota > 0 {
			c.Severity = Unknown
		}
	case t.Throttled == 0:
		c.Value = "never"
	default:
		c.Value = fmt.Sprintf("%d of %d periods, %s s in all", t.Throttled, t.Periods, number(float64(t.NS)/1e9))
		c.Severity = Warn
		c.Why = "the group was stopped for having used up its quota; a batch that meets such a stop takes up to a period longer"
		c.Remedy = "raise the quota, or measure fewer cores than it allows"
		if t.Periods > 0 && float64(t.Throttled) > 0.1*float64(t.Periods) {
			c.Severity = Bad
		}
	}
	return c
}

func checkVirtualisation(f facts) Check {
	c := Check{Name: "virtualisation", Value: f.env.Virtualisation, Severity: OK}
	switch f.env.Virtualisation {
	case "":
		c.Value, c.Severity = "unknown", Unknown
	case "none":
	default:
		c.Severity = Note
		c.Why = "neighbours on the host share caches, memory bandwidth and frequency, and of that only steal can be seen from here"
		c.Remedy = "compare only within one run, where the order is interleaved; for absolute numbers use a machine of your own"
	}
	return c
}

// A trial measures at least 20 ms between two readings of the clock, so even a slow clock is small beside it; what a
// slow one disturbs is tasks that read the clock themselves.
func checkClock(f facts) Check {
	e := f.env
	c := Check{Name: "clock", Severity: OK}
	source := e.Clock
	if source == "" {
		source = "unknown source"
		c.Severity = Unknown
	}
	c.Value = fmt.Sprintf("%s, %s ns a reading, steps of %d ns", source, number(e.ClockCostNS), e.ClockStepNS)
	switch {
	case e.ClockCostNS == 0:
		c.Value, c.Severity = source+", does not move", Bad
		c.Why = "nothing can be timed"
	case e.ClockCostNS >= 1000:
		c.Severity = Warn
		c.Why = "a reading takes a system call or a slow timer; programs that read the clock often, such as schedulers, run slower too"
		c.Remedy = "boot with clocksource=tsc if the processor's TSC is stable (dmesg says why it was not chosen)"
	case e.ClockCostNS >= 200:
		c.Severity = Note
		c.Why = "a reading probably takes a system call"
		c.Remedy = "cat /sys/devices/system/clocksource/clocksource0/available_clocksource lists the others"
	}
	if e.ClockStepNS >= 100_000 {
		c.Severity = Warn
		c.Why = "the clock moves in steps that are not small against a batch"
	}
	return c
}

func checkMemory(f facts) Check {
	m := f.mem
	c := Check{Name: "memory", Severity: OK}
	if m.Total == 0 {
		c.Value, c.Severity = "unknown", Unknown
		return c
	}
	c.Value = fmt.Sprintf("%s, %s available", bytes(m.Total), bytes(m.Available))
	room := m.Available
	if m.Limit > 0 {
		c.Value += ", limited to " + bytes(m.Limit)
		room = min(room, m.Limit)
	}
	switch {
	case m.Available == 0:
	case room < 512<<20:
		c.Severity = Bad
		c.Why = "process strategies hold one heap per worker, and memory workloads use arrays larger than the cache: trials may swap or be killed"
	case room < 2<<30 || float64(room) < 0.1*float64(m.Total) && m.Limit == 0:
		c.Severity = Note
		c.Why = "reclaim may start while many processes run, and costs CPU time of its own"
	}
	if c.Severity == Bad || c.Severity == Note {
		c.Remedy = "end other programs, raise the limit, or leave out the memory workloads and large core counts"
	}
	return c
}

func checkSwap(f facts) Check {
	m := f.mem
	c := Check{Name: "swap", Value: "none", Severity: OK}
	if m.Total == 0 {
		c.Value, c.Severity = "unknown", Unknown
		return c
	}
	if m.SwapTotal == 0 {
		return c
	}
	used := m.SwapTotal - m.SwapFree
	c.Value = fmt.Sprintf("%s, %s used", bytes(m.SwapTotal), bytes(used))
	if float64(used) > 0.1*float64(m.SwapTotal) {
		c.Severity = Warn
		c.Why = "memory was short before; pages that come back from swap take milliseconds each"
		c.Remedy = "sudo swapoff -a && sudo swapon -a   (when enough memory is available)"
	}
	return c
}

func checkTHP(f facts) Check {
	c := Check{Name: "huge pages", Value: f.env.THP, Severity: OK}
	switch f.env.THP {
	case "":
		c.Value, c.Severity = "unknown", Unknown
	case "always":
		c.Severity = Note
		c.Why = "the kernel forms huge pages when memory is first touched and behind the program's back, so memory workloads differ from trial to trial by chance"
		c.Remedy = "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
	}
	return c
}

func checkASLR(f facts) Check {
	c := Check{Name: "aslr", Severity: OK}
	switch f.aslr {
	case "":
		c.Value, c.Severity = "unknown", Unknown
	case "0":
		c.Value, c.Severity = "off", Note
		c.Why = "every process gets the same memory layout, so a lucky or unlucky one biases all trials alike"
		c.Remedy = "sudo sysctl kernel.randomize_va_space=2"
	default:
		c.Value = "on"
		c.Why = "each trial is a fresh process with a layout of its own, so the layout's effect averages out"
	}
	return c
}

func checkCounters(f facts) Check {
	c := Check{Name: "hardware counters", Value: "available", Severity: OK}
	level := f.paranoid
	if level == "" {
		level = "unknown"
	}
	err := f.counters
	if err == nil {
		c.Value += ", perf_event_paranoid " + level
		return c
	}
	c.Severity = Note
	c.Why = "perf and profilers cannot count cycles here; parbench itself does not need them"
	switch {
	case errors.Is(err, errNotHere), errors.Is(err, host.ErrUnknown):
		c.Value, c.Severity, c.Why = "unknown", Unknown, ""
	case errors.Is(err, fs.ErrPermission):
		c.Value = "not permitted, perf_event_paranoid " + level
		c.Remedy = "sudo sysctl kernel.perf_event_paranoid=2"
		if n, e := strconv.Atoi(level); e == nil && n <= 2 {
			c.Why = "something other than perf_event_paranoid forbids them, such as a container's seccomp profile"
			c.Remedy = "run outside the container, or with --cap-add PERFMON"
		}
	case errors.Is(err, syscall.ENOSYS):
		c.Value = "not in this kernel"
	default:
		c.Value = "none: the processor shows none to this system"
	}
	return c
}

func checkMeter(f facts) Check {
	c := Check{Name: "interference meter", Value: f.source, Severity: OK,
		Why: "trials during which others used more than 5 % of a core are recognised and repeated"}
	switch f.source {
	case "":
		c.Value, c.Severity = "none", Warn
		c.Why = "nobody else's CPU time can be read, so a disturbed trial looks like a slow one"
		c.Remedy = "run outside the container, or raise --rounds"
	case host.SourceProcStat:
		c.Value = fmt.Sprintf("%s, in ticks of %d ms", f.source, f.tickNS/1e6)
		c.Severity = Note
		c.Why = "only trials longer than 400 ms can be told from disturbed ones: two ticks must be under 5 % of them"
	}
	return c
}

func checkGroup(f facts) Check {
	c := Check{Name: "trial group", Value: "available", Severity: OK,
		Why: "everything that a trial starts can be accounted for and ended at once, even what leaves its process group"}
	switch {
	case f.group == nil:
	case errors.Is(f.group, errNotHere):
		c.Value, c.Severity, c.Why = "unknown", Unknown, ""
	default:
		c.Value, c.Severity = "not available", Note
		c.Why = "a trial's CPU time is read from its processes' clocks, and a process that leaves the trial's process group may outlive it"
		c.Remedy = "systemd-run --user --scope -p Delegate=yes parbench run ..."
		if !errors.Is(f.group, host.ErrNoGroup) {
			c.Value = "made, but not removed: " + f.group.Error()
			c.Severity, c.Remedy = Warn, "run parbench doctor again: it removes the empty groups of dead runs"
		}
	}
	return c
}
