package runtest

import "github.com/parbench/parbench/results"

// Machine is a 2-core virtual machine.
func Machine() results.Environment {
	return results.Environment{
		OS: "linux", Arch: "amd64", Kernel: "6.12.48", CPUModel: "Intel(R) Xeon(R) Processor @ 2.60GHz", Sockets: 1,
		PhysicalCores: 2, LogicalCPUs: 2, UsableCPUs: []int{1, 0}, UsableCores: 2, MemoryBytes: 8 << 30,
		Caches:   []results.Cache{{Level: 1, Bytes: 48 << 10, Shared: 1}, {Level: 2, Bytes: 2 << 20, Shared: 1}, {Level: 3, Bytes: 260 << 20, Shared: 2}},
		Governor: "", Virtualisation: "kvm", Clock: "kvm-clock", ClockCostNS: 38, ClockStepNS: 41, Load1: 0.2, SMT: "off",
		Programs: []results.Program{{Label: "self", Version: "parbench 0.1.0", Runtime: "go1.26.8 linux/amd64",
			Hash: "3f5a1c9e0b7d4f2a8c6e1d3b5a7f9c0e2d4b6a8f1c3e5d7b9a0f2c4e6d8b1a3f"}},
	}
}

// Realistic is a run as the default plan makes it on Machine, with a probe and two cells that went wrong.
func Realistic() *results.Run { return Build(RealisticSpec()) }

// RealisticSpec is what Realistic builds, for tests that change something in it.
func RealisticSpec() Spec {
	const mib = 1 << 20
	cell := func(strategy string, cores, workers int, per, noise, busy float64, peak int64, setup float64) Cell {
		return Cell{Cell: results.Cell{Strategy: strategy, Cores: cores, Workers: workers}, PerTask: per, Noise: noise, Busy: busy, Peak: peak, Setup: setup}
	}
	reference := func(per, noise, busy float64, peak int64) Cell {
		c := cell("sequential", 1, 1, per, noise, busy, peak, 30e-6)
		c.Reference, c.OneCore = true, true
		c.Split = &Split{Start: .0001, Join: .0001}
		return c
	}
	serial := func(workers int, per, noise, busy float64, peak int64) Cell {
		c := cell("gil", 2, workers, per, noise, busy, peak, 90e-6)
		c.Serial = true
		c.Split = &Split{Start: .24, Between: .2, Idle: .05, Join: .001}
		return c
	}
	// standard is the default set; k is the speedup at 2 cores.
	standard := func(per, noise, busy, k, gil float64, base int64, workers int) []Cell {
		cells := []Cell{reference(per, noise, busy, base), serial(max(workers, 2), gil, noise, busy, base+mib)}
		for _, s := range []struct {
			name  string
			cost  float64
			extra int64
			setup float64
			split Split
		}{
			{"goroutines", 1.000, 0, 20e-6, Split{Start: .002, Between: .004, Idle: .016, Join: .001, NoWorkers: true}},
			{"pool", 1.001, 0, 40e-6, Split{Start: .003, Between: .001, Idle: .012, Join: .001}},
			{"threads", 1.004, mib / 2, 150e-6, Split{Start: .006, Between: .002, Idle: .012, Join: .002}},
			{"process-pool", 1.031, 24 * mib, 7.2e-3, Split{Start: .012, Between: .021, Idle: .034, Join: .003}},
			{"dummy-pool", 1.012, mib, 60e-6, Split{Start: .004, Between: .006, Idle: .031, Join: .001}},
		} {
			for _, c := range []int{1, 2} {
				w, p := workers, per*s.cost
				if w == 0 {
					w = c
				}
				b := busy
				if c == 2 {
					p, b = p/k, busy*k
				}
				cells = append(cells, cell(s.name, c, w, p, noise, b, base+s.extra*int64(w), s.setup*float64(w)))
				cells[len(cells)-1].Processes, cells[len(cells)-1].Split = s.name == "process-pool", &s.split
			}
		}
		return cells
	}
	waits := func(cells []Cell, per float64) []Cell {
		for i := range cells {
			cells[i].Fixture = 0.21
			if !cells[i].Reference {
				cells[i].PerTask *= per
				cells[i].Busy *= 11
			}
		}
		return cells
	}
	capped := cell("process-per-task", 2, 2, 4.1e-3, 0.04, 1.2, 40*mib, 10e-6)
	capped.Capped, capped.Tasks, capped.Processes = true, 16, true
	capped.Split = &Split{Start: .31, Between: .36, Idle: .04, Join: .002, Transfer: .05}
	stuck := cell("process-pool", 2, 2, 0.6e-3, 0.02, 1.8, 40*mib, 7e-3)
	stuck.Processes = true
	stuck.Label, stuck.StrategyParams = "process-pool:mode=imap-unordered,chunk=16", map[string]string{"mode": "imap-unordered", "chunk": "16"}
	stuck.Fail, stuck.Reason, stuck.FailFrom = results.TimedOut, "no answer for 60 s; the group was killed", 3
	stuck.Stderr = "worker 1: waiting for a task\nworker 0: waiting for a task\nfatal: \x1b[31mall asleep\x1b[0m\n"
	return Spec{
		Rounds: 10, Probes: 6, Seed: 20261120, Environment: Machine(), Shared: 0.01, SharesFixture: true, Disturbed: 41,
		Workloads: []Workload{
			{
				Entry: results.PlanEntry{Key: "primes", Name: "primes", Kind: "cpu", Doc: "counts primes up to a limit by trial division",
					Params: map[string]string{"limit": "50000"}, Tasks: 32, GrainNS: 1.21e6},
				Cells: append(standard(1.21e-3, 0.006, 0.995, 1.93, 1.22e-3, 11*mib, 0), capped, stuck),
			},
			{
				Entry: results.PlanEntry{Key: "http", Name: "http", Kind: "io", Doc: "fetches a document from a server on loopback",
					Params: map[string]string{"latency": "5ms", "size": "16384"}, Fixture: "http", Tasks: 64, GrainNS: 5.31e6},
				Cells: waits(standard(5.31e-3, 0.012, 0.04, 1.02, 5.33e-3, 14*mib, 16), 1.0/15.2),
			},
			{
				Entry: results.PlanEntry{Key: "triad", Name: "triad", Kind: "memory", Doc: "a = b + s·c over arrays larger than the cache",
					Params: map[string]string{"bytes": "272629760"}, Tasks: 16, GrainNS: 41e6},
				Cells: standard(41.2e-3, 0.03, 0.99, 1.31, 41.3e-3, 800*mib, 0),
			},
			{
				Entry: results.PlanEntry{Key: "empty", Name: "empty", Kind: "cpu", Doc: "does nothing: the overhead per task of a strategy", Probe: true, OwnN: true, Tasks: 500_000},
				Cells: []Cell{
					withSplit(reference(3.1e-9, 0.01, 1, 10*mib), Split{Start: .0001, Join: .0001, Stamped: .0001}), cell("goroutines", 2, 2, 212e-9, 0.05, 1.7, 12*mib, 20e-6),
					withSplit(cell("pool", 2, 2, 96e-9, 0.03, 1.6, 11*mib, 40e-6), Split{Start: .001, Between: .97, Idle: .001, Stamped: .004}), cell("process-pool", 2, 2, 10.4e-6, 0.04, 1.4, 38*mib, 7e-3),
				},
			},
			{
				Entry: results.PlanEntry{Key: "spin", Name: "spin", Kind: "cpu", Doc: "busy work", Probe: true, Ceiling: true, Tasks: 8, GrainNS: 1e6},
				Cells: []Cell{
					{Cell: results.Cell{Strategy: "threads", Cores: 1, Ceiling: true}, PerTask: 1e-3, Noise: 0.004, Busy: 1},
					{Cell: results.Cell{Strategy: "threads", Cores: 2, Ceiling: true}, PerTask: 0.509e-3, Noise: 0.004, Busy: 1.98},
				},
			},
		},
	}
}

func withSplit(c Cell, s Split) Cell { c.Split = &s; return c }
