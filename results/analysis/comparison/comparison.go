// Package comparison decides whether what was measured twice got better, worse or neither: a family of comparisons with
// ratio, interval, p, q, smallest detectable difference and a verdict for each, all as values. Judge is the decision for
// samples from anywhere; Files and Programs prepare it from files of results. It renders nothing and measures nothing.
//
// The rule and its evidence are described in docs/compare.md. Non-goals: more than two sides, and confirming a finding by
// measuring again, which needs programs and not files.
package comparison

import (
	"fmt"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/codec"
)

// Verdict is what the data say of one comparison.
type Verdict string

// The verdicts. Differs is for metrics of which nobody said whether more is better.
const (
	Regressed    Verdict = "regressed"
	Improved     Verdict = "improved"
	Differs      Verdict = "differs"
	Equivalent   Verdict = "equivalent"
	Inconclusive Verdict = "inconclusive"
)

// Verdicts lists all verdicts, the most urgent first.
func Verdicts() []Verdict { return []Verdict{Regressed, Differs, Improved, Inconclusive, Equivalent} }

// Symbol returns the one character that stands for the verdict beside its word.
func (v Verdict) Symbol() string {
	switch v {
	case Regressed:
		return "▲"
	case Improved:
		return "▼"
	case Differs:
		return "≠"
	case Equivalent:
		return "="
	}
	return "?"
}

// Options says how sure a verdict must be. The zero value takes the defaults.
type Options struct {
	// Alpha is the false discovery rate of a family, and the level of the equivalence test of each row. Default 0.05. A
	// sequential caller passes the level of its look.
	Alpha float64
	// MinEffect is the smallest relative difference that matters: 0.02 is 2 %. Default 0.02. A ratio r is beyond it where
	// r > 1+MinEffect or r < 1/(1+MinEffect).
	MinEffect float64
	// Confidence is the level of the intervals. Default 0.95.
	Confidence float64
	// AllowUnequalWork compares rows whose work or parameters differ, marked as such, instead of refusing the files.
	AllowUnequalWork bool
	// Secondary adds what a benchmark is not about: CPU time, memory, counters.
	Secondary bool
}

func (o Options) resolve() (Options, error) {
	for _, d := range []struct {
		to    *float64
		value float64
	}{{&o.Alpha, .05}, {&o.MinEffect, .02}, {&o.Confidence, .95}} {
		if *d.to == 0 {
			*d.to = d.value
		}
	}
	switch {
	case !(o.Alpha > 0 && o.Alpha < .5):
		return o, fmt.Errorf("comparison: alpha %v does not lie between 0 and 0.5", o.Alpha)
	case !(o.MinEffect > 0 && o.MinEffect < 1):
		return o, fmt.Errorf("comparison: smallest effect %v does not lie between 0 and 1 (0.02 is 2 %%)", o.MinEffect)
	case !(o.Confidence >= .5 && o.Confidence < 1):
		return o, fmt.Errorf("comparison: confidence %v does not lie between 0.5 and 1", o.Confidence)
	}
	return o, nil
}

// Subject is one thing that was measured on both sides: the input of Judge.
type Subject struct {
	Group, Name string // untrusted text
	Sole        bool   // all have the one Group, so that nobody has to be told it
	Base, Head  []float64
	// Paired says that Base[i] and Head[i] ran next to each other; both then have the same length. Otherwise the samples
	// are independent, and nothing protects them against drift between the two times of measuring.
	Paired bool
	// Rounds are the rounds of the pairs, where they are known: rows of the same rounds get a common geometric mean.
	Rounds []int
	// Exact says that repeating a side gives the same value, so that any difference is one.
	Exact bool
	// Unequal names in which way the two sides did different work; such rows have no part in the geometric mean.
	Unequal string
}

// Kind says what the subjects of a family have in common.
type Kind struct {
	Metric, Unit string // untrusted text; base units
	Better       codec.Direction
	Secondary    bool
}

// Side is what one side of a row holds.
type Side struct {
	N         int     // samples
	Median    float64 // of them, in the metric's unit; 0 without samples
	Failed    int     // executions that did not end well
	Reason    string  // of the first of them, untrusted text
	Disturbed int     // samples during which others used the machine
	// SameProcess: the samples are iterations of one process, so that their spread is too small.
	SameProcess bool
}

// Row is one comparison. All numbers are finite.
type Row struct {
	Group, Name string // untrusted text
	Sole        bool   // as in Subject
	Base, Head  Side
	Ratio       analysis.Interval // head/base; N = 0 where there is none
	Pairs       int               // pairs that were compared; 0: unpaired
	// Tested says that the row had enough data to be decided, and is one of the Tests of its family. P is then the p-value
	// against a ratio of 1, and Q that adjusted to the false discovery rate of the family; both are 1 otherwise.
	Tested bool
	P, Q   float64
	// EquivalentP is the p-value of the test for a difference below the smallest that matters; 1 without.
	EquivalentP float64
	// Detectable is the smallest relative difference that these data would show with a probability of 80 % if all other
	// rows showed none; 0: unknown.
	Detectable float64
	Verdict    Verdict
	// Undecidable says why no verdict could be reached whatever the values, empty where one could: the data are too few, or
	// have no ratio.
	Undecidable string
	// Need is the number of samples a side, or pairs, that a verdict takes: at least the floor, and what shows a
	// difference of MinEffect in four of five cases. 0: enough, or unknown.
	Need int
	// Unequal names in which way the two sides did different work, empty where they did not. Only with AllowUnequalWork.
	Unequal string
	// Digest says that the two sides computed different results from the same inputs.
	Digest bool
}

// Percent returns the row's change as a share: 0.05 where head is 5 % above base.
func (r *Row) Percent() float64 { return r.Ratio.Point - 1 }

// Family is the comparisons of one metric, judged together.
type Family struct {
	Kind
	Rows []Row
	// Tests is the number of rows that were tested, over which Q is adjusted. Floor is the number of samples a side (or
	// pairs) from which a row can be decided at all when all rows of the family have as many.
	Tests, Floor int
	Paired       bool
	// Geomean is the geometric mean of the rows' ratios with its interval; N = 0 under two rows. GeomeanOver says of what
	// the interval holds.
	Geomean     analysis.Interval
	GeomeanOver Scope
	Finding     string // plain sentences with untrusted names: back ends escape them

}

// Scope says what the interval of a geometric mean holds for.
type Scope string

// The scopes: these benchmarks, or a population of which they are a sample.
const (
	These  Scope = "these benchmarks"
	Others Scope = "benchmarks like these"
)

// Count returns the number of rows with that verdict.
func (f *Family) Count(v Verdict) (n int) {
	for i := range f.Rows {
		if f.Rows[i].Verdict == v {
			n++
		}
	}
	return n
}

// Source says where one side comes from. All of it is untrusted text.
type Source struct {
	Label   string // a file's name, or a program's label
	Tool    string // the tool that wrote it
	Version string
	Run     string // the run's identity, where there is one
}

// Difference is something about the machine or the runtime that is not the same on both sides. Empty means unknown there.
type Difference struct{ Field, Base, Head string }

// Missing is a benchmark that one side lacks.
type Missing struct {
	Group, Name, Metric string
	Sole                bool // as in Subject
}

// Title names it as Row.Title does.
func (m Missing) Title() string { return (&Row{Group: m.Group, Name: m.Name, Sole: m.Sole}).Title() }

// Report is everything that a back end needs.
type Report struct {
	Base, Head Source
	Options    Options // with defaults filled in
	Paired     bool    // within rounds; else not protected against drift
	Families   []Family
	// Control holds the machine's pinned busy threads of both sides, which no program touches: how far the machine itself
	// moved between two runs of parbench. Empty where a side has none, and for pairs of one run.
	Control            []Row
	OnlyBase, OnlyHead []Missing
	Environment        []Difference
	Warnings           []analysis.Warning // most severe first
	Hidden             []string           // secondary metrics that Options.Secondary would add
	Finding            string             // of all families
}

// Count returns the number of rows with that verdict in all families of primary metrics.
func (r *Report) Count(v Verdict) (n int) {
	for i := range r.Families {
		if !r.Families[i].Secondary {
			n += r.Families[i].Count(v)
		}
	}
	return n
}
