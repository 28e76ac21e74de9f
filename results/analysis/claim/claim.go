// Package claim judges what articles on Python's processes and threads claim: the claims with their sources, what a probe
// observed of each, and pure functions from observations to verdicts. The same functions judge what was seen under any
// interpreter and in Go, so a verdict differs exactly where the observations do.
//
// Non-goals: observing (internal/claims) and rendering (report).
package claim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Verdict says what became of a claim.
type Verdict string

// The verdicts.
const (
	Confirmed Verdict = "confirmed"
	Refuted   Verdict = "refuted"
	Partly    Verdict = "partly" // parts of it hold, or it holds under a condition that the evidence names
	// Inapplicable: the claim is about something that is not there, so that it is neither true nor false.
	Inapplicable Verdict = "does not apply"
	// Undecided: this machine or this runtime could not show it; the reason stands in the evidence.
	Undecided Verdict = "not decided"
)

// Verdicts lists them in the order of reports.
func Verdicts() []Verdict {
	return []Verdict{Confirmed, Partly, Refuted, Inapplicable, Undecided}
}

// Source is a place where a claim is made.
type Source struct {
	Article string `json:"article"` // its number: see Articles
	Row     string `json:"row"`     // the row of docs/multiproc.md that has the article's statement
}

// Article is a text that people learn from.
type Article struct {
	Number string `json:"number"`
	Title  string `json:"title"`
}

// Claim is one of them. It is a value; copy it freely.
type Claim struct {
	ID      string   `json:"id"`
	Short   string   `json:"short"` // a few words, for tables
	Text    string   `json:"text"`  // in words of our own
	Sources []Source `json:"sources"`
	Check   string   `json:"check"` // what is observed to decide it
	python  judge
	golang  judge // nil: the same
}

// Subject is whose behaviour was observed.
type Subject struct {
	Label string `json:"label"` // python3.13t, go
	About string `json:"about"` // such as "CPython 3.13.0, free-threaded build, GIL off, start method fork"
	Go    bool   `json:"-"`
}

// Finding is a verdict with its evidence.
type Finding struct {
	Verdict  Verdict `json:"verdict"`
	Evidence string  `json:"evidence"` // whole sentences for somebody who did not see the probe; of Undecided, the reason
	// Failed says that the probe did not do its work: it died, hung, or said nothing that makes sense.
	Failed bool `json:"failed,omitempty"`
	// Seconds is how long observing took.
	Seconds float64 `json:"seconds"`
	// Observed is what the probe saw, as it said it; nil where it failed.
	Observed json.RawMessage `json:"observed,omitempty"`
}

// Unable is the finding of a probe that could not look, for a reason that is nobody's failure.
func Unable(why string) Finding { return Finding{Verdict: Undecided, Evidence: sentence(why)} }

// DoesNotApply is the finding about a claim that speaks of something that is not there.
func DoesNotApply(why string) Finding { return Finding{Verdict: Inapplicable, Evidence: sentence(why)} }

// Failure is the finding of a probe that did not do its work.
func Failure(why string) Finding {
	f := Unable(why)
	f.Failed = true
	return f
}

// Judge is the verdict on what was observed: the JSON document of the claim's observations. Documents that are none, or say
// nothing, are a Failure.
func (c Claim) Judge(s Subject, observed json.RawMessage) Finding {
	j := c.python
	if s.Go && c.golang != nil {
		j = c.golang
	}
	parts, err := j(observed)
	if err != nil {
		return Failure(fmt.Sprintf("The observations make no sense: %v", err))
	}
	f := conclude(parts)
	f.Observed = observed
	return f
}

// judge turns observations into the parts of a verdict.
type judge func(observed json.RawMessage) ([]part, error)

// observing makes a judge of a function on observations of one type. Unknown fields are let pass, for a newer probe.
func observing[O interface{ check() error }](f func(O) []part) judge {
	return func(observed json.RawMessage) ([]part, error) {
		var o O
		if err := json.Unmarshal(observed, &o); err != nil {
			return nil, err
		}
		if err := o.check(); err != nil {
			return nil, err
		}
		return f(o), nil
	}
}

// part is one of the statements that a claim consists of. One without a verdict only adds to the evidence.
type part struct {
	verdict  Verdict
	evidence string
	// says is the statement, as it follows "that". It is named where the claim holds in part.
	says string
	// under is the condition on which the statement of a part that is Partly so holds.
	under string
}

// conclude puts the parts together. A claim says all of its parts: confirmed are only all of them. One that does not hold
// makes it Partly where another one holds, else Refuted: what could not be decided besides would not save it. Without such
// a one, a part that could not be decided leaves the claim undecided.
func conclude(parts []part) Finding {
	var seen []Verdict
	var texts []string
	for _, p := range parts {
		if p.verdict != "" && !slices.Contains(seen, p.verdict) {
			seen = append(seen, p.verdict)
		}
		if p.evidence != "" {
			texts = append(texts, sentence(p.evidence))
		}
	}
	f := Finding{}
	has := func(v Verdict) bool { return slices.Contains(seen, v) }
	switch {
	case has(Inapplicable):
		f.Verdict = Inapplicable
	case has(Partly), has(Confirmed) && has(Refuted):
		f.Verdict = Partly
	case has(Refuted):
		f.Verdict = Refuted
	case has(Undecided), len(seen) == 0:
		f.Verdict = Undecided
	default:
		f.Verdict = seen[0]
	}
	if f.Verdict == Partly {
		texts = append([]string{which(parts)}, texts...)
	}
	f.Evidence = strings.TrimSpace(strings.Join(texts, " "))
	return f
}

// which says of a claim that is partly so what of it holds, what does not, and what does on a condition. It is empty where
// the parts do not say what they state: their evidence does then.
func which(parts []part) string {
	by := map[Verdict][]string{}
	for _, p := range parts {
		if p.says == "" || p.verdict == Partly && p.under == "" {
			continue
		}
		s := "that " + inside(p.says)
		if p.verdict == Partly {
			s = inside(p.under) + " " + s
		}
		by[p.verdict] = append(by[p.verdict], s)
	}
	var said []string
	if holds := slices.Concat(by[Confirmed], by[Partly]); len(holds) > 0 {
		said = append(said, "it holds "+listed(holds))
	}
	if len(by[Refuted]) > 0 {
		said = append(said, "it does not hold "+listed(by[Refuted]))
	}
	if len(said) == 0 || len(by[Partly]) == 0 && len(said) < 2 {
		return ""
	}
	if len(by[Undecided]) > 0 {
		said = append(said, "it is not decided "+listed(by[Undecided]))
	}
	return sentence(strings.Join(said, ", and "))
}

// inside is what stands inside a sentence: with a small letter where it begins with an article.
func inside(s string) string {
	if rest, ok := strings.CutPrefix(s, "A "); ok {
		return "a " + rest
	}
	return s
}

// Select returns the claims of those names, in the order of All; all of them for none. Case does not matter.
func Select(ids []string) ([]Claim, error) {
	list := All()
	if len(ids) == 0 {
		return list, nil
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		at := slices.IndexFunc(list, func(c Claim) bool { return strings.EqualFold(c.ID, id) })
		if at < 0 {
			return nil, fmt.Errorf("no claim %q; there are %s to %s, see parbench claims --list", id, list[0].ID, list[len(list)-1].ID)
		}
		wanted[list[at].ID] = true
	}
	return slices.DeleteFunc(list, func(c Claim) bool { return !wanted[c.ID] }), nil
}
