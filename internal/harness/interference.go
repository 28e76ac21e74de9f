package harness

import (
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/results"
)

// disturbed is the share of a core, used by others or stolen, above which a trial is repeated. On a shared 2-core virtual
// machine the filter cut the coefficient of variation of a fixed loop from 3.8 % to 1.1 %.
const disturbed = 0.05

// reading is the state of everybody's counters at one moment.
type reading struct {
	sample   host.Sample
	ok       bool
	source   string
	harness  time.Duration
	fixtures time.Duration
}

func (h *Harness) probe(cpus []int) reading {
	r := reading{harness: host.ProcessCPU(0), fixtures: h.fixtures.usage()}
	if r.source = h.meter.Source(); r.source != "" {
		s, err := h.meter.Read(cpus)
		r.sample, r.ok = s, err == nil
	}
	return r
}

// outside works out what others used between two readings, given the trial's own CPU time. It returns nil where that
// cannot be known: without counters, or when the trial was too short for them. Only others count: run-queue delay, page
// faults and whatever else the trial does to itself never flag it.
func outside(before, after reading, own time.Duration, shares bool) *results.Outside {
	if !before.ok || !after.ok {
		return nil
	}
	window := after.sample.At.Sub(before.sample.At)
	tick := time.Duration(before.sample.TickNS)
	if window <= 0 || float64(2*tick) > disturbed*float64(window) && before.source == "proc-stat" {
		return nil
	}
	others := time.Duration(after.sample.TotalNS-before.sample.TotalNS) - own
	if before.source != "proc-stat" {
		// The group counters cover the whole machine: the harness and the fixtures are not "others" either.
		others -= after.harness - before.harness
	}
	if before.source != "proc-stat" || shares {
		// Fixtures that share the cells' CPUs may have run elsewhere too: then this gives others the benefit of the doubt.
		others -= after.fixtures - before.fixtures
	}
	o := &results.Outside{Source: before.source, CPUShare: max(0, float64(others)/float64(window))}
	stolen := time.Duration(after.sample.StealNS - before.sample.StealNS)
	o.Steal = max(0, float64(stolen)/float64(window))
	// Stolen time is counted in ticks: a single one says nothing.
	o.Flagged = o.CPUShare > disturbed || o.Steal > disturbed && stolen >= 2*stealTick
	return o
}

// stealTick is the resolution of stolen time in /proc/stat.
const stealTick = 10 * time.Millisecond
