package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/codec"
)

// ComparisonText writes a comparison for a terminal: what was compared with what, its finding, the warnings that limit it,
// what differs between the environments, and a table for each metric. Its only errors are an unknown TimeUnit and w's.
func ComparisonText(w io.Writer, rep *comparison.Report, opt TextOptions) error {
	p := newPrinter(opt)
	var err error
	if p.unit, err = timeUnit(opt.TimeUnit); err != nil {
		return err
	}
	p.para("", p.ink.paint(bold, EscapeTerminal(comparisonTitle(rep)))+" · "+EscapeTerminal(protection(rep)))
	p.para("", EscapeTerminal(rep.Finding))
	for _, x := range rep.Warnings {
		if x.Code != comparison.CodeDrift { // the first line says it
			p.warning("  ", x)
		}
	}
	if len(rep.Environment) > 0 {
		p.b.WriteString("\n" + p.ink.paint(bold, "environment") + "\n")
		for _, d := range rep.Environment {
			p.para("  ", EscapeTerminal(differenceText(d)))
		}
	}
	for i := range rep.Families {
		f := &rep.Families[i]
		p.family(f, f.Finding, rowNotes(f))
	}
	for _, m := range missingText(rep) {
		p.b.WriteByte('\n')
		p.para("", EscapeTerminal(m))
	}
	p.b.WriteByte('\n')
	for _, l := range comparisonLegend(rep) {
		p.para("", p.ink.paint(dim, l))
	}
	return p.writeTo(w)
}

// ComparisonMarkdown writes a comparison as GitHub Markdown that can stand in a comment: finding, warnings, tables, of which
// long ones show what differs and fold the rest away. Its only errors are an unknown TimeUnit and w's.
func ComparisonMarkdown(w io.Writer, rep *comparison.Report, opt MDOptions) error {
	var p page
	var err error
	if p.unit, err = timeUnit(opt.TimeUnit); err != nil {
		return err
	}
	title := opt.Title
	if title == "" {
		title = comparisonTitle(rep)
	}
	p.f("## %s\n\n", EscapeMarkdown(title))
	p.f("**Finding.** %s\n\n", EscapeMarkdown(rep.Finding))
	if rep.Paired { // else a warning says how they were measured
		p.f("*%s.*\n\n", EscapeMarkdown(sentence(protection(rep))))
	}
	p.bullets(rep.Warnings)
	for i := range rep.Families {
		f := &rep.Families[i]
		p.family(f, f.Finding, rowNotes(f))
	}
	if len(rep.Environment) > 0 {
		p.f("### Environment\n\n| field | base | head |\n|:--|:--|:--|\n")
		for _, d := range rep.Environment {
			p.f("| %s | %s | %s |\n", EscapeMarkdown(d.Field), EscapeMarkdown(orUnknown(d.Base)), EscapeMarkdown(orUnknown(d.Head)))
		}
		p.f("\n")
	}
	for _, m := range missingText(rep) {
		p.f("%s\n\n", EscapeMarkdown(m))
	}
	p.f("<sub>%s</sub>\n", EscapeMarkdown(strings.Join(comparisonLegend(rep), " ")))
	return p.writeTo(w)
}

func comparisonTitle(rep *comparison.Report) string {
	return fmt.Sprintf("%s (head) against %s (base)", rep.Head.Label, rep.Base.Label)
}

// protection says how the two sides were measured.
func protection(rep *comparison.Report) string {
	if rep.Paired {
		return "paired within the rounds of one run"
	}
	return "two files: not protected against drift"
}

func orUnit(metric string) string {
	if metric == "" {
		return "value"
	}
	return metric
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func differenceText(d comparison.Difference) string {
	return fmt.Sprintf("%s: %s (base), %s (head)", d.Field, orUnknown(d.Base), orUnknown(d.Head))
}

// familyText says how to read the numbers of a family.
func familyText(f *comparison.Family) string {
	better := "nobody said which direction is better"
	switch f.Better {
	case codec.Lower:
		better = "lower is better"
	case codec.Higher:
		better = "higher is better"
	}
	parts := []string{}
	if f.Unit != "" {
		parts = append(parts, f.Unit)
	}
	parts = append(parts, better, "ratio = head ÷ base")
	if f.Tests > 1 {
		parts = append(parts, fmt.Sprintf("%d tests, corrected for that", f.Tests))
	}
	return strings.Join(parts, " · ")
}

// unitOf chooses the unit in which a family's medians are shown.
func unitOf(f *comparison.Family, unit quantity.Unit) quantity.Unit {
	var v []float64
	for i := range f.Rows {
		v = append(v, f.Rows[i].Base.Median, f.Rows[i].Head.Median)
	}
	base, per, _ := strings.Cut(f.Unit, "/")
	suffix := ""
	if per != "" {
		suffix = "/" + per
	}
	var u quantity.Unit
	switch base {
	case "s", "sec":
		if u = unit; u.Scale == 0 {
			u = quantity.Time(v...)
		}
	case "B":
		u = quantity.Bytes(v...)
	default:
		return quantity.Unit{Symbol: f.Unit, Scale: 1}
	}
	return quantity.Unit{Symbol: u.Symbol + suffix, Scale: u.Scale}
}

// comparisonGrid is the table of one family.
func comparisonGrid(f *comparison.Family, unit quantity.Unit) *grid {
	u := unitOf(f, unit)
	var ratios estimates
	for i := range f.Rows {
		ratios.add(f.Rows[i].Ratio, 1)
	}
	cells := ratios.cells()
	level := ratios.level()
	head, long := "ratio", "ratio head/base"
	if level != "" {
		head, long = "ratio\n["+level+"]", long+", "+level+" interval"
	}
	symbol := strings.TrimSpace(EscapeTerminal(u.Symbol))
	median := func(v float64) string { return quantity.Digits(u.In(v), 4) }
	if unit.Scale == 0 && scattered(f) {
		// One unit for nanoseconds and seconds would be a column of zeros.
		_, per, _ := strings.Cut(f.Unit, "/")
		symbol, median = "", quantity.Duration
		if per != "" {
			symbol = "per " + EscapeTerminal(per)
		}
	}
	g := &grid{cols: []column{
		{head: "benchmark", long: "benchmark", left: true, wrap: true},
		{head: strings.TrimSpace("base\n" + symbol), long: strings.TrimSuffix("base, "+symbol, ", "), drop: 2},
		{head: strings.TrimSpace("head\n" + symbol), long: strings.TrimSuffix("head, "+symbol, ", "), drop: 1},
		{head: head, long: long},
		{head: "verdict", long: "verdict", left: true},
		{head: "q", long: "q", drop: 3},
		{head: "p", long: "p", drop: 6, terminal: true},
		{head: "detect-\nable", long: "detectable", drop: 4},
		{head: "n", long: "n", drop: 5},
	}}
	for i := range f.Rows {
		r := &f.Rows[i]
		st := plain
		switch r.Verdict {
		case comparison.Regressed, comparison.Improved, comparison.Differs:
			st = strong
		case comparison.Inconclusive:
			if r.Undecidable != "" {
				st = faint
			}
		}
		g.lines = append(g.lines, line{[]string{
			r.Title(), sideCell(r.Base, median), sideCell(r.Head, median), cells[i], verdictCell(r),
			probability(r.Q, r.Tested), probability(r.P, r.Tested), detectable(r), sizes(r),
		}, st})
	}
	if f.Geomean.N > 1 {
		var e estimates
		e.add(f.Geomean, 1)
		g.lines = append(g.lines, line{[]string{"geometric mean", "", "", strings.TrimRight(e.cells()[0], " "), "", "", "", "", ""}, faint})
	}
	return g
}

// scattered reports whether the medians of a family of times are too far apart for one unit.
func scattered(f *comparison.Family) bool {
	if f.Unit != "s" && !strings.HasPrefix(f.Unit, "s/") {
		return false
	}
	lo, hi := math.Inf(1), 0.0
	for i := range f.Rows {
		for _, s := range []comparison.Side{f.Rows[i].Base, f.Rows[i].Head} {
			if s.Median > 0 {
				lo, hi = min(lo, s.Median), max(hi, s.Median)
			}
		}
	}
	return hi > lo*1e4
}

// verdictCell is the verdict with its symbol; where no values could have decided it, that is said instead.
func verdictCell(r *comparison.Row) string {
	if r.Undecidable != "" {
		return r.Verdict.Symbol() + " cannot be decided"
	}
	return r.Verdict.Symbol() + " " + string(r.Verdict)
}

func sideCell(s comparison.Side, median func(float64) string) string {
	if s.N == 0 {
		if s.Failed > 0 {
			return "failed"
		}
		return absent
	}
	return median(s.Median)
}

// probability writes a p-value: two digits, never "0".
func probability(p float64, known bool) string {
	switch {
	case !known:
		return absent
	case p < 1e-4:
		return "< .0001"
	case p > .995:
		return "1"
	}
	return strings.TrimPrefix(quantity.Digits(p, 2), "0")
}

func detectable(r *comparison.Row) string {
	if r.Detectable <= 0 || math.IsInf(r.Detectable, 0) {
		return absent
	}
	return quantity.Percent(r.Detectable)
}

func sizes(r *comparison.Row) string {
	if r.Pairs > 0 {
		return fmt.Sprintf("%d pairs", r.Pairs)
	}
	return fmt.Sprintf("%d + %d", r.Base.N, r.Head.N)
}

// rowNotes says of single rows what the table cannot.
func rowNotes(f *comparison.Family) []string {
	var notes []string
	add := func(r *comparison.Row, s string) { notes = append(notes, r.Title()+": "+s) }
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.Undecidable != "" && r.Need == 0 { // too few samples: the finding says how many it takes
			s := "cannot be decided: " + r.Undecidable
			for _, side := range []comparison.Side{r.Base, r.Head} {
				if side.N == 0 && side.Reason != "" {
					s += " (" + side.Reason + ")"
					break
				}
			}
			add(r, s)
		}
		if r.Digest {
			add(r, "the two sides computed different results")
		}
		if r.Unequal != "" {
			add(r, "unequal work: "+r.Unequal)
		}
	}
	return fewNotes(notes)
}

// fewNotes shortens a list that nobody would read to its end.
func fewNotes(notes []string) []string {
	const most = 20
	if len(notes) > most {
		notes = append(notes[:most-1], fmt.Sprintf("and %d more notes; -f json has all", len(notes)-most+1))
	}
	return notes
}

// missingText names what only one side has.
func missingText(rep *comparison.Report) []string {
	var out []string
	for _, x := range []struct {
		where string
		list  []comparison.Missing
	}{{"base", rep.OnlyBase}, {"head", rep.OnlyHead}} {
		if len(x.list) == 0 {
			continue
		}
		var names []string
		for _, m := range x.list {
			names = append(names, m.Title())
		}
		out = append(out, fmt.Sprintf("Only in %s (%d): %s.", x.where, len(names), strings.Join(names, ", ")))
	}
	if len(rep.Hidden) > 0 {
		out = append(out, fmt.Sprintf("Also in both: %s; --all compares them too.", strings.Join(rep.Hidden, ", ")))
	}
	return out
}

// comparisonLegend explains the columns.
func comparisonLegend(rep *comparison.Report) []string {
	test := "Mann–Whitney tests and Hodges–Lehmann ratios of two independent samples"
	if rep.Paired {
		test = "signed-rank tests and Hodges–Lehmann ratios of the pairs of a round"
	}
	return []string{
		"▲ regressed and ▼ improved: q ≤ " + strconv.FormatFloat(rep.Options.Alpha, 'g', 3, 64) + " and a ratio beyond " + quantity.Percent(rep.Options.MinEffect) +
			"; = equivalent: shown to lie within " + quantity.Percent(rep.Options.MinEffect) + "; ? inconclusive: neither. " +
			test + "; q is p corrected for all tests of the table (Benjamini–Hochberg). Detectable: the smallest difference that these samples would show in four of five cases.",
	}
}

const (
	// foldFrom is from how many rows on a page shows at once only those that differ.
	foldFrom = 13
	// mostRows bounds a table on a page: a comment on GitHub has room for 65,536 characters.
	mostRows = 100
)

// family writes the section of one metric: its table, and what has to be said about it. Of a long table the rows that do not
// differ are folded away.
func (p *page) family(f *comparison.Family, finding string, notes []string) {
	p.f("### %s\n\n", EscapeMarkdown(sentence(orUnit(f.Metric))))
	p.f("*%s.*\n\n", EscapeMarkdown(familyText(f)))
	all := comparisonGrid(f, p.unit)
	differs := func(i int) bool { return i >= len(f.Rows) || all.lines[i].style == strong } // the geometric mean stands last
	if len(f.Rows) < foldFrom {
		p.f("%s\n", all.markdown())
	} else {
		if first := all.only(differs); len(first.lines) > 0 {
			p.f("%s\n", first.bounded())
		}
		rest := all.only(func(i int) bool { return !differs(i) })
		p.f("<details>\n<summary>%s</summary>\n\n%s\n</details>\n\n", EscapeMarkdown(restText(f)), rest.bounded())
	}
	if finding != "" {
		// It may begin with a number, which would make it a list.
		p.f("%s\n\n", strings.TrimPrefix(EscapeMarkdown("–"+finding), "–"))
	}
	for _, n := range notes {
		p.f("- %s\n", EscapeMarkdown(n))
	}
	if len(notes) > 0 {
		p.f("\n")
	}
}

// restText counts the rows that do not differ.
func restText(f *comparison.Family) string {
	var parts []string
	total := 0
	for _, v := range []comparison.Verdict{comparison.Equivalent, comparison.Inconclusive} {
		if n := f.Count(v); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d %s", v.Symbol(), n, v))
			total += n
		}
	}
	if total < len(f.Rows) {
		parts = append([]string{"the others"}, strings.Join(parts, ", "))
		return strings.Join(parts, ": ")
	}
	return "all " + strings.Join(parts, ", ")
}

// bounded is markdown for no more than mostRows rows.
func (g *grid) bounded() string {
	if len(g.lines) <= mostRows {
		return g.markdown()
	}
	return g.only(func(i int) bool { return i < mostRows }).markdown() +
		fmt.Sprintf("\nand %d more rows, which -f json and -f csv have.\n", len(g.lines)-mostRows)
}
