package runtest

import (
	"slices"

	"github.com/parbench/parbench/results"
)

// Command is a command of a synthetic run, with one choice of its parameters.
type Command struct {
	Name   string // of the command
	Key    string // of the workload, with the parameters' values; empty: the name
	Params map[string]string
	Cells  []Cell         // empty: one that is alone on 2 cores, as the next fields say
	Time   float64        // seconds per command
	Noise  float64        // standard deviation of its logarithm
	User   float64        // seconds per command, in every cell
	System float64        // the same, in the kernel
	Peak   int64          // bytes, of the largest one
	Bound  bool           // Peak is only a bound
	Exits  map[string]int // of each trial; empty: all end with 0
	Fail   results.Status // what ends every trial; empty: nothing
}

// Commands makes a run of commands. all tells what else is known of them: its list is filled in.
func Commands(s Spec, all results.Commands, commands ...Command) *results.Run {
	for _, c := range commands {
		if !slices.ContainsFunc(all.List, func(o results.Command) bool { return o.Name == c.Name }) {
			all.List = append(all.List, results.Command{Name: c.Name, Line: c.Name})
		}
		w := Workload{Entry: results.PlanEntry{Key: c.Key, Name: c.Name, Kind: "command", Doc: "a command", Params: c.Params, Tasks: 1, GrainNS: c.Time * 1e9}}
		if c.Key == "" {
			w.Entry.Key = c.Name
		}
		if w.Cells = c.Cells; len(w.Cells) == 0 {
			w.Cells = []Cell{{Cell: results.Cell{Program: "commands", Strategy: "alone", Cores: 2, Workers: 1, Reference: true},
				PerTask: c.Time, Noise: c.Noise, Peak: c.Peak, Setup: 5e-5, Busy: (c.User + c.System) / c.Time, Fail: c.Fail, Reason: "as told"}}
		}
		s.Workloads = append(s.Workloads, w)
	}
	run := Build(s)
	plan := &run.Header.Plan
	plan.Commands = &all
	for i := range run.Trials {
		t := &run.Trials[i]
		at := slices.IndexFunc(plan.Workloads, func(e results.PlanEntry) bool { return e.Key == plan.Cells[t.Cell].Workload })
		c := &commands[at]
		n := len(t.Wall) * t.Tasks
		t.UserNS, t.SystemNS, t.PeakBound = int64(c.User*1e9)*int64(n), int64(c.System*1e9)*int64(n), c.Bound
		if t.Exits = c.Exits; t.Exits == nil {
			t.Exits = map[string]int{"0": n}
		}
		if all.Shell != "" {
			t.ShellNS = 620e3 + 1e3*int64(t.Round)
		}
	}
	plan.Hash = plan.ComputeHash()
	return run
}
