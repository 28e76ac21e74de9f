package report

import (
	"fmt"
	"io"
	"strconv"

	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/gating"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// GateText writes a gate's outcome for a terminal: the verdict, why, the warnings, and a table for each metric. Its only
// errors are an unknown TimeUnit and w's.
func GateText(w io.Writer, o *gating.Outcome, opt TextOptions) error {
	p := newPrinter(opt)
	var err error
	if p.unit, err = timeUnit(opt.TimeUnit); err != nil {
		return err
	}
	p.para("", p.ink.paint(bold, gateHeadline(o))+" · "+EscapeTerminal(comparisonTitle(&o.Report))+" · "+EscapeTerminal(gateProtection(o)))
	p.para("", EscapeTerminal(o.Finding))
	for _, x := range o.Warnings {
		if x.Code != comparison.CodeDrift { // the first line says it
			p.warning("  ", x)
		}
	}
	for i := range o.Families {
		p.family(&o.Families[i], "", gateNotes(o, i))
	}
	for _, f := range o.Failures {
		p.b.WriteByte('\n')
		p.para("", p.ink.paint(red, EscapeTerminal(gateFailure(f))))
		for _, l := range terminalLines(f.Stderr, stderrLines) {
			p.b.WriteString("      " + p.ink.paint(dim, "│ ") + l + "\n")
		}
	}
	for _, m := range missingText(&o.Report) {
		p.b.WriteByte('\n')
		p.para("", EscapeTerminal(m))
	}
	if len(o.Families) > 0 {
		p.b.WriteByte('\n')
		p.para("", EscapeTerminal(gateEffort(o)))
		p.para("", p.ink.paint(dim, gateLegend(o)))
	}
	return p.writeTo(w)
}

// GateMarkdown writes a gate's outcome as GitHub Markdown for a comment or a step summary. Its only errors are an unknown
// TimeUnit and w's.
func GateMarkdown(w io.Writer, o *gating.Outcome, opt MDOptions) error {
	var p page
	var err error
	if p.unit, err = timeUnit(opt.TimeUnit); err != nil {
		return err
	}
	title := opt.Title
	if title == "" {
		title = gateHeadline(o)
	}
	p.f("## %s\n\n", EscapeMarkdown(title))
	p.f("**Finding.** %s\n\n", EscapeMarkdown(o.Finding))
	p.f("*%s; %s.*\n\n", EscapeMarkdown(comparisonTitle(&o.Report)), EscapeMarkdown(gateProtection(o)))
	p.bullets(o.Warnings)
	for i := range o.Families {
		p.family(&o.Families[i], "", gateNotes(o, i))
	}
	for _, f := range o.Failures {
		p.f("**Failed.** %s\n\n", EscapeMarkdown(gateFailure(f)))
		if lines := terminalLines(f.Stderr, 20); len(lines) > 0 {
			p.f("%s\n", fence("text", lines))
		}
	}
	for _, m := range missingText(&o.Report) {
		p.f("%s\n\n", EscapeMarkdown(m))
	}
	if len(o.Families) > 0 {
		p.f("<sub>%s %s</sub>\n", EscapeMarkdown(gateEffort(o)), EscapeMarkdown(gateLegend(o)))
	}
	return p.writeTo(w)
}

// gateHeadline is the verdict in a few words.
func gateHeadline(o *gating.Outcome) string {
	tolerated := ""
	switch {
	case len(o.Failures) == 0:
	case o.Tolerated && len(o.Families) > 0: // judged is only what ran
		tolerated = ", of what did not fail"
	case o.Verdict != gating.Regressed:
		return "! gate: failed"
	}
	if len(o.Different) > 0 && !o.Allowed {
		return "! gate: different results"
	}
	switch o.Verdict {
	case gating.Regressed:
		return "▲ gate: regressed" + tolerated
	case gating.Passed:
		if n := o.Count(comparison.Improved); n > 0 {
			return "▼ gate: passed, improved" + tolerated
		}
		return "= gate: passed" + tolerated
	}
	return "? gate: inconclusive" + tolerated
}

func gateProtection(o *gating.Outcome) string {
	if o.Report.Paired {
		return "interleaved pairs of fresh processes"
	}
	return "two files: not protected against drift"
}

// gateNotes says of the rows of a family how their verdicts came about, where the table does not.
func gateNotes(o *gating.Outcome, family int) (notes []string) {
	f := &o.Families[family]
	for k := range f.Rows {
		r, x := &f.Rows[k], &o.Details[family][k]
		switch c := x.Confirmation; {
		case r.Verdict == comparison.Inconclusive && x.Why != "":
			s := r.Title() + ": " + x.Why
			if n := gating.Needs(r); n != "" {
				s += "; " + n
			}
			notes = append(notes, s)
		case c.Confirmed:
			notes = append(notes, fmt.Sprintf("%s: confirmed by %d new pairs, which alone show %s, %s", r.Title(), c.Pairs, comparison.Change(c.Ratio), equals("p", c.P)))
		}
		if r.Digest {
			notes = append(notes, r.Title()+": the two sides computed different results")
		}
		if r.Unequal != "" {
			notes = append(notes, r.Title()+": unequal work: "+r.Unequal)
		}
	}
	return fewNotes(notes)
}

// equals is "p = .03" or "p < .0001".
func equals(name string, p float64) string {
	s := probability(p, true)
	if s[0] != '<' {
		s = "= " + s
	}
	return name + " " + s
}

func gateFailure(f gating.Failure) string {
	return fmt.Sprintf("%s failed in %s: %s: %s", f.Name, f.Side, f.Status, clip(f.Reason))
}

// gateEffort says what was measured.
func gateEffort(o *gating.Outcome) string {
	if !o.Report.Paired {
		return "Nothing was measured: the files were."
	}
	s := fmt.Sprintf("%s at %s in %s", counted(o.Pairs, "pair"), counted(o.Looks, "look"), quantity.Duration(o.Seconds))
	if o.Repeated > 0 {
		s += fmt.Sprintf("; %s repeated because others used the machine", counted(o.Repeated, "pair"))
	}
	return s + "."
}

func gateLegend(o *gating.Outcome) string {
	level, effect := strconv.FormatFloat(o.Level, 'g', 3, 64), quantity.Percent(o.Rule.MinEffect)
	confirmed := ", confirmed by pairs of its own"
	if !o.Report.Paired {
		confirmed = ""
	}
	return "▲ regressed and ▼ improved: q ≤ " + level + " and a ratio beyond " + effect + confirmed + "; = equivalent: shown to lie within " + effect +
		"; ? inconclusive: neither. Ratio = head ÷ base; q is p corrected for all tests of a table (Benjamini–Hochberg)."
}

// SelfTestText writes what a gate found out about itself for a terminal. Its only errors are w's.
func SelfTestText(w io.Writer, t *gating.SelfTest, opt TextOptions) error {
	p := newPrinter(opt)
	p.para("", p.ink.paint(bold, "gate against itself")+" · "+selfTestScope(t))
	p.para("", EscapeTerminal(t.Finding))
	p.b.WriteByte('\n')
	p.grid(selfTestGrid(t))
	p.b.WriteByte('\n')
	p.para("", selfTestMachine(t))
	return p.writeTo(w)
}

// SelfTestMarkdown writes the same as GitHub Markdown. Its only errors are w's.
func SelfTestMarkdown(w io.Writer, t *gating.SelfTest) error {
	var p page
	p.f("## Gate against itself\n\n**Finding.** %s\n\n*%s.*\n\n", EscapeMarkdown(t.Finding), EscapeMarkdown(sentence(selfTestScope(t))))
	p.b.WriteString(selfTestGrid(t).markdown())
	p.f("\n<sub>%s</sub>\n", EscapeMarkdown(selfTestMachine(t)))
	return p.writeTo(w)
}

func selfTestScope(t *gating.SelfTest) string {
	return fmt.Sprintf("%s a gate · smallest effect %s · each gate has pairs of its own", counted(t.Comparisons, "comparison"), quantity.Percent(t.Rule.MinEffect))
}

func selfTestGrid(t *gating.SelfTest) *grid {
	g := &grid{cols: []column{
		{head: "more work\nin head", long: "more work in head"}, {head: "gates", long: "gates"},
		{head: "regressed", long: "regressed"}, {head: "improved", long: "improved"}, {head: "inconclusive", long: "inconclusive"}, {head: "passed", long: "passed"},
		{head: "rate\n[95 %]", long: "rate, 95 % interval"}, {head: "pairs,\nmedian", long: "pairs, median", drop: 2},
		{head: "time,\nmedian", long: "time, median", drop: 1}, {head: "time,\nlongest", long: "time, longest", drop: 3},
	}}
	for _, a := range t.Arms {
		work, kind := quantity.Percent(a.Slowdown), "found"
		if a.Slowdown == 0 {
			work, kind = "none", "alarms"
		}
		if a.Gates == 0 {
			continue
		}
		rate := fmt.Sprintf("%s %% %s [%s, %s]", quantity.Fixed(100*a.Rate.Point, 1), kind, quantity.Fixed(100*a.Rate.Lo, 1), quantity.Fixed(100*a.Rate.Hi, 1))
		g.lines = append(g.lines, line{[]string{work, strconv.Itoa(a.Gates), strconv.Itoa(a.Regressed), strconv.Itoa(a.Improved), strconv.Itoa(a.Inconclusive),
			strconv.Itoa(a.Passed), rate, quantity.Fixed(a.Pairs, 0), quantity.Duration(a.Seconds), quantity.Duration(a.Slowest)}, plain})
	}
	return g
}

// selfTestMachine says what was seen of the machine meanwhile.
func selfTestMachine(t *gating.SelfTest) string {
	s := fmt.Sprintf("The machine meanwhile: others used %s of a core, the hypervisor took %s; %s repeated, %d of %d used pairs disturbed",
		quantity.Percent(t.Others), quantity.Percent(t.Steal), counted(t.Repeated, "pair"), t.DisturbedPairs, t.Pairs)
	if t.Unknown > 0 {
		s += fmt.Sprintf("; unknown for %s of the trials", quantity.Percent(t.Unknown))
	}
	return s + ". Rates are exact (Clopper–Pearson)."
}
