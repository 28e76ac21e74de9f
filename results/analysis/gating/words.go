package gating

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// The stable codes of a gate's own warnings; docs/gate.md lists each with its meaning.
const (
	CodeBudget      = "budget"
	CodeFile        = "file-ends"
	CodeInterrupted = "interrupted"
	CodeNeverQuiet  = "never-quiet"
	CodeUnconfirmed = "unconfirmed"
	CodeUnlike      = "unlike-machines"
)

func nanoseconds(n int64) time.Duration { return time.Duration(n) }

// Count returns the number of rows with that verdict in all families.
func (o *Outcome) Count(v comparison.Verdict) (n int) {
	for i := range o.Families {
		n += o.Families[i].Count(v)
	}
	return n
}

func (o *Outcome) warn(s analysis.Severity, code, text, remedy string) {
	o.Warnings = append(o.Warnings, analysis.Warning{Severity: s, Code: code, Text: text, Remedy: remedy})
}

// finish works out what follows from the rows: the overall verdict, the warnings and the finding.
func (o *Outcome) finish() {
	open, least := 0, 0
	for i := range o.Families {
		f := &o.Families[i]
		for k := range f.Rows {
			r := &f.Rows[k]
			if r.Verdict == comparison.Inconclusive || r.Verdict == comparison.Differs {
				open++
				if r.Undecidable != "" {
					least = max(least, r.Need)
				} else {
					o.Need = max(o.Need, r.Need)
				}
			}
		}
	}
	switch {
	case o.Count(comparison.Regressed) > 0:
		o.Verdict = Regressed
	case open > 0, len(o.OnlyBase) > 0: // of what head lacks nothing was shown
		o.Verdict = Inconclusive
	default:
		o.Verdict = Passed
	}
	o.warnings(least)
	slices.SortStableFunc(o.Warnings, func(a, b analysis.Warning) int { return int(b.Severity) - int(a.Severity) })
	o.Finding = o.finding()
}

// warnings adds what limits the verdicts. least is the number of pairs that comparisons with fewer need at all.
func (o *Outcome) warnings(least int) {
	switch o.Stop {
	case StopBudget:
		remedy := "give it more with --budget, or gate fewer comparisons"
		switch {
		case o.Need > least:
			remedy = fmt.Sprintf("about %s of each open comparison would decide in four of five cases: %s", pairs(o.Need), remedy)
		case least > 0:
			remedy = fmt.Sprintf("at least %s of each comparison are needed: %s", pairs(least), remedy)
		}
		o.warn(analysis.Warn, CodeBudget, "the time budget ended before every comparison was decided", remedy)
	case StopFile:
		o.warn(analysis.Note, CodeFile, "the file ends before every comparison was decided by this rule", "measure again with it for a decision")
	case StopInterrupted:
		o.warn(analysis.Warn, CodeInterrupted, "the gate was interrupted: this is what the pairs measured until then say", "run it again for a decision")
	}
	o.Need = max(o.Need, least)
	var unconfirmed []string
	for i := range o.Details {
		for k, x := range o.Details[i] {
			if r := &o.Families[i].Rows[k]; r.Verdict == comparison.Inconclusive && x.Confirmation.Pairs > 0 {
				unconfirmed = append(unconfirmed, r.Title())
			}
		}
	}
	if len(unconfirmed) > 0 {
		o.warn(analysis.Note, CodeUnconfirmed, "a first set of pairs showed a change that a second one did not: "+listed(unconfirmed),
			"nothing is claimed of it; a quieter machine or a longer --budget decides more")
	}
	if len(o.Failures) > 0 {
		f := o.Failures[0]
		more := ""
		if n := len(o.Failures); n > 1 {
			more = fmt.Sprintf(" (and %d more)", n-1)
		}
		o.warn(analysis.Error, comparison.CodeFailed, fmt.Sprintf("%s failed in %s: %s%s", f.Name, f.Side, f.Reason, more), "mend it first: what fails has no time")
	}
	if o.Disturbed == 0 {
		return
	}
	text := fmt.Sprintf("others used the machine during %s of %s", quantity.Count(o.Disturbed), pairs(o.Pairs))
	if 2*o.Disturbed > o.Pairs {
		o.warn(analysis.Warn, CodeNeverQuiet, text+", more than half, although "+again(o.Repeated),
			"verdicts hold, because both sides met the same, but small changes hide: measure on a quiet machine; parbench doctor says what disturbs it")
		return
	}
	o.warn(analysis.Note, comparison.CodeDisturbed, text, "parbench doctor says what disturbs the machine")
}

// Differ notes that the two sides compute different results of these workloads, as their user allows.
func (o *Outcome) Differ(names []string) {
	if len(names) == 0 {
		return
	}
	o.Different, o.Allowed = names, true
	o.warn(analysis.Note, comparison.CodeDigest, "the two sides compute different results, as --allow-different-results allows: "+listed(names),
		"a ratio then says how the work differs as much as how fast it is done")
}

func again(n int) string {
	if n == 1 {
		return "1 pair was repeated for it"
	}
	return fmt.Sprintf("%d pairs were repeated for it", n)
}

func pairs(n int) string {
	if n == 1 {
		return "1 pair"
	}
	return quantity.Count(n) + " pairs"
}

func listed(names []string) string {
	if len(names) > 4 {
		return strings.Join(names[:3], ", ") + fmt.Sprintf(" and %d more", len(names)-3)
	}
	return strings.Join(names, ", ")
}

// Needs says how much it takes to decide an open comparison, in plain words; it is empty where that is unknown, and where
// the comparison could not be decided at all, whose reason says it.
func Needs(r *comparison.Row) string {
	what := "pairs"
	if r.Pairs == 0 {
		what = "samples a side"
	}
	if r.Verdict != comparison.Inconclusive || r.Undecidable != "" || r.Need == 0 {
		return ""
	}
	return fmt.Sprintf("about %s %s would decide it in four of five cases", quantity.Count(r.Need), what)
}

// finding is the gate in a few plain sentences.
func (o *Outcome) finding() string {
	named := func(v comparison.Verdict) string {
		var list []string
		for i := range o.Families {
			f := &o.Families[i]
			for k := range f.Rows {
				r := &f.Rows[k]
				if r.Verdict != v {
					continue
				}
				what := r.Title()
				if i > 0 {
					what = f.Metric + " of " + what
				}
				if r.Ratio.N > 0 {
					what += ", " + comparison.Change(r.Ratio)
				}
				list = append(list, what)
			}
		}
		if len(list) > 4 {
			list = append(list[:3], fmt.Sprintf("%d more", len(list)-3))
		}
		return strings.Join(list, "; ")
	}
	total := 0
	for i := range o.Families {
		total += len(o.Families[i].Rows)
	}
	var s []string
	if n := o.Count(comparison.Regressed); n > 0 {
		s = append(s, fmt.Sprintf("Regressed: %s.", named(comparison.Regressed)))
	}
	if n := o.Count(comparison.Improved); n > 0 {
		s = append(s, fmt.Sprintf("Improved: %s.", named(comparison.Improved)))
	}
	if n := o.Count(comparison.Differs); n > 0 {
		s = append(s, fmt.Sprintf("Differs, and nobody said which direction is better: %s.", named(comparison.Differs)))
	}
	if o.Count(comparison.Inconclusive) > 0 {
		s = append(s, fmt.Sprintf("Inconclusive: %s.", named(comparison.Inconclusive)))
	}
	switch n := o.Count(comparison.Equivalent); {
	case n == 1 && total == 1 && len(o.OnlyBase) == 0:
		s = append(s, fmt.Sprintf("No change: the difference lies within %s.", quantity.Percent(o.Rule.MinEffect)))
	case n == total && len(o.OnlyBase) == 0:
		s = append(s, fmt.Sprintf("No change: all %d comparisons lie within %s.", n, quantity.Percent(o.Rule.MinEffect)))
	case n > 0:
		s = append(s, fmt.Sprintf("%d of %s %s within %s.", n, counted(total, "comparison"), map[bool]string{true: "lies", false: "lie"}[n == 1], quantity.Percent(o.Rule.MinEffect)))
	}
	if n := len(o.OnlyBase); n > 0 {
		var names []string
		for _, m := range o.OnlyBase {
			names = append(names, m.Title())
		}
		s = append(s, fmt.Sprintf("Missing in head, so that nothing is known of %s: %s.", map[bool]string{true: "it", false: "them"}[n == 1], listed(names)))
	}
	if !o.Paired {
		s = append(s, "Not protected against drift: the two files were measured at different times.")
	}
	if slices.ContainsFunc(o.Warnings, func(w analysis.Warning) bool { return w.Code == comparison.CodeSameProcess }) {
		s = append(s, "Iterations of one process were compared: differences between identical programs pass for changes.")
	}
	return strings.Join(s, " ")
}
