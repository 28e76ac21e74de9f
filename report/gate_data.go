package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/gating"
)

type confirmationJSON struct {
	Pairs     int           `json:"pairs"`
	Ratio     *intervalJSON `json:"ratio,omitempty"`
	P         float64       `json:"p"`
	Confirmed bool          `json:"confirmed"`
}

type gateRowJSON struct {
	rowJSON
	Looks        int               `json:"looks"`
	Why          string            `json:"why,omitempty"`
	Confirmation *confirmationJSON `json:"confirmation,omitempty"`
}

type gateFamilyJSON struct {
	familyJSON
	Rows []gateRowJSON `json:"rows"`
}

type failureJSON struct {
	Side   string `json:"side"`
	Name   string `json:"name"`
	Status string `json:"status"`
	Reason string `json:"reason"`
	Stderr string `json:"stderr,omitempty"`
}

type gateJSON struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	Verdict string `json:"verdict"`
	Finding string `json:"finding"`
	sidesJSON
	MinEffect  float64          `json:"min_effect"`
	Level      float64          `json:"level"`
	Confidence float64          `json:"confidence"`
	Looks      int              `json:"looks"`
	Planned    int              `json:"planned_looks"`
	Stop       string           `json:"stopped,omitempty"`
	Pairs      int              `json:"pairs"`
	Repeated   int              `json:"repeated_pairs"`
	Disturbed  int              `json:"disturbed_pairs"`
	Need       int              `json:"need,omitempty"`
	Seconds    float64          `json:"seconds"`
	Counts     map[string]int   `json:"counts"`
	Families   []gateFamilyJSON `json:"families"`
	Failures   []failureJSON    `json:"failures"`
	Different  []string         `json:"different_results"`
	limitsJSON
}

// GateJSON writes a gate's outcome as the JSON document that docs/gate.md describes: base units, no NaN and no infinity,
// nothing rounded. The only errors are w's.
func GateJSON(w io.Writer, o *gating.Outcome) error {
	doc := gateJSON{
		Schema: "parbench/gate", Version: 1, Verdict: string(o.Verdict), Finding: o.Finding, sidesJSON: sidesOf(&o.Report),
		MinEffect: o.Rule.MinEffect, Level: o.Level, Confidence: o.Rule.Confidence, Looks: o.Looks, Planned: o.Rule.Looks,
		Stop: string(o.Stop), Pairs: o.Pairs, Repeated: o.Repeated, Disturbed: o.Disturbed, Need: o.Need, Seconds: o.Seconds, Counts: map[string]int{},
		Families: []gateFamilyJSON{}, Failures: []failureJSON{}, Different: append([]string{}, o.Different...),
		limitsJSON: limitsOf(&o.Report),
	}
	for _, v := range comparison.Verdicts() {
		doc.Counts[string(v)] = o.Count(v)
	}
	for _, f := range o.Failures {
		doc.Failures = append(doc.Failures, failureJSON{f.Side, f.Name, string(f.Status), f.Reason, f.Stderr})
	}
	for i, f := range familiesOf(o.Families) {
		x := gateFamilyJSON{familyJSON: f, Rows: []gateRowJSON{}}
		for k, r := range f.Rows {
			d := &o.Details[i][k]
			row := gateRowJSON{rowJSON: r, Looks: d.Looks, Why: d.Why}
			if c := d.Confirmation; c.Pairs > 0 {
				row.Confirmation = &confirmationJSON{c.Pairs, intervalOf(c.Ratio), c.P, c.Confirmed}
			}
			x.Rows = append(x.Rows, row)
		}
		doc.Families = append(doc.Families, x)
	}
	return writeJSON(w, doc)
}

type armJSON struct {
	Slowdown     float64       `json:"slowdown"`
	Gates        int           `json:"gates"`
	Regressed    int           `json:"regressed"`
	Improved     int           `json:"improved"`
	Inconclusive int           `json:"inconclusive"`
	Passed       int           `json:"passed"`
	Rate         *intervalJSON `json:"rate,omitempty"`
	Pairs        float64       `json:"pairs_median"`
	Seconds      float64       `json:"seconds_median"`
	Slowest      float64       `json:"seconds_longest"`
}

// SelfTestJSON writes what a gate found out about itself as JSON. The only errors are w's.
func SelfTestJSON(w io.Writer, t *gating.SelfTest) error {
	doc := struct {
		Schema      string        `json:"schema"`
		Version     int           `json:"version"`
		Finding     string        `json:"finding"`
		MinEffect   float64       `json:"min_effect"`
		Comparisons int           `json:"comparisons"`
		Level       float64       `json:"stated_level"`
		UpperBound  float64       `json:"upper_bound"`
		Exceeded    bool          `json:"exceeded"`
		Arms        []armJSON     `json:"arms"`
		Pairs       int           `json:"pairs"`
		Repeated    int           `json:"repeated_pairs"`
		Disturbed   int           `json:"disturbed_pairs"`
		Others      float64       `json:"others_cores"`
		Steal       float64       `json:"steal_cores"`
		Unknown     float64       `json:"unknown_share"`
		Failures    []failureJSON `json:"failures"`
	}{"parbench/gate-self-test", 1, t.Finding, t.Rule.MinEffect, t.Comparisons, gating.StatedLevel, t.UpperBound, t.Exceeded(), nil,
		t.Pairs, t.Repeated, t.DisturbedPairs, t.Others, t.Steal, t.Unknown, []failureJSON{}}
	for _, a := range t.Arms {
		doc.Arms = append(doc.Arms, armJSON{a.Slowdown, a.Gates, a.Regressed, a.Improved, a.Inconclusive, a.Passed, intervalOf(a.Rate), a.Pairs, a.Seconds, a.Slowest})
	}
	for _, f := range t.Failures {
		doc.Failures = append(doc.Failures, failureJSON{f.Side, f.Name, string(f.Status), f.Reason, f.Stderr})
	}
	return writeJSON(w, doc)
}

// JUnit's elements, as far as CI systems read them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
		Out      string      `xml:"system-out,omitempty"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitProblem `xml:"failure"`
		Error   *junitProblem `xml:"error"`
		Skipped *junitProblem `xml:"skipped"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// GateJUnit writes a gate's outcome as JUnit XML: a suite for each metric and a test case for each comparison. A regression
// is a failure, what did not run an error, and an inconclusive comparison skipped, or a failure as well where strict says
// so. The only errors are w's.
func GateJUnit(w io.Writer, o *gating.Outcome, strict bool) error {
	// A comparison's own time is not known; the whole one stands at the top, and 0 with the cases.
	doc := junitSuites{Name: "parbench gate", Time: strconv.FormatFloat(o.Seconds, 'f', 3, 64)}
	for i := range o.Families {
		f := &o.Families[i]
		s := junitSuite{Name: "parbench gate: " + visible(orUnit(f.Metric)), Time: "0"}
		for k := range f.Rows {
			r := &f.Rows[k]
			c := junitCase{Class: "parbench.gate." + visible(orUnit(f.Metric)), Name: visible(r.Title()), Time: "0"}
			text := visible(gateRowText(o, i, k))
			p := &junitProblem{Message: text, Type: string(r.Verdict), Text: text}
			switch {
			case r.Digest && !o.Allowed:
				c.Error = p
				p.Type = "different-results"
				p.Message = "the two sides compute different results; " + text
				s.Errors++
			case r.Verdict == comparison.Regressed:
				c.Failure = p
				s.Failures++
			case r.Verdict == comparison.Inconclusive && strings.HasPrefix(r.Undecidable, "failed"):
				if o.Tolerated {
					p.Type, p.Text = "", ""
					c.Skipped = p
					s.Skipped++
					break
				}
				c.Error = p
				p.Type = "failed"
				for _, x := range o.Failures {
					if x.Name == r.Title() {
						p.Text += "\n" + visible(gateFailure(x)) + "\n" + strings.Join(terminalLines(x.Stderr, 20), "\n")
					}
				}
				s.Errors++
			case open(r) && strict:
				c.Failure = p
				s.Failures++
			case open(r):
				p.Type, p.Text = "", ""
				c.Skipped = p
				s.Skipped++
			}
			s.Tests++
			s.Cases = append(s.Cases, c)
		}
		doc.Tests, doc.Failures, doc.Errors, doc.Skipped = doc.Tests+s.Tests, doc.Failures+s.Failures, doc.Errors+s.Errors, doc.Skipped+s.Skipped
		if i == 0 {
			s.Out = visible(o.Finding) + "\n" + visible(gateEffort(o))
			for _, x := range o.Warnings {
				s.Out += "\n" + severity(x.Severity) + ": " + visible(x.Text) + " → " + visible(x.Remedy)
			}
		}
		doc.Suites = append(doc.Suites, s)
	}
	if len(o.Families) == 0 {
		s := notMeasured(o)
		doc.Tests, doc.Errors, doc.Suites = s.Tests, s.Errors, []junitSuite{s}
	} else if s := withoutRow(o, strict); s.Tests > 0 {
		doc.Tests, doc.Failures, doc.Errors, doc.Skipped = doc.Tests+s.Tests, doc.Failures+s.Failures, doc.Errors+s.Errors, doc.Skipped+s.Skipped
		doc.Suites = append(doc.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// open reports whether a comparison was not decided: what differs in a direction that nobody called better or worse is not.
func open(r *comparison.Row) bool {
	return r.Verdict == comparison.Inconclusive || r.Verdict == comparison.Differs
}

// withoutRow is the suite of what no comparison stands for: what head lacks, and failures of whole files.
func withoutRow(o *gating.Outcome, strict bool) junitSuite {
	const class = "parbench.gate.files"
	s := junitSuite{Name: "parbench gate: files", Time: "0"}
	for _, x := range o.Failures {
		if !hasRow(o, x.Name) {
			text := visible(gateFailure(x))
			c := junitCase{Class: class, Name: visible(x.Name), Time: "0"}
			if o.Tolerated {
				c.Skipped = &junitProblem{Message: text}
				s.Skipped++
			} else {
				c.Error = &junitProblem{Message: text, Type: "failed", Text: text}
				s.Errors++
			}
			s.Cases = append(s.Cases, c)
		}
	}
	for _, m := range o.OnlyBase {
		c := junitCase{Class: class, Name: visible(m.Title()), Time: "0"}
		if strict {
			c.Failure = &junitProblem{Message: missingInHead, Type: "inconclusive", Text: missingInHead}
			s.Failures++
		} else {
			c.Skipped = &junitProblem{Message: missingInHead}
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	s.Tests = len(s.Cases)
	return s
}

// missingInHead says of a benchmark that only base has why it is open.
const missingInHead = "inconclusive; it is missing in head"

func hasRow(o *gating.Outcome, name string) bool {
	for i := range o.Families {
		for k := range o.Families[i].Rows {
			if o.Families[i].Rows[k].Title() == name {
				return true
			}
		}
	}
	return false
}

// notMeasured is the suite of a gate that could not begin: an error for each reason.
func notMeasured(o *gating.Outcome) junitSuite {
	s := junitSuite{Name: "parbench gate", Time: "0"}
	add := func(name, kind, text string) {
		p := &junitProblem{Message: visible(text), Type: kind, Text: visible(text)}
		s.Cases = append(s.Cases, junitCase{Class: "parbench.gate", Name: visible(name), Time: "0", Error: p})
	}
	for _, f := range o.Failures {
		add(f.Name, "failed", gateFailure(f))
		if c := s.Cases[len(s.Cases)-1].Error; f.Stderr != "" {
			c.Text += "\n" + strings.Join(terminalLines(f.Stderr, 20), "\n")
		}
	}
	for _, d := range o.Different {
		add(d, "different-results", o.Finding)
	}
	if len(s.Cases) == 0 {
		add("gate", "inconclusive", o.Finding)
	}
	s.Tests, s.Errors = len(s.Cases), len(s.Cases)
	return s
}

// gateRowText says of one comparison what was decided and why.
func gateRowText(o *gating.Outcome, family, row int) string {
	r, x := &o.Families[family].Rows[row], &o.Details[family][row]
	s := string(r.Verdict)
	if r.Ratio.N > 0 {
		s += ": " + comparison.Change(r.Ratio)
	}
	if r.Tested {
		s += fmt.Sprintf(", %s, %s", equals("q", r.Q), sizes(r))
	}
	if c := x.Confirmation; c.Confirmed {
		s += fmt.Sprintf("; confirmed by %d new pairs", c.Pairs)
	}
	if x.Why != "" {
		s += "; " + x.Why
	}
	if n := gating.Needs(r); n != "" {
		s += "; " + n
	}
	return s
}

// mostAnnotations is how many errors, and how many warnings, GitHub shows of a step.
const mostAnnotations = 10

// GateAnnotations writes a gate's outcome as commands of GitHub Actions: an error for each regression and failure, a
// warning for each inconclusive comparison (an error where strict says so), a notice otherwise. What GitHub would not show
// is counted in the last one. The only errors are w's.
func GateAnnotations(w io.Writer, o *gating.Outcome, strict bool) error {
	var b strings.Builder
	var errs, warns [][2]string
	add := func(list *[][2]string, title, text string) { *list = append(*list, [2]string{title, text}) }
	for _, f := range o.Failures {
		list := &errs
		if o.Tolerated && len(o.Families) > 0 {
			list = &warns
		}
		add(list, "parbench: "+f.Name+" failed", gateFailure(f))
	}
	for _, d := range o.Different {
		list := &errs
		if o.Allowed {
			list = &warns
		}
		add(list, "parbench: different results", d+": the two sides compute different results from the same inputs")
	}
	for i := range o.Families {
		f := &o.Families[i]
		for k := range f.Rows {
			r := &f.Rows[k]
			title := fmt.Sprintf("parbench: %s of %s", orUnit(f.Metric), r.Title())
			text := gateRowText(o, i, k)
			switch {
			case r.Verdict == comparison.Regressed:
				add(&errs, title, text)
			case r.Verdict == comparison.Inconclusive && strings.HasPrefix(r.Undecidable, "failed"): // said already
			case open(r) && strict:
				add(&errs, title, text)
			case open(r):
				add(&warns, title, text)
			}
		}
	}
	for _, m := range o.OnlyBase {
		list := &warns
		if strict {
			list = &errs
		}
		add(list, "parbench: "+m.Title(), missingInHead)
	}
	for _, x := range []struct {
		command string
		list    [][2]string
	}{{"error", errs}, {"warning", warns}} {
		for i, a := range x.list {
			if i == mostAnnotations-1 && len(x.list) > mostAnnotations {
				a = [2]string{"parbench", fmt.Sprintf("and %d more; the step summary has all", len(x.list)-i)}
			}
			if i < mostAnnotations {
				fmt.Fprintf(&b, "::%s title=%s::%s\n", x.command, annotationProperty(a[0]), annotationText(a[1]))
			}
		}
	}
	if len(errs)+len(warns) == 0 {
		_, headline, _ := strings.Cut(gateHeadline(o), " ") // without its symbol
		fmt.Fprintf(&b, "::notice title=%s::%s\n", annotationProperty("parbench "+headline), annotationText(o.Finding))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// annotationText escapes the text of a command of GitHub Actions, after making it visible (actions/toolkit, command.ts).
func annotationText(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(visible(s))
}

// annotationProperty escapes a property of one.
func annotationProperty(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(annotationText(s))
}
