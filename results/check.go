package results

import (
	"errors"
	"fmt"
)

// check refuses a header whose plan contradicts itself, so that no later stage has to look twice.
func (h *Header) check() error {
	p := &h.Plan
	if p.Probes < 0 {
		return fmt.Errorf("the plan has %d probed rounds", p.Probes)
	}
	if p.Rounds < 0 {
		return fmt.Errorf("the plan has %d rounds", p.Rounds)
	}
	keys := make(map[string]bool, len(p.Workloads))
	for i, w := range p.Workloads {
		switch {
		case keys[w.Key]:
			return fmt.Errorf("the plan names workload %q twice", w.Key)
		case w.Tasks < 0:
			return fmt.Errorf("workload %d of the plan has %d tasks", i, w.Tasks)
		}
		keys[w.Key] = true
	}
	for i, c := range p.Cells {
		switch {
		case !keys[c.Workload]:
			return fmt.Errorf("cell %d of the plan names workload %q, which the plan does not have", i, c.Workload)
		case c.Cores < 1:
			return fmt.Errorf("cell %d of the plan has %d cores", i, c.Cores)
		case c.Workers < 0:
			return fmt.Errorf("cell %d of the plan has %d workers", i, c.Workers)
		case c.Tasks < 0:
			return fmt.Errorf("cell %d of the plan has %d tasks", i, c.Tasks)
		}
	}
	return nil
}

// check refuses a trial that cannot have happened in a plan of that many cells. It says nothing of how well it ended.
func (t *Trial) check(cells int) error {
	switch {
	case t.Cell < 0 || t.Cell >= cells:
		return fmt.Errorf("cell %d is not in the plan, which has %d", t.Cell, cells)
	case t.Round < 0:
		return fmt.Errorf("round %d is negative", t.Round)
	case t.Attempt < 0:
		return fmt.Errorf("attempt %d is negative", t.Attempt)
	case t.Seq < 0:
		return fmt.Errorf("seq %d is negative", t.Seq)
	case t.Tasks < 0:
		return fmt.Errorf("tasks %d is negative", t.Tasks)
	}
	if _, ok := t.Warmup.sum(); !ok {
		return fmt.Errorf("the warm-up batches are negative or add up to more than 2^63 ns")
	}
	if _, ok := t.Wall.sum(); !ok {
		return fmt.Errorf("the measured batches are negative or add up to more than 2^63 ns")
	}
	return t.possible()
}

// maxCPUs is more CPUs than a machine has, and clockTick the coarsest step in which systems account CPU time.
const (
	maxCPUs   = 1 << 16
	clockTick = 10_000_000 // ns
)

// possible refuses measured figures that no machine could give. Switches and faults may be negative: they are differences
// of sums over processes, of which one may end in between, and so is what fixtures used. So may the overhead be in a file
// of another writer, where set-up and batches come from another clock than the total.
func (t *Trial) possible() error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"setup_ns", t.SetupNS}, {"total_ns", t.TotalNS}, {"cpu_ns", t.CPUNS}, {"span_ns", t.SpanNS},
		{"peak_bytes", t.PeakBytes}, {"pss_bytes", t.PSSBytes}, {"gc_pause_ns", t.GCPauseNS},
		{"processes", int64(t.Processes)}, {"gc_cycles", int64(t.GCCycles)}, {"close_ns", t.CloseNS},
		{"user_ns", t.UserNS}, {"system_ns", t.SystemNS}, {"shell_ns", t.ShellNS},
	} {
		if f.value < 0 {
			return fmt.Errorf("%s %d is negative", f.name, f.value)
		}
	}
	if t.SpanNS > 0 && t.CPUNS/maxCPUs > t.SpanNS && t.CPUNS/maxCPUs-t.SpanNS > clockTick {
		return fmt.Errorf("cpu_ns %d is more than %d CPUs can spend in a span_ns of %d", t.CPUNS, maxCPUs, t.SpanNS)
	}
	if t.MHz < 0 {
		return errors.New("mhz is negative")
	}
	return t.Split.check()
}
