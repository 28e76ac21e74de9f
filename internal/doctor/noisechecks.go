package doctor

import (
	"fmt"
	"strings"

	"github.com/parbench/parbench/internal/host"
)

// level is the least figure of each severity above OK.
type level struct{ note, warn, bad float64 }

func (l level) of(x float64) Severity {
	switch {
	case x >= l.bad:
		return Bad
	case x >= l.warn:
		return Warn
	case x >= l.note:
		return Note
	}
	return OK
}

// Thresholds of the measured figures; docs/doctor.md derives them.
var (
	cvLevel     = level{0.01, 0.02, 0.05}
	tailLevel   = level{1.05, 1.25, 2}
	spreadLevel = level{0.02, 0.05, 0.25}
	othersLevel = level{0.01, 0.05, 0.5} // cores
	stealLevel  = level{0.001, 0.01, 0.05}
)

// noiseChecks judges the measured figures, each by its worst CPU.
func noiseChecks(n *Noise, err error) []Check {
	if n == nil || len(n.CPUs) == 0 {
		why := ""
		if err != nil && err != errNotMeasured { //nolint:errorlint // the bare sentinel adds nothing to the value
			why = strings.TrimPrefix(err.Error(), errNotMeasured.Error()+": ")
		}
		var out []Check
		for _, name := range []string{"noise", "noise tail", "cpu spread", "others", "steal"} {
			out = append(out, Check{Name: name, Value: "not measured", Severity: Unknown, Why: why})
		}
		return out
	}
	out := []Check{checkNoise(n), checkTail(n), checkSpread(n), checkOthers(n), checkSteal(n)}
	if err != nil {
		out[0].Value += fmt.Sprintf("; stopped after %d CPUs", len(n.CPUs))
	}
	return out
}

// fewTicks reports whether a share of the span is less than two ticks of /proc/stat: then a single tick, which says next
// to nothing, may be all of it, and it is at most worth a note.
func (n *Noise) fewTicks(share float64) bool { return share*float64(n.SpanNS) < 20e6 }

// worst returns the CPU with the largest figure; figures that are not known are left out.
func (n *Noise) worst(f func(CPUNoise) (float64, bool)) (cpu int, x float64, ok bool) {
	for _, c := range n.CPUs {
		if v, known := f(c); known && (!ok || v > x) {
			cpu, x, ok = c.CPU, v, true
		}
	}
	return cpu, x, ok
}

// known turns an optional figure into a value.
func known(p *float64) (float64, bool) {
	if p == nil {
		return 0, false
	}
	return *p, true
}

func checkNoise(n *Noise) Check {
	cpu, cv, _ := n.worst(func(c CPUNoise) (float64, bool) { return c.CV, true })
	c := Check{Name: "noise", Severity: cvLevel.of(cv)}
	c.Value = fmt.Sprintf("%s coefficient of variation on CPU %d, the worst of %d", percent(cv), cpu, len(n.CPUs))
	if c.Severity != OK {
		c.Why = "a fixed loop of a millisecond varies by this much; the smallest difference that 15 pairs of such measurements can show is about 1.1 times that"
		c.Remedy = "see the checks above and others' CPU time beside it; more rounds narrow the intervals with their square root"
	}
	return c
}

func checkTail(n *Noise) Check {
	cpu, tail, _ := n.worst(func(c CPUNoise) (float64, bool) { return c.Tail, true })
	c := Check{Name: "noise tail", Severity: tailLevel.of(tail)}
	c.Value = fmt.Sprintf("99th percentile %s times the median on CPU %d", number(tail), cpu)
	if c.Severity != OK {
		c.Why = "single loops were stopped for a while: by interrupts, other programs, the hypervisor or a quota"
		c.Remedy = "see others and steal beside it; with neither, interrupts are the likely cause (watch /proc/interrupts)"
	}
	return c
}

// checkSpread compares the CPUs with each other: they run the same iterations.
func checkSpread(n *Noise) Check {
	c := Check{Name: "cpu spread", Value: "one CPU", Severity: OK}
	if len(n.CPUs) < 2 {
		return c
	}
	slow, most, _ := n.worst(func(c CPUNoise) (float64, bool) { return c.MedianNS, true })
	quick, least, _ := n.worst(func(c CPUNoise) (float64, bool) { return -c.MedianNS, true })
	spread := most/-least - 1
	c.Severity = spreadLevel.of(spread)
	c.Value = fmt.Sprintf("CPU %d is %s slower than CPU %d", slow, percent(spread), quick)
	if c.Severity != OK {
		c.Why = "the CPUs do not run the same loop equally fast: core types, frequency, a busy sibling or a neighbour"
		c.Remedy = "keep to CPUs of one kind with taskset, or read speedups against the machine's ceiling"
	}
	return c
}

func checkOthers(n *Noise) Check {
	c := Check{Name: "others", Value: "unknown", Severity: Unknown}
	cpu, x, ok := n.worst(func(c CPUNoise) (float64, bool) { return known(c.Others) })
	if !ok {
		return c
	}
	c.Severity = othersLevel.of(x)
	c.Value = fmt.Sprintf("%s of a core while CPU %d was measured", percent(x), cpu)
	if n.Source == host.SourceProcStat {
		if c.Severity != OK && n.fewTicks(x) {
			c.Severity = Note
		}
		c.Value = fmt.Sprintf("%s of CPU %d while it was measured", percent(x), cpu)
	}
	if c.Severity != OK {
		c.Why = "programs other than parbench ran; above 5 % of a core a trial is repeated"
		c.Remedy = "end other programs (top shows them)"
	}
	return c
}

func checkSteal(n *Noise) Check {
	c := Check{Name: "steal", Value: "unknown", Severity: Unknown}
	cpu, x, ok := n.worst(func(c CPUNoise) (float64, bool) { return known(c.Steal) })
	if !ok {
		return c
	}
	c.Severity = stealLevel.of(x)
	if c.Severity != OK && n.fewTicks(x) {
		c.Severity = Note
	}
	c.Value = fmt.Sprintf("%s of CPU %d", percent(x), cpu)
	if c.Severity != OK {
		c.Why = "the hypervisor gave the CPU to others while this machine wanted it"
		c.Remedy = "use a machine with dedicated CPUs, or another time of day; interleaved rounds keep comparisons fair meanwhile"
	}
	return c
}
