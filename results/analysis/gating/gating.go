// Package gating decides whether a change may pass: which pairs to measure next, when to stop, and what the pairs say of
// each comparison and of all together. Decide drives a Source, which is a machine at work or a file of what one did; Files
// judges two files of results without measuring. All is returned as values.
//
// The rule and its evidence are described in docs/gate.md and docs/method.md. Non-goals: running programs (internal/gate)
// and anything a person reads (report).
package gating

import (
	"fmt"
	"time"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
)

// Verdict is what a gate says of all comparisons together.
type Verdict string

// The three outcomes. Passed means that nothing regressed and nothing is open.
const (
	Regressed    Verdict = "regressed"
	Passed       Verdict = "passed"
	Inconclusive Verdict = "inconclusive"
)

// Stop says why measuring ended before every comparison was decided.
type Stop string

// The reasons to stop. Limit means that the planned looks are used up, File that a file to decide from holds no more pairs.
const (
	StopNone        Stop = ""
	StopBudget      Stop = "budget"
	StopInterrupted Stop = "interrupted"
	StopFailed      Stop = "failed"
	StopLimit       Stop = "limit"
	StopFile        Stop = "file"
)

// Defaults of Options.
const (
	DefaultMinEffect = .02
	DefaultPairs     = 15
	DefaultLooks     = 3
	// growth is how many times more pairs a look may have than the one before, at least and at most.
	leastGrowth, mostGrowth = 2, 4
	// leastConfirming pairs make up an independent confirmation. Six could reach its level if all agreed.
	leastConfirming = 10
	floorConfirming = 6
	// confirmLevel is that of the confirmation, two-sided; confirmPower what its number of pairs aims at.
	confirmLevel, confirmPower = .05, .95
)

// Options says how sure a gate must be. The zero value takes the defaults.
type Options struct {
	// MinEffect is the smallest relative change that matters: 0.02 is 2 %.
	MinEffect float64
	// Confidence is the level of the intervals shown. Default 0.95.
	Confidence float64
	// Pairs is the number of pairs of each comparison at the first look; more where that many could not decide.
	Pairs int
	// Looks is the number of times the growing data are judged, 1 to 3.
	Looks int
	// AllowUnequalWork and AllowUnlike are for Files: compare different work, or measurements of unlike machines.
	AllowUnequalWork, AllowUnlike bool
}

func (o Options) resolve() (Options, error) {
	if o.MinEffect == 0 {
		o.MinEffect = DefaultMinEffect
	}
	if o.Confidence == 0 {
		o.Confidence = .95
	}
	if o.Pairs == 0 {
		o.Pairs = DefaultPairs
	}
	if o.Looks == 0 {
		o.Looks = DefaultLooks
	}
	switch {
	case !(o.MinEffect > 0 && o.MinEffect < 1):
		return o, fmt.Errorf("gating: smallest effect %v does not lie between 0 and 1 (0.02 is 2 %%)", o.MinEffect)
	case !(o.Confidence >= .5 && o.Confidence < 1):
		return o, fmt.Errorf("gating: confidence %v does not lie between 0.5 and 1", o.Confidence)
	case o.Pairs < 1:
		return o, fmt.Errorf("gating: %d pairs, must be 1 or more", o.Pairs)
	case o.Looks < 1 || o.Looks > 3:
		return o, fmt.Errorf("gating: %d looks, must be 1 to 3", o.Looks)
	}
	return o, nil
}

// Source measures pairs, or has measured them.
type Source interface {
	// Measure adds rounds of the tracks to the run, marked with the stage. It may stop early and says why; what it
	// measured until then is in the run. A track that failed is not measured again.
	Measure(stage int, tracks []int, rounds int) (Stop, error)
	// Run returns everything measured so far. Its plan does not change.
	Run() *results.Run
	// Afford returns how many more rounds of the tracks there is time for; -1 means any number.
	Afford(tracks []int) int
}

// Confirmation is the independent set of pairs that a finding was put to.
type Confirmation struct {
	Pairs     int
	Ratio     analysis.Interval
	P         float64
	Confirmed bool
}

// Detail is what a gate knows of a row beside its comparison.
type Detail struct {
	Looks        int          // at which the row was judged
	Confirmation Confirmation // Pairs = 0: none was needed, or none was possible
	Why          string       // of an inconclusive row, in plain words
}

// Failure is a side of a comparison that did not run to its end.
type Failure struct {
	Side, Name     string // untrusted text, as is all of it
	Status         results.Status
	Reason, Stderr string
}

// Outcome is everything that a back end needs.
type Outcome struct {
	// Report holds the comparisons with the gate's verdicts in place of those of a single test. Its Finding is the gate's.
	comparison.Report
	Verdict Verdict
	Rule    Options // with defaults filled in
	// Details has a row for each row of each family.
	Details [][]Detail
	// Level is the false discovery rate of each look.
	Level float64
	Looks int  // made
	Stop  Stop // StopNone: everything was decided
	// Pairs were used; Repeated pairs were measured again because others disturbed them; Disturbed used pairs are so all
	// the same.
	Pairs, Repeated, Disturbed int
	Failures                   []Failure
	// Tolerated says that what ran is judged although a side failed. Otherwise a failure is worse than any verdict but a
	// regression.
	Tolerated bool
	// Different names the workloads of which the two sides computed different results.
	Different []string
	// Allowed says that different results are what the change is for. Otherwise they are worse than any verdict on times.
	Allowed bool
	// Need is the number of pairs at which the open comparisons would be decided in four of five cases, or, where too few
	// were measured to tell, the least that can decide; 0: unknown.
	Need int
	// Seconds is how long measuring took.
	Seconds float64
	// Environment of the machine; nil where two files were compared.
	Machine *results.Environment
}

// Elapsed is Seconds as a duration.
func (o *Outcome) Elapsed() time.Duration { return time.Duration(o.Seconds * float64(time.Second)) }
