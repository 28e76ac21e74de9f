package doctor

import (
	"errors"
	"slices"
	"strconv"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results"
)

// facts is what the checks judge.
type facts struct {
	env      results.Environment
	topo     host.Topology
	topoErr  error
	usable   host.Usable
	useErr   error
	mem      host.Memory
	throttle host.Throttle
	counted  bool // throttle is known
	source   string
	tickNS   int64
	group    error
	counters error
	paranoid string
	aslr     string
	// turboFile is the switch that the remedy names.
	turboFile string
}

// errNotHere says that a fact belongs to the running machine and the files are another's.
var errNotHere = errors.New("can only be tried on the machine itself")

func gather(m *host.Machine, opt Options) facts {
	f := facts{
		env:      m.Environment(),
		mem:      m.Memory(),
		paranoid: m.Setting("/proc/sys/kernel/perf_event_paranoid"),
		aslr:     m.Setting("/proc/sys/kernel/randomize_va_space"),
		group:    errNotHere,
		counters: errNotHere,
	}
	f.topo, f.topoErr = m.Topology()
	f.usable, f.useErr = m.Usable()
	meter := m.NewMeter()
	f.source = meter.Source()
	if s, err := meter.Read(f.usable.CPUs); err == nil {
		f.tickNS = s.TickNS
	}
	for _, p := range []string{"intel_pstate/no_turbo", "cpufreq/boost", "cpufreq/policy0/boost"} {
		p = "/sys/devices/system/cpu/" + p
		if m.Setting(p) != "" {
			f.turboFile = p
			break
		}
	}
	try := func(given, real func() error) error {
		switch {
		case given != nil:
			return given()
		case m.Real():
			return real()
		}
		return errNotHere
	}
	f.counters = try(opt.Counters, openCounter)
	f.group = try(opt.Group, func() error {
		m.RemoveStaleGroups()
		g, err := m.NewGroup("")
		if err != nil {
			return err
		}
		return g.Remove()
	})
	return f
}

// kinds returns the types of the usable CPUs' cores, in hand-out order, with how many CPUs each has.
func (f facts) kinds() (names []string, counts map[string]int) {
	counts = make(map[string]int)
	for _, id := range f.usable.CPUs {
		i := slices.IndexFunc(f.topo.CPUs, func(c host.CPU) bool { return c.ID == id })
		if i < 0 {
			continue
		}
		t := f.topo.CPUs[i].Type
		if counts[t]++; counts[t] == 1 {
			names = append(names, t)
		}
	}
	return names, counts
}

// physical returns how many cores the usable CPUs belong to.
func (f facts) physical() int {
	cores := make(map[int]bool)
	for _, c := range f.topo.CPUs {
		if slices.Contains(f.usable.CPUs, c.ID) {
			cores[c.Core] = true
		}
	}
	return len(cores)
}

// virtual reports whether a hypervisor or a container lies between this process and the machine.
func (f facts) virtual() bool { return f.env.Virtualisation != "" && f.env.Virtualisation != "none" }

// number writes a figure with as many digits as a reader needs.
func number(x float64) string {
	prec := 2
	switch {
	case x >= 100:
		prec = 0
	case x >= 10:
		prec = 1
	}
	return strconv.FormatFloat(x, 'f', prec, 64)
}

// percent writes a share as a percentage.
func percent(x float64) string { return number(x*100) + " %" }

// bytes writes a size in binary units.
func bytes(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	x := float64(n)
	i := 0
	for x >= 1024 && i < len(units)-1 {
		x /= 1024
		i++
	}
	if i == 0 {
		return strconv.FormatInt(n, 10) + " B"
	}
	return number(x) + " " + units[i]
}
