package claim

import (
	"fmt"
	"time"

	"github.com/parbench/parbench/results"
)

// Row is a claim with a finding for each subject, in the order of Report.Subjects.
type Row struct {
	Claim
	Findings []Finding
}

// Differs reports whether the interpreters' verdicts on the claim differ. What could not be decided, or does not
// apply, differs from nothing.
func (r *Row) Differs(subjects []Subject) bool {
	var seen Verdict
	for i, f := range r.Findings {
		if subjects[i].Go || f.Verdict == Undecided || f.Verdict == Inapplicable {
			continue
		}
		if seen != "" && f.Verdict != seen {
			return true
		}
		seen = f.Verdict
	}
	return false
}

// Report is what one checking of claims found.
type Report struct {
	Created     time.Time
	Tool        string
	Args        []string // of the command line
	Environment results.Environment
	Seconds     float64
	// Others are the cores that other programs kept busy meanwhile, on average; nil: unknown.
	Others      *float64
	Subjects    []Subject
	Rows        []Row
	Left        []string // interpreters that could not take part, and why
	Interrupted bool     // claims that were not come to are Undecided
}

// Count is how many claims a subject has with a verdict.
func (r *Report) Count(subject int, v Verdict) int {
	return count(r.Rows, func(row Row) bool { return row.Findings[subject].Verdict == v })
}

// Failed is how many probes did not do their work.
func (r *Report) Failed() (n int) {
	for i := range r.Rows {
		n += count(r.Rows[i].Findings, func(f Finding) bool { return f.Failed })
	}
	return n
}

// FailedText says in words how many probes did not do their work; empty: all did.
func (r *Report) FailedText() string {
	switch n := r.Failed(); n {
	case 0:
		return ""
	case 1:
		return "1 probe did not do its work"
	default:
		return fmt.Sprintf("%d probes did not do their work", n)
	}
}
