// Package doctor judges what on a machine disturbs measurements, how much, and what to do about it. It turns the facts of
// internal/host into checks, and measures how steadily each CPU repeats a fixed loop.
//
// Every threshold is reasoned in docs/doctor.md. Non-goals: changing settings (a remedy is text for a person to run) and
// rendering (reports are plain values with JSON tags).
package doctor

import (
	"context"
	"time"

	"github.com/parbench/parbench/internal/host"
)

// Severity says how much a finding matters to measurements.
type Severity string

// The severities, from harmless to harmful. Unknown stands beside them: the machine does not tell.
const (
	OK      Severity = "ok"      // nothing to do
	Note    Severity = "note"    // worth knowing when reading results; nothing wrong
	Warn    Severity = "warn"    // widens intervals or bends scaling curves; remedy it if you can
	Bad     Severity = "bad"     // results will mostly show this
	Unknown Severity = "unknown" // cannot be told here
)

// rank orders severities; unknown is as harmful as a note.
func (s Severity) rank() int {
	switch s {
	case Note, Unknown:
		return 1
	case Warn:
		return 2
	case Bad:
		return 3
	}
	return 0
}

// Check is one finding.
type Check struct {
	Name     string   `json:"name"`
	Value    string   `json:"value"` // what was found, for people
	Severity Severity `json:"severity"`
	Why      string   `json:"why,omitempty"`    // what it does to measurements
	Remedy   string   `json:"remedy,omitempty"` // what to do, a command where there is one; empty when nothing is to be done
}

// Report is everything found, in a fixed order of checks.
type Report struct {
	Checks []Check `json:"checks"`
	Noise  *Noise  `json:"noise,omitempty"` // nil when it was not measured
}

// Worst returns the most harmful severity of all checks: OK, Note, Warn or Bad.
func (r Report) Worst() Severity {
	worst := OK
	for _, c := range r.Checks {
		if c.Severity.rank() > worst.rank() {
			worst = c.Severity
		}
	}
	if worst == Unknown {
		return Note
	}
	return worst
}

// Check returns the check of that name.
func (r Report) Check(name string) (Check, bool) {
	for _, c := range r.Checks {
		if c.Name == name {
			return c, true
		}
	}
	return Check{}, false
}

// DefaultNoise is how long the noise figure is measured.
const DefaultNoise = 3 * time.Second

// Options says how to examine. The zero value is what `parbench doctor` does.
type Options struct {
	// Noise is the time for the noise figure over all CPUs; 0 means DefaultNoise, negative means not to measure it.
	Noise time.Duration

	// The rest stands in for the machine in tests; nil means the real thing.

	Now      func() time.Time            // clock that the loops are timed with
	Loop     func(iterations int) uint64 // fixed work that does not read the clock
	Pin      func(cpu int) (func(), error)
	Own      func() time.Duration // CPU time of this process
	Counters func() error         // opens a hardware cycle counter and closes it
	Group    func() error         // makes a trial group and removes it
}

// Examine runs all checks. It takes opt.Noise and some milliseconds; when ctx ends earlier, what was found is returned
// and the noise check says that it was interrupted. On the machine it changes nothing that outlives the call: its
// threads are pinned for a moment, and where that is permitted one control group is made and removed, and so are empty
// groups that dead runs left behind.
func Examine(ctx context.Context, m *host.Machine, opt Options) Report {
	f := gather(m, opt)
	var r Report
	var noiseErr error
	if opt.Noise >= 0 && (m.Real() || opt.Loop != nil) {
		r.Noise, noiseErr = measure(ctx, m, f.usable.CPUs, opt)
	} else {
		noiseErr = errNotMeasured
	}
	// Read after the loops: they meet a quota if anything does.
	f.throttle, f.counted = m.Throttle()
	for _, check := range []func(facts) Check{
		checkCPUs, checkCoreTypes, checkSMT, checkGovernor, checkTurbo, checkLoad, checkQuota, checkThrottling,
		checkVirtualisation, checkClock, checkMemory, checkSwap, checkTHP, checkASLR, checkCounters, checkMeter, checkGroup,
	} {
		r.Checks = append(r.Checks, check(f))
	}
	r.Checks = append(r.Checks, noiseChecks(r.Noise, noiseErr)...)
	return r
}
