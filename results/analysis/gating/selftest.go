package gating

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

// StatedLevel is the family false-alarm rate that a gate stays below.
const StatedLevel = .05

// Arm is the gates of a self-test with one slowdown of head.
type Arm struct {
	Slowdown float64 // 0: base and head are the same
	Gates    int
	// Regressed and Improved are gates in which any comparison got that verdict; a gate with both counts as Regressed.
	Regressed, Improved, Inconclusive, Passed int
	// Rate is the share of false alarms, Regressed or Improved, without a slowdown, and of those found with one: exact
	// (Clopper–Pearson) at 95 %.
	Rate analysis.Interval
	// Seconds and Pairs are medians over the gates, Slowest is the longest gate.
	Seconds, Slowest, Pairs float64

	seconds, pairs []float64
}

// SelfTest is what gates of a program against itself have shown.
type SelfTest struct {
	Arms        []Arm // the one without a slowdown first
	Comparisons int   // of a gate
	Rule        Options
	// UpperBound is the exact one-sided 95 % upper bound of the false-alarm rate; 1 without a gate.
	UpperBound float64
	// Pairs were used in all gates; DisturbedPairs are those that others disturbed although pairs were Repeated for it.
	Pairs, DisturbedPairs, Repeated int
	// Others and Steal are the mean CPU time, in cores, that other processes used and that the hypervisor took during a
	// trial; Unknown is the share of trials for which that could not be seen.
	Others, Steal, Unknown float64
	Failures               []Failure
	Finding                string

	trials, known int
}

// NewSelfTest returns an empty self-test with an arm for each slowdown and one without.
func NewSelfTest(slowdowns []float64) *SelfTest {
	t := &SelfTest{Arms: []Arm{{}}}
	for _, s := range slowdowns {
		t.Arms = append(t.Arms, Arm{Slowdown: s})
	}
	return t
}

// Add counts a gate.
func (t *SelfTest) Add(slowdown float64, o *Outcome, run *results.Run) {
	i := slices.IndexFunc(t.Arms, func(a Arm) bool { return a.Slowdown == slowdown })
	if i < 0 {
		return
	}
	a := &t.Arms[i]
	t.Rule, t.Comparisons = o.Rule, 0
	for k := range o.Families {
		t.Comparisons += len(o.Families[k].Rows)
	}
	for k := range run.Trials {
		t.trials++
		if x := run.Trials[k].Others; x != nil {
			t.known++
			t.Others += x.CPUShare
			t.Steal += x.Steal
		}
	}
	t.Pairs, t.DisturbedPairs, t.Repeated = t.Pairs+o.Pairs, t.DisturbedPairs+o.Disturbed, t.Repeated+o.Repeated
	if len(o.Failures) > 0 {
		t.Failures = append(t.Failures, o.Failures...)
		return // no decision came of it
	}
	a.Gates++
	a.seconds, a.pairs = append(a.seconds, o.Seconds), append(a.pairs, float64(o.Pairs))
	switch {
	case o.Count(comparison.Regressed) > 0:
		a.Regressed++
	case o.Count(comparison.Improved) > 0:
		a.Improved++
	case o.Verdict == Inconclusive:
		a.Inconclusive++
	default:
		a.Passed++
	}
}

// Finish works out the rates.
func (t *SelfTest) Finish() {
	t.UpperBound = 1
	for i := range t.Arms {
		a := &t.Arms[i]
		if a.Gates == 0 {
			continue
		}
		hits := a.Regressed
		if a.Slowdown == 0 {
			hits += a.Improved
			if iv, err := stat.Proportion(hits, a.Gates, .90); err == nil {
				t.UpperBound = iv.Hi
			}
		}
		if iv, err := stat.Proportion(hits, a.Gates, .95); err == nil {
			a.Rate = analysis.Interval(iv)
		}
		a.Seconds, a.Pairs, a.Slowest = middle(a.seconds), middle(a.pairs), slices.Max(a.seconds)
	}
	if t.known > 0 {
		t.Others /= float64(t.known)
		t.Steal /= float64(t.known)
	}
	if t.trials > 0 {
		t.Unknown = 1 - float64(t.known)/float64(t.trials)
	}
	t.Finding = t.finding()
}

func middle(x []float64) float64 {
	m, err := stat.Median(x)
	if err != nil {
		return 0
	}
	return m
}

// Exceeded reports whether the false alarms contradict the stated level: the exact interval lies above it.
func (t *SelfTest) Exceeded() bool { return t.Arms[0].Rate.Has() && t.Arms[0].Rate.Lo > StatedLevel }

func (t *SelfTest) finding() string {
	var s []string
	a := t.Arms[0]
	if a.Gates > 0 {
		alarms := a.Regressed + a.Improved
		s = append(s, fmt.Sprintf("%s in %s on identical sides: a rate of %s, with 95 %% confidence at most %s.",
			counted(alarms, "false alarm"), counted(a.Gates, "gate"), quantity.Percent(a.Rate.Point), quantity.Percent(t.UpperBound)))
		switch {
		case t.UpperBound <= StatedLevel:
			s = append(s, fmt.Sprintf("That keeps the stated level of %s.", quantity.Percent(StatedLevel)))
		case t.Exceeded():
			s = append(s, fmt.Sprintf("That is above the stated level of %s: %s.", quantity.Percent(StatedLevel), t.culprit()))
		default:
			s = append(s, fmt.Sprintf("Too few gates to show that it keeps the stated level of %s; 59 without an alarm would.", quantity.Percent(StatedLevel)))
		}
	}
	for _, a := range t.Arms[1:] {
		if a.Gates > 0 {
			s = append(s, fmt.Sprintf("A slowdown of %s was found in %d of %d gates (%s to %s %%).", quantity.Percent(a.Slowdown), a.Regressed, a.Gates,
				quantity.Fixed(100*a.Rate.Lo, 0), quantity.Fixed(100*a.Rate.Hi, 0)))
		}
	}
	if len(t.Failures) > 0 {
		f := t.Failures[0]
		s = append(s, fmt.Sprintf("Stopped, because %s failed in %s: %s.", f.Name, f.Side, f.Reason))
	}
	if d := t.disturbance(); d != "" && !t.Exceeded() {
		s = append(s, sentence(d))
	}
	return strings.Join(s, " ")
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// culprit names what disturbs the machine, from the records of interference.
func (t *SelfTest) culprit() string {
	if d := t.disturbance(); d != "" {
		return d
	}
	if t.known == 0 {
		return "what disturbs the machine could not be seen here; parbench doctor may tell"
	}
	return "nothing was seen that disturbs the machine from outside; the two sides themselves must differ, or the order of their runs matters"
}

// disturbance says what was seen of others, where it is enough to matter.
func (t *SelfTest) disturbance() string {
	var s []string
	if t.Others > .02 {
		s = append(s, fmt.Sprintf("other processes used %s of a core during the trials", quantity.Percent(t.Others)))
	}
	if t.Steal > .01 {
		s = append(s, fmt.Sprintf("the hypervisor took %s of a core away", quantity.Percent(t.Steal)))
	}
	if t.Pairs > 0 && 20*t.DisturbedPairs > t.Pairs {
		s = append(s, fmt.Sprintf("%s of the pairs that were used are disturbed", quantity.Percent(float64(t.DisturbedPairs)/float64(t.Pairs))))
	}
	return strings.Join(s, ", ")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return quantity.Count(n) + " " + what + "s"
}
